"""Standard output and error that lose nothing: buffered, complete, and handed over in time.

Unbuffered writers drop what a short write leaves over, and cost a host call for each piece.
"""

from __future__ import annotations

import io
import sys
import time

_BUFFER = 64 * 1024
_PATIENCE = 0.05
"""Seconds after which a finished line goes to the host at once, so that people see progress."""


class Writer(io.TextIOWrapper):
    """A text stream over a file descriptor."""

    def __init__(self, descriptor: int, name: str) -> None:
        raw = io.FileIO(descriptor, "w", closefd=False)
        super().__init__(io.BufferedWriter(raw, _BUFFER), encoding="utf-8", errors="backslashreplace")
        self.mode = "w"  # type: ignore[misc]
        self._name = name
        self._flushed = 0.0

    @property
    def name(self) -> str:
        """``<stdout>`` or ``<stderr>``."""
        return self._name

    def write(self, text: str, /) -> int:
        """Writes text; a finished line is handed over when the last one was some time ago."""
        count = super().write(text)
        if "\n" in text and time.monotonic() - self._flushed > _PATIENCE:
            self.flush()
        return count

    def flush(self) -> None:
        """Hands everything over to the host."""
        super().flush()
        self._flushed = time.monotonic()


def install() -> None:
    """Makes ``sys.stdout`` and ``sys.stderr`` complete, and ``sys.stdin`` empty."""
    sys.stdout = sys.__stdout__ = Writer(1, "<stdout>")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = Writer(2, "<stderr>")  # type: ignore[misc]
    sys.stdin = sys.__stdin__ = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # type: ignore[misc]


def flush() -> None:
    """Hands over what both streams hold; never raises, whatever task code put in their place."""
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__):
        try:
            if stream is not None:
                stream.flush()
        except Exception:  # noqa: S112 - a stream that task code broke must not hide its outcome
            continue
