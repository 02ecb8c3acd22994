"""Tasks that call tasks."""

from __future__ import annotations

from capsule_python.harness_test import World, program

_SOURCE = """
import asyncio
from capsule import task, TaskError
@task
def double(x):
    if x == 13:
        raise ValueError("unlucky")
    return 2 * x
@task
async def triple(x):
    return 3 * x
@task
def fact(n):
    return 1 if n == 0 else n * fact(n - 1).unwrap()
@task
def call(x):
    envelope = double(x)
    return [envelope.success, envelope["result"], envelope.result, envelope.execution["task_name"], envelope]
@task
def unwrap(x):
    try:
        return double(x).unwrap()
    except TaskError as error:
        return [error.error_type, str(error), "unlucky" in error.traceback]
@task
def mapped(n):
    return [envelope.result for envelope in double.map(100 + i for i in range(n))]
@task
def pairs():
    return [e.result for e in add.map([1, 2], [10, 20])]
@task
def add(a, b):
    return a + b
@task
def out_of_order():
    first, second = double.start(1), double.start(2)
    return [second.outcome().result, first.outcome().result, first.outcome().result, first.done()]
@task
async def gathered():
    found = await asyncio.gather(triple(1), triple(2), double.start(3))
    return [e.unwrap() for e in found]
@task
async def awaited():
    pending = double.start(4)
    await asyncio.sleep(0)
    return [(await pending).result, (await pending).result, (await triple(5)).result]
"""


def test_a_call_returns_the_envelope() -> None:
    success, result, again, name, envelope = World(program(_SOURCE)).run("call", 4).result
    assert (success, result, again, name) == (True, 8, 8, "double")
    assert envelope.keys() == {"success", "result", "error", "execution"}


def test_a_failed_sub_task_does_not_fail_its_caller() -> None:
    success, result, *_, envelope = World(program(_SOURCE)).run("call", 13).result
    assert (success, result) == (False, None)
    assert envelope["error"]["message"] == "ValueError: unlucky"


def test_unwrap_returns_the_result_or_raises_task_error() -> None:
    world = World(program(_SOURCE))
    assert world.run("unwrap", 2).result == 4
    assert world.run("unwrap", 13).result == [
        "task_error",
        "the task 'double' failed: ValueError: unlucky",
        True,
    ]


def test_a_task_may_call_itself() -> None:
    assert World(program(_SOURCE)).run("fact", 4).result == 24


def test_map_keeps_the_order_and_runs_side_by_side() -> None:
    world = World(program(_SOURCE), task_seconds={"double": 0.1})
    assert world.run("mapped", 6).result == [200, 202, 204, 206, 208, 210]
    assert world.most_at_once >= 3


def test_map_starts_a_bounded_number_at_once() -> None:
    world = World(program(_SOURCE))
    assert world.run("mapped", 100).result == [2 * n for n in range(100, 200)]
    calls = [line.split()[0] for line in world.log if line.startswith(("start", "outcome"))]
    assert calls.index("outcome") == 64


def test_map_takes_several_iterables_in_step() -> None:
    assert World(program(_SOURCE)).run("pairs").result == [11, 22]


def test_started_tasks_can_be_taken_in_any_order_and_again() -> None:
    assert World(program(_SOURCE)).run("out_of_order").result == [4, 2, 2, True]


def test_gather_runs_sub_tasks_side_by_side() -> None:
    world = World(program(_SOURCE), task_seconds={"triple": 0.2, "double": 0.2})
    assert world.run("gathered").result == [3, 6, 6]
    assert world.most_at_once >= 3


def test_a_pending_task_can_be_awaited_more_than_once() -> None:
    assert World(program(_SOURCE)).run("awaited").result == [8, 8, 15]


def test_refusals_are_failed_envelopes() -> None:
    reasons = {
        "unknown-task": "invalid_call",
        "bad-arguments": "invalid_call",
        "depth-limit": "limit_exceeded",
        "task-limit": "limit_exceeded",
    }
    for reason, error_type in reasons.items():
        world = World(program(_SOURCE), refuse=lambda name, reason=reason: (reason, "the rule"))  # type: ignore[misc]
        *_, envelope = world.run("call", 1).result
        assert envelope["success"] is False
        assert envelope["error"]["error_type"] == error_type
        assert envelope["error"]["message"] == "the rule"


def test_a_task_can_not_be_called_while_loading() -> None:
    error = World(program("from capsule import task\n@task\ndef f():\n    pass\nf()\n")).load()
    assert error is not None
    assert "can't be called while the program is loading" in error["message"]


def test_waiting_can_be_given_up_and_taken_up_again_in_another_loop() -> None:
    source = """
import asyncio
from capsule import task
@task
def slow():
    return "done"
def main():
    pending = slow.start()
    async def impatient():
        try:
            await asyncio.wait_for(pending, 0.01)
        except TimeoutError:
            return "not yet"
    async def patient():
        return [envelope.result for envelope in await asyncio.gather(pending, pending)]
    return [asyncio.run(impatient()), asyncio.run(patient())]
"""
    world = World(program(source), task_seconds={"slow": 0.3})
    assert world.run().result == ["not yet", ["done", "done"]]


def test_own_modules_named_like_the_engines_do_it_no_harm() -> None:
    files = {
        "main.py": """
import asyncio_helpers
from capsule import task
import json, traceback, inspect, time
@task
async def one():
    return 1
@task
async def main():
    return [(await one()).unwrap(), json.MINE, traceback.MINE, inspect.MINE]
""",
        "asyncio_helpers.py": "",
        "json.py": "MINE = 'json'",
        "traceback.py": "MINE = 'traceback'",
        "inspect.py": "MINE = 'inspect'",
        "asyncio.py": "MINE = 'asyncio'",
    }
    assert World(program(files)).run().result == [1, "json", "traceback", "inspect"]
