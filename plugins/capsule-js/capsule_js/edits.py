"""Changes to a bundle's text, and what they do to the columns that its source map speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Edit:
    """Puts ``text`` in the place of the bytes from ``start`` to ``end``; neither has a line break in it."""

    start: int
    end: int
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Shift:
    """What stood at ``end`` of its line, or behind, stands ``by`` further on; what stood between ``start``
    and there was replaced by what begins at ``begin``. Columns count from 0."""

    start: int
    end: int
    by: int
    begin: int


Shifts = Mapping[int, Sequence[Shift]]
"""Where a text moved: shifts by line, which counts from 0, each list in the order of its columns."""


def apply(source: bytes, edits: Iterable[Edit]) -> tuple[bytes, Shifts]:
    """The changed text, and where in it things have moved.

    Raises `ValueError` for edits that overlap or that join lines.
    """
    pieces: list[bytes] = []
    shifts: dict[int, list[Shift]] = {}
    last = line = line_start = by = 0
    for edit in sorted(edits):
        if edit.start < last:
            raise ValueError("edits that overlap")
        if b"\n" in source[edit.start : edit.end]:
            raise ValueError("an edit that joins lines")
        pieces += (source[last : edit.start], edit.text)
        passed = source.count(b"\n", line_start, edit.start)
        if passed:
            line, line_start, by = line + passed, source.rindex(b"\n", 0, edit.start) + 1, 0
        start, end = edit.start - line_start, edit.end - line_start
        begin = start + by
        by += len(edit.text) - (end - start)
        shifts.setdefault(line, []).append(Shift(start, end, by, begin))
        last = edit.end
    return b"".join([*pieces, source[last:]]), shifts


def moved(column: int, shifts: Sequence[Shift]) -> int:
    """Where on its line is now what stood at ``column``."""
    by = 0
    for shift in shifts:
        if column < shift.end:
            # In its order with what is beside it: who looks a place up goes by that.
            return shift.begin if column >= shift.start else column + by
        by = shift.by
    return column + by
