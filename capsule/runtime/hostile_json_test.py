from __future__ import annotations

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.runtime import hostile_json
from capsule.runtime.hostile_json import MOST_VALUES, TooManyValues, read_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def values(value: object) -> int:
    """How many values there are in a value."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values, inner))


@given(VALUES)
def test_what_is_read_is_what_was_written(value: object) -> None:
    assert read_json(json.dumps(value)) == value


@pytest.mark.parametrize("ascii_only", [True, False])
@given(value=VALUES)
def test_the_bound_is_on_values_and_not_on_what_strings_hold(ascii_only: bool, value: object) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    before = hostile_json.SMALL, hostile_json.MOST_VALUES
    hostile_json.SMALL = 0  # type: ignore[misc]
    try:
        # An empty container counts as one value more: its opening looks like a value's.
        empty = sum(text.count(pair) for pair in ("[]", "{}"))
        hostile_json.MOST_VALUES = values(value) + empty + 1  # type: ignore[misc]
        assert read_json(text) == value
        hostile_json.MOST_VALUES = values(value) - 1  # type: ignore[misc]
        if values(value) > 1:
            with pytest.raises(TooManyValues):
                read_json(text)
    finally:
        hostile_json.SMALL, hostile_json.MOST_VALUES = before  # type: ignore[misc]


@pytest.mark.parametrize("item", ["[]", "{}", "1", '"ab"', '{"a":1}', "[[[[]]]]", "null", '"\\\\"', '"\\""'])
def test_too_many_values_are_not_parsed(item: str) -> None:
    with pytest.raises(TooManyValues, match="more than 2,000,000 values"):
        read_json("[" + f"{item}," * MOST_VALUES + "1]")


@pytest.mark.parametrize("item", [",", "[{,", '\\"', "\\\\", '\\\\\\",'])
def test_a_long_string_full_of_marks_is_one_value(item: str) -> None:
    text = f'["{item * (MOST_VALUES + 10)}", 1]'
    assert read_json(text) == json.loads(text)


@pytest.mark.parametrize("text", ['["' + "," * 3_000_000, "[" * 3_000_000, "x" * 200_000, '"\\' * 100_000])
def test_what_is_no_json_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, RecursionError)):
        read_json(text)


def test_the_collector_is_as_it_was() -> None:
    assert gc.isenabled()
    read_json("[" + "[]," * 100_000 + "1]")
    assert gc.isenabled()
