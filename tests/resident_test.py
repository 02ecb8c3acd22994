"""The resident host: commands that it does are what they are without it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from resident_hosts import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is one on Linux only")


def without_times(said: bytes) -> bytes:
    import re

    said = re.sub(rb'"(duration_ms|fuel_consumed|ram_used|start_time|end_time|time)": [0-9.e+-]+', b"", said)
    said = re.sub(rb"[0-9,]+ ms, fuel [0-9,]+|after [0-9]+ ms", b"", said)
    return re.sub(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{8,}|[0-9]+([.:][0-9]+)*", b"N", said)


COMMANDS = (
    ("run", "main.py"),
    ("run", "main.py", "tea", "3"),
    ("run", "main.py", "tea", "3", "--json"),
    ("run", "main.py", "--verbose"),
    ("run", "main.py", "--task", "failing"),
    ("run", "main.py", "--task", "failing", "--json"),
    ("run", "nothing.py"),
    ("run", "main.py", "--no-such-option"),
    ("run", "main.py", "--args-json", '{"word": "é"}'),
    ("run", "main.py", "--args-file", "-"),
    ("run", "broken.py"),
    ("exec", "main.py"),
    ("tasks", "main.py"),
    ("tasks", "main.py", "--json", "--limit", "ram=64MB"),
    ("build", "main.py", "--json"),
    ("build", "--export", "main.py"),
    ("explain", "main.py", "main"),
    ("trace", "--limit", "1"),
    ("trace", "--help"),
)


def test_commands_are_byte_for_byte_the_same_with_and_without_it(resident, project):
    project.write("broken.py", "def main(:\n")
    resident.begin()
    before = resident.done()
    for words in COMMANDS:
        given = project.write("given.json", '["from a file"]')
        ways = []
        for choice in ("0", "1"):
            with given.open("rb") as file:
                done = resident.run(*words, env={"CAPSULE_RESIDENT": choice}, stdin=file)
            ways.append((done.returncode, without_times(done.stdout), without_times(done.stderr)))
        assert ways[0] == ways[1], words
    assert resident.done() - before == len(COMMANDS)


def test_what_a_process_is_goes_along(resident, project):
    """Umask, limits, variables, folder, ignored signals."""
    resident.begin()
    before = resident.done()
    (project.root / "within").mkdir()
    script = 'umask 027; ulimit -n 300; cd within; exec "$0" build --export ../main.py'
    done = subprocess.run(
        ["/bin/sh", "-c", script, resident.command],
        env=resident.environment,
        cwd=project.root,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done
    made = next(project.root.rglob("main.wasm"))
    assert made.stat().st_mode & 0o777 == 0o640
    for colour in ("red", "green"):
        done = resident.run("run", "main.py", env={"COLOUR": colour})
        assert f"said nothing {colour}".encode() in done.stderr + done.stdout
    done = resident.run("run", "main.py", env={"XDG_CACHE_HOME": "relative"}, cwd="/", stdin=None)
    assert b"main.py: no such file" in done.stderr
    assert resident.done() - before == 4


def test_output_is_there_when_it_is_written(resident):
    resident.begin()
    child = resident.start("run", "main.py", "--task", "sleeping")
    assert child.stderr.readline() == b"asleep\n"
    child.kill()
    child.communicate()


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, -1), (signal.SIGQUIT, -3)],
    ids=lambda value: str(value),
)
def test_a_signal_ends_a_command_as_it_does_without(resident, number, status):
    resident.begin()
    for choice in ("0", "1"):
        resident.environment["CAPSULE_RESIDENT"] = choice
        # Whoever starts tests in the background has them ignore some.
        child = resident.start(
            "run", "main.py", "--task", "sleeping", preexec_fn=lambda: signal.signal(number, signal.SIG_DFL)
        )
        assert child.stderr.readline() == b"asleep\n"
        child.send_signal(number)
        _, said = child.communicate(timeout=PATIENCE)
        assert child.returncode == status
        assert said == (b"interrupted\n" if number == signal.SIGINT else b"")


def test_a_closed_pipe_and_a_closed_stream_end_as_without(resident):
    resident.begin()
    for script in (
        '"$0" run main.py 2>&1 | true; echo',
        '"$0" run main.py <&- ',
        '"$0" run main.py >&- 2>&-',
    ):
        ways = []
        for choice in ("0", "1"):
            done = subprocess.run(
                ["/bin/sh", "-c", script, resident.command],
                env=resident.environment | {"CAPSULE_RESIDENT": choice},
                cwd=resident.project,
                capture_output=True,
                check=False,
            )
            ways.append((done.returncode, done.stdout, done.stderr))
        assert ways[0] == ways[1], script


def test_on_a_terminal_it_has_colours_and_ctrl_c(resident):
    resident.begin()
    before = resident.done()
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(resident.project)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execve(
            resident.command, ["capsule", "run", "main.py", "-v", "--task", "sleeping"], resident.environment
        )
    said = b""
    while b"asleep" not in said:
        said += os.read(terminal, 4096)
    assert b"\x1b[2m" in said
    os.write(terminal, b"\x03")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    os.close(terminal)
    assert resident.done() == before + 1


def test_it_is_off_where_somebody_says_so(resident, project):
    for off in ({"CAPSULE_RESIDENT": "0"}, {"PYTHONVERBOSE": ""}):
        resident.run("trace", env=off)
        assert resident.hosts() == []
    resident.environment |= {"CI": "true"}
    del resident.environment["CAPSULE_RESIDENT"]
    resident.run("trace")
    assert resident.hosts() == []
    resident.environment["CAPSULE_RESIDENT"] = "1"
    settings = project.write("capsule.toml", "[cli]\nresident = false\n")
    resident.run("trace")
    assert resident.hosts() == []
    settings.unlink()
    resident.begin()
    project.write("capsule.toml", "[cli]\nresident = false\n")
    before = resident.done()
    assert resident.run("run", "main.py").returncode == 0
    assert resident.done() == before


def test_the_way_to_it_imports_neither_the_commands_nor_typing(resident, python):
    resident.begin()
    before = resident.done()
    script = """
        import os, sys
        sys.argv[1:], paths = ["tasks", "main.py"], sys.argv[1].split(":")
        sys.path[:] = paths
        end = os._exit
        def tell(code):
            os.write(1, b" ".join(name.encode() for name in sys.modules))
            end(code)
        os._exit = tell
        from capsule.resident.client import main
        main()
    """
    folders = [str(Path(resident.command).parent), *(path for path in _paths() if path)]
    import textwrap

    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), ":".join(folders)],
        env=resident.environment,
        cwd=resident.project,
        capture_output=True,
        check=False,
    )
    loaded = done.stdout.split()
    assert resident.done() == before + 1, done
    assert b"capsule.resident.client" in loaded
    for name in (b"capsule.cli", b"typing", b"enum", b"re", b"json", b"socket", b"signal", b"dataclasses"):
        assert name not in loaded


def _paths() -> list[str]:
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import sys; print('\\n'.join(sys.path))"],
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    return done.stdout.splitlines()


def test_two_at_once_and_one_after_another(resident):
    resident.begin()
    before = resident.done()
    children = [resident.start("run", "main.py", str(number), "--json") for number in range(6)]
    results = [json.loads(child.communicate()[0])["result"]["word"] for child in children]
    assert results == [str(number) for number in range(6)]
    assert resident.done() > before
