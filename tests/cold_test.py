"""From nothing: an empty user's cache, where the engine has to be built and compiled first.

This takes minutes, so it runs where ``CI`` is set, as ``.ci/run`` does.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from capsule.project.user_cache import user_store

pytestmark = pytest.mark.slow

HELLO = """
    import time
    from capsule import task
    STARTED = time.time()

    @task(name="part")
    def part(word):
        return word.upper()

    @task(name="main")
    def main(word):
        return [part(word).result, STARTED]
"""


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CAPSULE_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_after_a_kill_during_the_engines_build_two_cold_runs_build_it_once(project, cli, empty_cache):
    project.write("main.py", HELLO)
    killed = cli.start("run", "main.py", "a")
    for line in killed.stderr:
        if "engine" in line:
            break
    time.sleep(5)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait(10)
    assert user_store("engines").stat().entries == 0

    children = [cli.start("run", "main.py", word, "--json") for word in "bc"]
    said = []
    for child, word in zip(children, "BC", strict=True):
        stdout, stderr = child.communicate(timeout=500)
        assert child.returncode == 0, stderr
        assert f'"result": ["{word}"' in stdout
        said.append(stderr)
    assert user_store("engines").stat().entries == 1
    assert user_store("compiled").stat().entries == 1
    assert sum("waiting for another process" in one for one in said) <= 1
    assert cli("run", "main.py", "d").stderr == ""


def test_a_snapshot_runs_the_top_level_when_it_is_built(project, cli):
    project.write("main.py", HELLO)
    before = time.time()
    assert cli("build", "main.py", "--snapshot", "--export", timeout=500).status == 0
    built = time.time()
    (project / "main.py").unlink()
    time.sleep(0.1)
    word, started = cli("exec", "main.wasm", "hi", "--json", timeout=500).envelope.unwrap()
    assert word == "HI"
    assert before <= started <= built
