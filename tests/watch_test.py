"""``--watch``: again on every save, whatever editors do to files, until Ctrl-C."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

PATIENCE = 60
"""Seconds that a watcher may take on a machine that is busy; it takes some hundredths."""


class Watching:
    """A watcher as a child process, and what it has said so far."""

    def __init__(self, child):
        self.child = child
        self.said = []
        self._lines = queue.Queue()
        for stream in (child.stdout, child.stderr):
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream):
        for line in stream:
            self._lines.put(line.rstrip("\n"))

    def until(self, words):
        """Waits for a line with these words, and gives it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{words!r} never came; this did: {self.said}") from None
            self.said.append(line)
            if words in line:
                return line

    def end(self):
        self.child.send_signal(signal.SIGINT)
        return self.child.wait(PATIENCE)


@pytest.fixture
def watching(cli):
    return lambda *arguments: Watching(cli.start(*arguments, "--watch"))


@pytest.fixture
def greeting(project):
    project.write("main.py", "import words\ndef main():\n    return words.TEXT\n")
    project.write("words.py", "TEXT = 'one'\n")
    return project


def test_a_save_runs_the_program_again_until_ctrl_c(greeting, watching):
    run = watching("run", "main.py")
    run.until("one")
    greeting.write("words.py", "TEXT = 'two'\n")
    run.until("two")
    greeting.write("main.py", "import words\ndef main():\n    return words.TEXT + '!'\n")
    run.until("two!")
    assert run.end() == 130
    assert not any("Traceback" in line for line in run.said)


def test_editors_that_rename_and_files_that_go_and_come_back_are_followed(greeting, watching):
    run = watching("run", "main.py")
    run.until("one")
    for text in ("two", "three"):
        greeting.write("words.py.swp", f"TEXT = '{text}'\n")
        (greeting / "words.py.swp").replace(greeting / "words.py")
        run.until(text)
    (greeting / "words.py").unlink()
    run.until("error:")
    greeting.write("words.py", "TEXT = 'four'\n")
    run.until("four")
    # A package in place of the module: a folder that was not there before.
    greeting.write("words/__init__.py", "TEXT = 'five'\n")
    run.until("five")
    assert run.end() == 130


@pytest.mark.parametrize(
    ("file", "broken", "good", "words"),
    [
        ("main.py", "def main(:\n", "def main():\n    return 'mended'\n", "main.py:1"),
        ("main.ts", 'import "./x";\n', "export const main = () => 'mended';\n", "main.ts:1"),
    ],
)
def test_a_broken_source_is_shown_and_the_watch_goes_on(project, watching, file, broken, good, words):
    project.write(file, broken)
    run = watching("run", file)
    run.until(words)
    project.write(file, good)
    run.until("mended")
    project.write(file, broken)
    run.until(words)
    project.write(file, good)
    run.until("mended")
    assert run.end() == 130


def test_an_import_that_was_missing_is_found_when_it_appears(project, watching):
    project.write("apps/main.ts", 'import { x } from "../libs/x";\nexport const main = () => x;\n')
    project.write("capsule.toml", "")
    run = watching("run", "apps/main.ts")
    run.until("error:")
    project.write("libs/x.ts", "export const x = 'here';\n")
    run.until("here")
    assert run.end() == 130


def test_a_run_that_a_save_overtakes_is_cancelled(project, watching):
    spin = "def main():\n    print('spinning', flush=True)\n    while True: pass\n"
    project.write("main.py", f"from capsule import task\n@task(compute='HIGH')\n{spin}")
    run = watching("run", "main.py")
    run.until("spinning")
    project.write("main.py", "def main():\n    return 'done'\n")
    run.until("cancelled: the program changed")
    run.until("done")
    assert run.end() == 130


def test_ctrl_c_does_not_claim_that_the_program_changed(project, watching):
    spin = "def main():\n    print('spinning', flush=True)\n    while True: pass\n"
    project.write("main.py", f"from capsule import task\n@task(compute='HIGH')\n{spin}")
    run = watching("run", "main.py")
    run.until("spinning")
    assert run.end() == 130
    run.until("interrupted")
    assert not any("changed" in line for line in run.said)


