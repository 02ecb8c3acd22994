"""What a value may be to get into ``trace.db``, and how much of it a run may store."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

NAME_LIMIT: Final = 1_024
"""Characters kept of names, rules, methods and error types."""

TEXT_LIMIT: Final = 16_384
"""Characters kept of paths, arguments, policies, messages, URLs and subjects of refusals."""

RUN_LIMIT: Final = 32 * 1024 * 1024
"""Characters, about, that a run may store; after that, its tasks are recorded without their details."""

ROW_COST: Final = 64
"""What a row counts as, besides its text."""

_LARGEST_INTEGER = 2**63 - 1
_CUT = "… [cut]"


@dataclass(slots=True)
class Budget:
    """What one run has stored."""

    spent: int = 0

    def affords(self, characters: int) -> bool:
        """Whether there is room for one more row with so much text; if so, it is taken."""
        if self.spent > RUN_LIMIT:
            return False
        self.spent += characters + ROW_COST
        return True

    def refund(self, characters: int) -> None:
        """Gives back what a row had taken."""
        self.spent -= characters + ROW_COST


def storable(text: str, limit: int) -> str:
    """The text as the database takes it: cut to ``limit`` characters, then made `encodable`."""
    if len(text) > limit:
        text = text[: limit - len(_CUT)] + _CUT
    return encodable(text)


def encodable(text: str) -> str:
    r"""The text with lone surrogates, which UTF-8 can't hold, written out as ``\udcff``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def optional(text: str | None, limit: int) -> str | None:
    """`storable`, for a text that may be missing."""
    return None if text is None else storable(text, limit)


def integer(value: int) -> int:
    """The nearest number that SQLite can hold."""
    return max(-_LARGEST_INTEGER, min(int(value), _LARGEST_INTEGER))


def real(value: float) -> float:
    """The number, or 0 for one that isn't finite."""
    return float(value) if math.isfinite(value) else 0.0
