from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wasmtime.component import Variant

from capsule.runtime.attempt import read_answer
from capsule.runtime.foreign.answers import LARGEST_FAILURE, command_answer, runner_answer

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
MOST = 1 << 20


def read(tag: str, text: str):
    return read_answer(runner_answer(Variant(tag, text)), MOST)


@given(JSON)
def test_a_result_is_passed_on(value):
    assert read("ok", json.dumps({"result": value})) == (value, None)


@given(st.text())
def test_an_error_is_a_failure_with_its_text(text):
    value, failure = read("err", text)
    assert value is None
    assert failure is not None
    assert (failure.error_type, failure.message) == ("task_error", text)


@given(st.text(max_size=200) | JSON.map(json.dumps))
def test_whatever_a_runner_says_is_a_value_or_a_failure(text):
    value, failure = read("ok", text)
    assert failure is None or (value is None and failure.error_type in ("task_error", "crash"))


@pytest.mark.parametrize("claim", ["timeout", "cancelled", "limit_exceeded", "crash", "", "x" * 10_000])
def test_a_runner_can_not_claim_what_is_for_the_host_to_find(claim):
    _, failure = read("ok", json.dumps({"error_type": claim, "message": "m"}))
    assert failure is not None
    assert failure.error_type == "task_error"


def test_a_result_besides_an_error_counts():
    assert read("ok", '{"error_type": "x", "result": 5}') == (5, None)


def test_a_failure_of_any_size_is_bounded():
    _, failure = read("ok", json.dumps({"error": "x" * (LARGEST_FAILURE + 1)}))
    assert failure is not None
    assert failure.error_type == "result_too_large"


@given(st.binary())
def test_a_commands_output_is_its_exact_text_or_an_error(output):
    value, failure = read_answer(command_answer(output, 0), MOST)
    if failure is None:
        assert value.encode() == output
    else:
        assert "not UTF-8" in failure.message
        with pytest.raises(UnicodeDecodeError):
            output.decode()


def test_output_that_escapes_make_longer_still_counts_by_its_json():
    _, failure = read_answer(command_answer(b"\0" * MOST, 0), MOST)
    assert failure is not None
    assert failure.error_type == "result_too_large"
