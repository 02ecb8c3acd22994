from __future__ import annotations

import pytest

from capsule_js.edits import Edit, Shift, apply, moved


def test_edits_are_made_in_the_order_of_their_places() -> None:
    changed, _ = apply(b"abc\ndef", [Edit(4, 5, b"DD"), Edit(0, 0, b">"), Edit(1, 3)])
    assert changed == b">a\nDDef"


def test_shifts_say_for_each_line_what_moved_how_far() -> None:
    _, shifts = apply(b"abc\ndef", [Edit(0, 0, b">>"), Edit(1, 3), Edit(5, 5, b"!")])
    assert shifts == {0: [Shift(0, 0, 2, 0), Shift(1, 3, 0, 3)], 1: [Shift(1, 1, 1, 1)]}
    assert [moved(column, shifts[0]) for column in (0, 1, 2, 3)] == [2, 3, 3, 3]
    assert [moved(column, shifts[1]) for column in (0, 1)] == [0, 2]


def test_places_stay_in_their_order() -> None:
    _, shifts = apply(b"0123456789", [Edit(1, 5, b"x"), Edit(5, 5, b"yy"), Edit(6, 9), Edit(9, 10, b"zzz")])
    places = [moved(column, shifts[0]) for column in range(12)]
    assert places == sorted(places)


def test_edits_that_overlap_or_join_lines_are_refused() -> None:
    with pytest.raises(ValueError, match="joins lines"):
        apply(b"ab\ncd", [Edit(1, 4)])
    with pytest.raises(ValueError, match="overlap"):
        apply(b"abcdef", [Edit(0, 3), Edit(2, 4)])
