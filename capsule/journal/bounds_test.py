from __future__ import annotations

import math
import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.journal import bounds

any_text = st.text(st.characters(codec=None), max_size=50) | st.sampled_from(
    ["a\0b", "\udcff", "\ud83d\ude00"]
)


@given(any_text, st.integers(10, 60))
def test_any_text_can_be_stored_and_comes_back(text: str, limit: int) -> None:
    stored = bounds.storable(text, limit)
    (back,) = sqlite3.connect(":memory:").execute("SELECT ?", (stored,)).fetchone()
    assert back == stored
    if len(text) <= limit and not any("\ud800" <= character <= "\udfff" for character in text):
        assert stored == text


def test_a_lone_surrogate_is_written_out() -> None:
    assert bounds.storable("a\udcffb", 10) == "a\\udcffb"


def test_a_long_text_is_cut_and_says_so() -> None:
    assert bounds.storable("x" * 100, 20) == "x" * 13 + "… [cut]"


@given(st.integers())
def test_any_integer_fits(value: int) -> None:
    stored = bounds.integer(value)
    assert stored == value if abs(value) < 2**63 else abs(stored) == 2**63 - 1
    sqlite3.connect(":memory:").execute("SELECT ?", (stored,))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_zero(value: float) -> None:
    assert bounds.real(value) == 0.0


def test_a_run_is_refused_rows_once_it_has_stored_its_share() -> None:
    budget = bounds.Budget()
    while budget.affords(1_000_000):
        assert budget.spent < 2 * bounds.RUN_LIMIT
    budget.refund(2_000_000)
    assert budget.affords(0)
