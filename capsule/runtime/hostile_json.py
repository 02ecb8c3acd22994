"""Reads JSON that a sandbox wrote, without stopping the rest of the process for longer than it must."""

from __future__ import annotations

import gc
import json
import threading
from typing import Any, Final

SMALL: Final = 100_000
"""Characters below which neither the collector nor the number of values has the time to matter."""

MOST_VALUES: Final = 2_000_000
"""Values in one text; lists and objects are values too, and empty ones count twice. Parsing holds the
interpreter's lock from start to end: so many took 0.1 s (numbers, empty lists) to 1.5 s (one object with so
many keys), and 0.5 GB at most. Without this bound, 64 MiB could hold thirty million."""

_alone = threading.Lock()


class TooManyValues(ValueError):
    """A text with more than `MOST_VALUES` values."""

    def __init__(self) -> None:
        super().__init__(f"it has more than {MOST_VALUES:,} values")


def read_json(text: str) -> Any:
    """The value of a JSON text, whose size its caller has bounded.

    Raises `TooManyValues`, `ValueError` for what is no JSON, and `RecursionError`.
    """
    if len(text) < SMALL:
        return json.loads(text)
    if _marks(text, 0, len(text)) >= MOST_VALUES and _has_too_many(text):
        raise TooManyValues
    # With the collector on, which goes through all that was made so far again and again, 60 MB of empty
    # lists took 20 s; without it they take 3.
    with _alone:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return json.loads(text)
        finally:
            if collecting:
                gc.enable()


def _marks(text: str, start: int, end: int) -> int:
    """How many values there are, but for one: each follows a comma, or the start of what it is in."""
    return sum(text.count(mark, start, end) for mark in ",[{")


def _has_too_many(text: str) -> bool:
    """Whether the values are too many when the marks inside of strings are left out."""
    plain = text.replace("\\\\", "").replace('\\"', "") if "\\" in text else text
    seen = position = 0
    while seen < MOST_VALUES:  # a loop of Python's, in which other threads have their turns
        quote = plain.find('"', position)
        if quote < 0:
            return seen + _marks(plain, position, len(plain)) >= MOST_VALUES
        seen += _marks(plain, position, quote)
        position = plain.find('"', quote + 1) + 1
        if position == 0:
            return False  # a string without an end: the parser says so
    return True
