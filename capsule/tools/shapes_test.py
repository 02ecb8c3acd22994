from __future__ import annotations

import datetime
import enum
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.tools.shapes import Mismatch, NoShape, shape


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Point:
    x: int
    y: float = 0.0


class Person(TypedDict):
    name: str
    age: NotRequired[int]


@pytest.mark.parametrize(
    ("hint", "value", "taken"),
    [
        (int, 3, 3),
        (float, 3, 3.0),
        (str, "x", "x"),
        (bool, True, True),
        (None, None, None),
        (Any, {"a": [1]}, {"a": [1]}),
        (int | None, None, None),
        (list[int], [1, 2], [1, 2]),
        (Sequence[str], ["a"], ["a"]),
        (set[int], [1, 1], {1}),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[int, ...], [1, 2, 3], (1, 2, 3)),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Mapping[str, list[bool]], {"a": [True]}, {"a": [True]}),
        (Literal["a", 1], 1, 1),
        (Colour, "red", Colour.RED),
        (Point, {"x": 1}, Point(1)),
        (list[Point], [{"x": 1, "y": 2}], [Point(1, 2.0)]),
        (Person, {"name": "Ann"}, {"name": "Ann"}),
        (Annotated[int, "whatever"], 1, 1),
        (datetime.date, "2026-11-26", datetime.date(2026, 11, 26)),
    ],
)
def test_a_value_that_fits_is_taken_and_converted(hint: Any, value: Any, taken: Any) -> None:
    assert shape(hint).take(value, "x") == taken


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (int, "3", "x: '3' is not of type integer"),
        (int, True, "x: True is not of type integer"),
        (int, 3.5, "integer"),
        (str, None, "string"),
        (int | None, "a", "none of number | null"),
        (list[int], "abc", "not a list"),
        (list[int], [1, "a"], r"x\[1\]: 'a'"),
        (tuple[int, str], [1], "a list of 2"),
        (dict[str, int], {"a": "b"}, r"x\['a'\]"),
        (Literal["a", 1], True, "none of"),
        (Colour, "green", 'none of "red" | "blue"'),
        (Point, {"x": 1, "z": 1}, "no field 'z'"),
        (Point, {"y": 1}, "field 'x' is missing"),
        (Point, {"x": "1"}, r"x\.x"),
        (Person, {}, "field 'name' is missing"),
        (datetime.date, "yesterday", "ISO date"),
    ],
)
def test_a_value_that_does_not_fit_is_an_error_with_its_place(hint: Any, value: Any, words: str) -> None:
    with pytest.raises(Mismatch, match=words.replace("|", r"\|")):
        shape(hint).take(value, "x")


@pytest.mark.parametrize("hint", [bytes, complex, dict[int, str], type, "text"])
def test_a_hint_that_no_json_fits_is_refused(hint: Any) -> None:
    with pytest.raises(NoShape):
        shape(hint)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    json_values,
    st.sampled_from([int, str, Point, Person, Colour, list[Point], dict[str, int], tuple[int, str] | None]),
)
def test_any_value_is_taken_or_a_mismatch(value: Any, hint: Any) -> None:
    with suppress(Mismatch):
        shape(hint).take(value, "x")
