"""Results and arguments as JSON: what converts, and how refusals name what can't."""

from __future__ import annotations

import json
import math

import pytest

from capsule_python.harness_test import World, engine_component, program, run

_SOURCE = """
import dataclasses, datetime, decimal, enum, pathlib, typing, uuid
class Colour(enum.Enum):
    RED = "red"
class Level(enum.IntEnum):
    HIGH = 3
@dataclasses.dataclass
class Item:
    name: str
    when: object = None
class Pair(typing.NamedTuple):
    a: int
    b: int
class Odd:
    pass
loop = []
loop.append(loop)
deep = []
for _ in range(100_000):
    deep = [deep]
def main(expression):
    return eval(expression)
"""


@pytest.fixture(scope="module")
def values() -> World:
    engine_component()
    return World(program(_SOURCE))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("[1, 2.5, 'x', None, True, {'k': [1]}]", [1, 2.5, "x", None, True, {"k": [1]}]),
        ("(1, 2)", [1, 2]),
        ("Pair(1, 2)", [1, 2]),
        ("Colour.RED", "red"),
        ("Level.HIGH", 3),
        ("Item('n', datetime.date(2026, 1, 2))", {"name": "n", "when": "2026-01-02"}),
        ("datetime.datetime(2026, 1, 2, 3, 4, 5)", "2026-01-02T03:04:05"),
        ("datetime.time(3, 4)", "03:04:00"),
        ("uuid.UUID(int=1)", "00000000-0000-0000-0000-000000000001"),
        ("pathlib.Path('a/b')", "a/b"),
        ("decimal.Decimal('1.10')", "1.10"),
        ("2 ** 200", 2**200),
        ("float('inf')", math.inf),
        ("{1: 'a', None: 'b', 2.5: 'c', True: 'd'}", {"1": "d", "null": "b", "2.5": "c"}),
        ("'\\ud800 \\u2028 é'", "\ud800 \u2028 é"),
    ],
)
def test_converts(values: World, expression: str, expected: object) -> None:
    assert values.run("main", expression).result == expected


def test_nan_survives(values: World) -> None:
    assert math.isnan(values.run("main", "float('nan')").result)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("b'x'", "result: bytes can't become JSON; return base64 text"),
        ("{'items': [1, 2, 3, Item('n', b'x')]}", "result.items[3].when: bytes can't become JSON"),
        ("{1}", "result: set can't become JSON; return a list"),
        ("[Odd()]", "result[0]: main.Odd can't become JSON"),
        ("{(1, 2): 3}", "result: a key is tuple: (1, 2)"),
        ("{'a b': {'c': object}}", "result['a b'].c: type can't become JSON"),
        ("loop", "result[0]: circular"),
        ("deep", "result: nested too deeply"),
        ("10 ** 5000", "result: an integer with too many digits"),
        ("Item", "result: type can't become JSON"),
    ],
)
def test_refuses_naming_type_and_place(values: World, expression: str, message: str) -> None:
    error = values.run("main", expression).error
    assert error["error_type"] == "task_error"
    assert message in error["message"]


def test_arguments_of_sub_tasks_convert_alike_and_refusals_name_them() -> None:
    source = """
import datetime
from capsule import task
@task
def echo(value, other=None):
    return value
def main(bad):
    if bad:
        return echo(1, other=[b"x"])
    return echo(datetime.date(2026, 1, 2)).result
"""
    world = World(program(source))
    assert world.run("main", False).result == "2026-01-02"
    assert "other[0]: bytes can't become JSON; pass base64 text" in world.run("main", True).error["message"]


def test_values_arrive_as_python_has_them() -> None:
    big = [2**70, 1.5, "é\ud800", None, {"k": []}]
    assert run("def main(x):\n    return x\n", "main", big).result == big
    text = json.dumps(run("def main(x):\n    return [x != x]\n", "main", math.nan).result)
    assert text == "[true]"
