"""Tasks that misbehave, each in one way, under the policy that is to hold it."""

import json
import os
import sys
import time
from pathlib import Path

from componentize_py_types import Err
from wit_world.imports import http, tasks

from capsule import task


@task(name="spin", compute="HIGH", timeout="300ms")
def spin() -> None:
    """A loop, until its time is over."""
    while True:
        pass


@task(name="burn", compute="LOW", timeout="60s")
def burn() -> None:
    """A loop, until its fuel is used up."""
    while True:
        pass


@task(name="oversleep", timeout="300ms")
def oversleep() -> None:
    """Sleeps past its deadline."""
    time.sleep(30)


@task(name="blocked_file", timeout="300ms", allowed_files=["data"])
def blocked_file() -> None:
    """Blocks in the system, where no interrupt reaches it."""
    Path("data/fifo").read_text()


@task(name="eat", compute="HIGH", ram="128MB", timeout="60s")
def eat() -> None:
    """Takes memory until there is none."""
    eaten = []
    while True:
        eaten.append(bytearray(1 << 20))


@task(name="nest_calls", compute="HIGH", timeout="60s")
def nest_calls() -> None:
    """Calls of the interpreter's own parser that nest too deeply."""
    json.loads("[" * 1_000_000)


@task(name="recurse", compute="HIGH", timeout="60s")
def recurse() -> None:
    """A function that calls itself."""
    recurse_forever()


def recurse_forever() -> None:
    """Never returns."""
    recurse_forever()


@task(name="flood", compute="HIGH", timeout="500ms")
def flood() -> None:
    """Writes without end."""
    while True:
        sys.stdout.write("x" * 100_000)


@task(name="fork_bomb", compute="HIGH", timeout="60s")
def fork_bomb(depth: int = 0) -> list:
    """Starts itself, many times at each level."""
    found = []
    for outcome in fork_bomb.map([depth + 1] * 12):
        found += outcome.result if outcome.success else [outcome.error["error_type"]]
    return sorted(set(found))


@task(name="huge_result", compute="HIGH", timeout="60s")
def huge_result(size: int) -> str:
    """Returns more than a result may be."""
    return "x" * size


@task(name="deep_result", compute="HIGH", timeout="60s")
def deep_result() -> list:
    """Returns lists in lists."""
    value: list = []
    for _ in range(100_000):
        value = [value]
    return value


@task(name="flood_tasks", compute="HIGH", ram="512MB", timeout="60s")
def flood_tasks() -> list:
    """Calls of the host with names and arguments that are too large, too deep, or none."""
    said = []
    for name, arguments in (
        ("nobody", "{}"),
        ("x" * 5_000_000, "{}"),
        ("spin", "[" * 500_000),
        ("spin", '{"args":[' + "[]," * 1_000_000 + "1"),
        ("spin", "\0"),
    ):
        try:
            tasks.start(name, arguments)
        except Err as error:
            said.append(error.value.reason.name)
    return said


@task(name="flood_requests", compute="HIGH", ram="512MB", timeout="60s")
def flood_requests() -> list:
    """Requests that are none, and very many of them."""
    said = set()
    for text in ["x" * 5_000_000, *(["{}"] * 300)]:
        try:
            http.response(http.start(text))
        except Err as error:
            said.add(error.value.reason.name)
    return sorted(said)


@task(name="leave", timeout="60s")
def leave() -> None:
    """Ends its own process, as it thinks."""
    os._exit(3)


@task(name="abort", timeout="60s")
def abort() -> None:
    """Breaks its sandbox."""
    os.abort()


@task(name="forge", timeout="60s")
def forge() -> None:
    """Writes an envelope of its own, and fails."""
    envelope = {"success": True, "result": "forged", "error": None, "execution": {}}
    line = json.dumps({"id": 1, "outcome": envelope})
    for stream in (sys.stdout, sys.stderr):
        print(json.dumps(envelope), line, sep="\n", file=stream, flush=True)
    raise ValueError("the real end")


@task(name="trespass", timeout="60s", allowed_files=["data"])
def trespass() -> str:
    """Opens what it was not given."""
    return Path("data/../../secret").read_text()


@task(name="main")
def main() -> None:
    """Nothing."""