def test_settings_and_environment_count_as_saves(project, watching):
    project.write(
        "main.py",
        """
        import os
        from capsule import task

        @task(name="main", env_variables=["WORD"])
        def main():
            return os.environ.get("WORD", "nothing")
    """,
    )
    run = watching("run", "main.py")
    run.until("nothing")
    project.write(".env", "WORD=something\n")
    run.until("something")
    project.write("capsule.toml", "[limits]\nram = 1\n[oops]\n")
    run.until("capsule.toml:3")
    (project / "capsule.toml").unlink()
    run.until("something")
    assert run.end() == 130


def test_a_save_that_changes_nothing_runs_nothing(greeting, watching):
    run = watching("run", "main.py")
    run.until("one")
    os.utime(greeting / "words.py")
    greeting.write("other.txt", "text")
    greeting.write("words.py", "TEXT = 'two'\n")
    run.until("two")
    assert [line for line in run.said if line in ("one", "two")] == ["one", "two"]
    assert run.end() == 130


def test_build_watch_builds_the_members_that_a_save_touches(project, watching):
    project.write("capsule.toml", '[workspace]\nmembers = ["apps/*"]\n')
    project.write("libs/x.py", "X = 1\n")
    project.write("apps/a/main.py", "from libs.x import X\ndef main():\n    return X\n")
    project.write("apps/b/main.py", "def main():\n    return 1\n")
    build = watching("build")
    build.until("built apps/b/main.py")
    assert any("built apps/a/main.py" in line for line in build.said)
    project.write("libs/x.py", "X = 2\n")
    assert "changed libs/x.py" in build.until("built apps/a/main.py")
    project.write("apps/a/main.py", "def main(:\n")
    build.until("apps/a/main.py:1")
    project.write("apps/a/main.py", "def main():\n    return 3\n")
    build.until("built apps/a/main.py")
    project.write("apps/c/main.py", "def main():\n    return 4\n")
    build.until("built apps/c/main.py")
    assert sum("built apps/b/main.py" in line for line in build.said) == 1
    assert build.end() == 130


def test_a_wasm_has_nothing_to_watch(greeting, cli, said):
    assert cli("build", "main.py", "--export").status == 0
    said(cli("run", "main.wasm", "--watch"), "no source to watch", status=2)


def test_watch_goes_with_nothing_that_builds_nothing(greeting, cli, said):
    said(cli("build", "--watch", "--check"), "don't go together", status=2)
    said(cli("build", "--watch", "--affected"), "leave --affected out", status=2)


def test_output_into_a_folder_that_is_watched_is_no_change(greeting):
    """What is said about broken settings would be a change itself, and be said again, and again."""
    greeting.write("capsule.toml", '[workspace]\nmembers = ["main.py"]\n')
    log = greeting / "watch.log"
    command = [Path(sys.executable).parent / "capsule", "build", "--watch"]
    with (
        log.open("w") as file,
        subprocess.Popen(command, cwd=greeting.root, stdout=file, stderr=file) as child,
        ending(child),
    ):
        wait_for(log, "built main.py")
        greeting.write("capsule.toml", "[[[\n")
        wait_for(log, "error: capsule.toml")
        for number in range(10):
            greeting.write(f"unrelated{number}", "")
            time.sleep(0.05)  # saves apart from each other: many at once would be one change
        greeting.write("words.py", "TEXT = 'two'\n")
        greeting.write("capsule.toml", '[workspace]\nmembers = ["main.py"]\n')
        wait_for(log, "changed words.py")
        child.send_signal(signal.SIGINT)
        assert child.wait(PATIENCE) == 130
    assert log.read_text().count("error: capsule.toml") == 1


@contextmanager
def ending(child):
    try:
        yield
    finally:
        child.kill()


def wait_for(log, words):
    deadline = time.monotonic() + PATIENCE
    while words not in log.read_text():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
