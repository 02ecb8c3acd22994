"""The recipe of the engine, and snapshots."""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from pathlib import Path

import pytest

from capsule.errors import BuildError
from capsule.frontend.sdk import sdk_modules
from capsule.frontend.spec import Program
from capsule_python import engine as recipe
from capsule_python.engine import _guest_files, build_snapshot, componentize, python_engine
from capsule_python.harness_test import Sandbox, World, compiled, in_thread, program

pytestmark = pytest.mark.slow


def test_the_engine_says_what_it_is() -> None:
    engine = python_engine()
    assert engine.name == "python"
    assert re.fullmatch(r"\d+\.\d+\.\d+/cpython-3\.14", engine.version)
    assert re.fullmatch(r"[0-9a-f]{64}", engine.key)
    assert engine.key == python_engine().key


def test_the_key_follows_every_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    guest = tmp_path / "guest"
    shutil.copytree(Path(recipe.__file__).parent / "guest", guest)
    monkeypatch.setattr(recipe, "_GUEST", guest)
    before = recipe._key("1")
    (guest / "capsule" / "something_test.py").write_text("a test is no part of the engine")
    assert recipe._key("1") == before
    assert recipe._key("2") != before
    (guest / "capsule" / "tasks.py").write_text("changed")
    assert recipe._key("1") != before


def test_the_key_follows_what_the_host_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe._key("1")
    other = tmp_path / "outcome.py"
    other.write_text("changed")
    monkeypatch.setattr(recipe, "sdk_modules", lambda: {**sdk_modules(), "outcome.py": other})
    assert recipe._key("1") != before


def test_the_guest_imports_nothing_of_the_host() -> None:
    inside = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name, _ in _guest_files()
    }
    for name, path in _guest_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            wanted = []
            if isinstance(node, ast.Import):
                wanted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                wanted = [node.module or ""]
            own = [module for module in wanted if module.partition(".")[0].startswith("capsule")]
            assert set(own) <= inside, f"{name}:{node.lineno}"


def test_a_sandbox_maps_the_snapshot_instead_of_copying_it() -> None:
    world = World(program("def main():\n    return 1\n"))

    def instantiate() -> int:
        sandbox = Sandbox(world)
        used = world.fuel - sandbox.store.get_fuel()
        sandbox.store.close()
        return used

    # Copying is metered: it would take about one unit for each byte of some 25 MB.
    assert in_thread(instantiate).result() < 1_000_000


def test_a_failing_toolchain_is_a_build_error_with_its_output() -> None:
    with pytest.raises(BuildError) as caught:
        componentize("python-engine", {"broken_app.py": b"raise ValueError('told by the tool')\n"})
    assert "componentize-py failed" in str(caught.value)
    assert "told by the tool" in (caught.value.traceback or "")


def test_the_toolchain_sees_no_environment_of_ours(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET", "s3cret")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    environment = recipe._environment(tmp_path)
    assert "s3cret" not in environment.values()
    assert environment["VIRTUAL_ENV"] == str(tmp_path / "venv")
    assert not any(files for _, _, files in os.walk(tmp_path))


_SNAPSHOT = """
import os, random, time
import helper
from capsule import http, task
STARTED = time.time()
CHOSEN = random.random()
print("at build time")

@task(compute="LOW")
def main(x):
    import statistics, late
    return [x, helper.VALUE, late.VALUE, statistics.mean([1, 3]), os.environ.get("KEY"), CHOSEN,
        random.random()]

@task
def sub(x):
    return [envelope.result for envelope in double.map(range(x))]

@task
def double(x):
    return 2 * x

@task
async def waits():
    import asyncio
    await asyncio.gather(asyncio.sleep(0.01), asyncio.sleep(0.01))
    raise ValueError("told")

@task
def fetch():
    return http.get("http://example.com/").text()
"""


@pytest.fixture(scope="module")
def snapshot() -> World:
    files = {"main.py": _SNAPSHOT, "helper.py": "VALUE = 'h'\n", "late.py": "VALUE = 'l'\n"}
    made = Program(program(files))
    key = f"snapshot-{python_engine().key}-{hashlib.sha256(_SNAPSHOT.encode()).hexdigest()[:16]}"
    component = compiled(key, lambda: build_snapshot(made, lambda message: None))
    return World({}, component, env={"KEY": "v"}, http=lambda request: {"body": b"body"})


def test_a_snapshot_runs_tasks_as_the_engine_does(snapshot: World) -> None:
    first, second = snapshot.run("main", 1), snapshot.run("main", 1)
    assert first.result[:5] == [1, "h", "l", 2, "v"]
    assert first.stdout == ""
    # What the top level drew is the same in every sandbox; what the task draws is not.
    assert first.result[5] == second.result[5]
    assert first.result[6] != second.result[6]
    assert snapshot.run("sub", 3).result == [0, 2, 4]
    assert snapshot.run("fetch").result == "body"
    assert snapshot.log.count("get main") == 0


def test_a_snapshot_reports_errors_as_the_engine_does(snapshot: World) -> None:
    error = snapshot.run("waits").error
    assert error["message"] == "ValueError: told"
    assert 'raise ValueError("told")' in error["traceback"]
    assert snapshot.run("main").error["error_type"] == "invalid_call"


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("import os\n\nKEY = os.environ['KEY']\n", 3, "KeyError: 'KEY'"),
        ("from capsule import http\nhttp.get('http://x/')\n", 2, "can't be used at the top level"),
    ],
)
def test_a_failing_top_level_is_a_build_error_at_the_users_line(source: str, line: int, message: str) -> None:
    with pytest.raises(BuildError) as caught:
        build_snapshot(Program(program(source)), lambda message: None)
    assert message in caught.value.message
    assert str(caught.value.location) == f"main.py:{line}"
    assert caught.value.hint is not None
