"""What editors and type checkers see of ``capsule``: mypy and pyright over one program.

(TypeScript's types are checked with its compiler in the frontend's tests.)
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from capsule_js.toolchain import ManagedToolchain

pytestmark = pytest.mark.slow

# `# reveals: TYPE` is the type that both reveal there, and `# error` is where both have to find one.
PROGRAM = """
import asyncio
from typing import Any, NoReturn

from typing_extensions import reveal_type

from capsule import Envelope, TaskError, run, run_sync, task


@task
def bare(n: int) -> str:
    return str(n)


@task(
    name="double", compute="LOW", ram="64MB", timeout="5s", max_retries=1, secrets=["S"],
    allowed_files=["./data", {"path": "./out", "mode": "ro"}], allowed_hosts=("a.org",), env_variables=["A"],
)
def double(n: int, *, times: int = 2) -> list[int]:
    return [n] * times


@task(name="load")
async def load(url: str) -> dict[str, int]:
    await asyncio.sleep(0)
    return {url: 1}


@task
async def bare_async(url: str) -> bytes:
    return url.encode()


@task
def anything(n: int) -> Any:
    return n


@task
def ends() -> NoReturn:
    raise ValueError


@task
def unannotated(n):  # type: ignore[no-untyped-def]
    return n


reveal_type(bare)  # reveals: Task[[n: int], str]
reveal_type(double)  # reveals: Task[[n: int, *, times: int =], list[int]]
reveal_type(load)  # reveals: AsyncTask[[url: str], dict[str, int]]
reveal_type(bare_async)  # reveals: AsyncTask[[url: str], bytes]
reveal_type(bare(1))  # reveals: Envelope[str]
reveal_type(double(1, times=3).unwrap())  # reveals: list[int]
reveal_type(double(1).result)  # reveals: list[int] | None
reveal_type(double(1).success)  # reveals: bool
reveal_type(double.start(1, times=3))  # reveals: Pending[list[int]]
reveal_type(double.start(1).outcome())  # reveals: Envelope[list[int]]
reveal_type(double.map([1, 2]))  # reveals: list[Envelope[list[int]]]
reveal_type(load.start("a").outcome().unwrap())  # reveals: dict[str, int]
reveal_type(load.map(["a"]))  # reveals: list[Envelope[dict[str, int]]]
reveal_type(anything(1).unwrap())  # reveals: Any
reveal_type(unannotated(1).unwrap())  # reveals: Any
reveal_type(run_sync("main.py"))  # reveals: Envelope[Any]


@task(name="main", compute="HIGH")
async def main(urls: list[str]) -> int:
    reveal_type((await load("a")).unwrap())  # reveals: dict[str, int]
    reveal_type(await double.start(2))  # reveals: Envelope[list[int]]
    both = await asyncio.gather(load("a"), bare_async("b"))
    reveal_type(both)  # reveals: tuple[Envelope[dict[str, int]], Envelope[bytes]]
    mixed = await asyncio.gather(load("a"), double.start(2))
    reveal_type(mixed)  # reveals: tuple[Envelope[dict[str, int]], Envelope[list[int]]]
    many = await asyncio.gather(*(double.start(n) for n in range(3)))
    reveal_type(many)  # reveals: list[Envelope[list[int]]]
    reveal_type(await asyncio.wait_for(load("a"), 5))  # reveals: Envelope[dict[str, int]]
    reveal_type(await asyncio.create_task(load("a")))  # reveals: Envelope[dict[str, int]]
    reveal_type(await run("main.py", [1], task="double"))  # reveals: Envelope[Any]
    try:
        return len((await load("a")).unwrap())
    except TaskError as error:
        reveal_type(error.task_number)  # reveals: int | None
        return len(error.message)


PATHS = ["a", "b"]
GRANTS = [{"path": "a", "mode": "ro"}]


def of_any(envelope: Envelope) -> Envelope[int]:
    if envelope.error is not None:
        print(envelope.error["message"], envelope["success"], dict(envelope))
    return envelope


double("no")  # error
double(1, time=3)  # error
double()  # error
double.start("no")  # error
load(1)  # error
task(compute="LOW", retries=1)  # error
task(name="a", allowed_files="data")  # error
task(name="a", allowed_hosts="a.org")  # error
task(name="a", allowed_files=PATHS, allowed_hosts=PATHS)
task(name="a", allowed_files=[{"path": "a"}, {"path": "b"}])
task(name="a", allowed_files=GRANTS)
print(double(1) + 1)  # error
print(double(1).append)  # error
for each in double(1):  # error
    pass
double(1).unwrap().append("x")  # error
print(load("a").unwrap())  # error
print(double.start(1).unwrap())  # error
print(double.start(1)["result"])  # error
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("typed") / "program.py"
    file.write_text(PROGRAM)
    return file


def test_mypy_knows_what_tasks_take_and_give(program: Path) -> None:
    assert mypy(program) == (expected("# reveals: (.*)"), set(expected("# (error)$")))


def test_pyright_and_editors_know_what_tasks_take_and_give(program: Path) -> None:
    assert pyright(program) == (expected("# reveals: (.*)"), set(expected("# (error)$")))


def expected(pattern: str) -> dict[int, str]:
    found = {number: re.search(pattern, line) for number, line in enumerate(PROGRAM.splitlines(), 1)}
    return {number: match[1] for number, match in found.items() if match}


def mypy(program: Path) -> tuple[dict[int, str], set[int]]:
    """The types that mypy reveals by their lines, and the lines of its errors."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "cache", program.name]
    done = subprocess.run(command, cwd=program.parent, capture_output=True, text=True, timeout=300)
    assert not done.stderr, done.stderr
    revealed, wrong = {}, set()
    for line, kind, message in re.findall(rf"^{program.name}:(\d+): (\w+): (.*)$", done.stdout, re.M):
        if kind == "error":
            wrong.add(int(line))
        elif message.startswith("Revealed type is "):
            revealed[int(line)] = re.sub(r"\bcapsule(\.\w+)*\.", "", message.split('"')[1])
    return revealed, wrong


def pyright(program: Path) -> tuple[dict[int, str], set[int]]:
    """As `mypy`. Its package holds the checker's JavaScript; Node is that of TypeScript's frontend."""
    package = importlib.util.find_spec("pyright")
    if package is None or package.origin is None:
        pytest.skip("needs pyright: uv sync --all-groups")
    script = Path(package.origin).parent / "dist" / "index.js"
    options = ["--outputjson", "--pythonpath", sys.executable, program.name]
    done = subprocess.run(
        [ManagedToolchain().node(print), script, *options],
        cwd=program.parent,
        capture_output=True,
        text=True,
        timeout=300,
    )
    revealed, wrong = {}, set()
    for one in json.loads(done.stdout)["generalDiagnostics"]:
        line = one["range"]["start"]["line"] + 1
        if one["severity"] == "error":
            wrong.add(line)
        elif one["message"].startswith("Type of "):
            type_ = re.search(r'" is "(.*)"$', one["message"])[1]  # type: ignore[index]
            parameters = re.sub(r"\[\((.*?)\), ", r"[[\1], ", type_)
            revealed[line] = re.sub(r" = \d+", " =", parameters)
    return revealed, wrong
