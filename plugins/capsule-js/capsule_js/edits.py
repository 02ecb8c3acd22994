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
    """What stood at ``column`` of its line, or behind, stands ``by`` further on. Columns count from 0."""

    column: int
    by: int


Shifts = Mapping[int, Sequence[Shift]]
"""Where a text moved: shifts by line, which counts from 0, each list in the order of its columns."""


def apply(source: bytes, edits: Iterable[Edit]) -> tuple[bytes, Shifts]:
    """The changed text, and where in it things have moved. Raises `ValueError` for edits that overlap."""
    pieces: list[bytes] = []
    shifts: dict[int, list[Shift]] = {}
    last = line = line_start = by = 0
    for edit in sorted(edits):
        if edit.start < last:
            raise ValueError("edits that overlap")
        pieces += (source[last : edit.start], edit.text)
        passed = source.count(b"\n", line_start, edit.start)
        if passed:
            line, line_start, by = line + passed, source.rindex(b"\n", 0, edit.start) + 1, 0
        by += len(edit.text) - (edit.end - edit.start)
        # What is inserted stands before what was there; what is taken out leaves its end where it began.
        shifts.setdefault(line, []).append(Shift(edit.end - line_start, by))
        last = edit.end
    return b"".join([*pieces, source[last:]]), shifts


def moved(column: int, shifts: Sequence[Shift]) -> int:
    """Where on its line is now what stood at ``column``."""
    by = 0
    for shift in shifts:
        if shift.column > column:
            break
        by = shift.by
    return max(0, column + by)
