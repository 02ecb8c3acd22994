"""Tables for people: each column as wide as its widest cell, and no line wider than the terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

GAP = 2
NARROWEST = 12
"""Characters that a column keeps, however narrow the terminal is."""


def terminal_width() -> int | None:
    """The columns of the terminal that stdout is; None for anything else, where lines are never broken."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def columns(rows: Sequence[Sequence[str]], width: int | None) -> Iterator[str]:
    """The lines of a table; cells of the widest columns are broken where rows don't fit into ``width``."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    if width is not None:
        over = sum(widths) + GAP * (len(widths) - 1) - width
        while over > 0 and max(widths) > NARROWEST:
            widest = widths.index(max(widths))
            others = [each for at, each in enumerate(widths) if at != widest]
            next_widest = max((each for each in others if each < widths[widest]), default=NARROWEST)
            cut = min(over, max(1, widths[widest] - max(next_widest, NARROWEST)))
            widths[widest] -= cut
            over -= cut
    for row in rows:
        cells = [_broken(cell, size) for cell, size in zip(row, widths, strict=True)]
        for line in range(max(map(len, cells))):
            parts = (cell[line] if line < len(cell) else "" for cell in cells)
            yield (
                (" " * GAP).join(part.ljust(size) for part, size in zip(parts, widths, strict=True)).rstrip()
            )


def _broken(cell: str, width: int) -> list[str]:
    if len(cell) <= width:
        return [cell]
    return textwrap.wrap(cell, width, break_on_hyphens=False, drop_whitespace=True) or [""]
