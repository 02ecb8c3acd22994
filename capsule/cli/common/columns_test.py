"""A table fits the terminal, and loses nothing for it."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from capsule.cli.common.columns import NARROWEST, columns

ROWS = [("NAME", "WHAT", "WHERE"), ("short", "some words that take a line", "/a/long/path/" + "x" * 40)]


def test_without_a_terminal_no_line_is_broken():
    assert list(columns(ROWS, None)) == [
        "NAME   WHAT                         WHERE",
        "short  some words that take a line  /a/long/path/" + "x" * 40,
    ]


def test_the_widest_column_is_broken_first():
    assert list(columns(ROWS, 70)) == [
        "NAME   WHAT                         WHERE",
        "short  some words that take a line  /a/long/path/xxxxxxxxxxxxxxxxxxxxx",
        "                                    xxxxxxxxxxxxxxxxxxx",
    ]


CELLS = st.text(alphabet=st.sampled_from("abc /"), max_size=90)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=4), st.integers(1, 200))
def test_no_line_is_wider_and_no_letter_is_lost(rows, width):
    lines = list(columns(rows, width))
    least = 3 * NARROWEST + 4
    assert all(len(line) <= max(width, least) for line in lines)
    letters = [
        sorted(re.sub(r"\s", "", "".join(part))) for part in (lines, [cell for row in rows for cell in row])
    ]
    assert letters[0] == letters[1]
