"""Progress on stderr, for whatever takes longer than a glance."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import Any

PATIENCE = 0.2
"""Seconds before anything is shown."""


class Progress:
    """Shows what is being done: a spinner on a terminal, plain lines elsewhere. A context manager.

    Nothing is shown of work that is over within `PATIENCE`, or when ``quiet``.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._lock = threading.Lock()
        self._message = ""
        self._timer: threading.Timer | None = None
        self._showing = False
        self._spinner: Any = None

    def __call__(self, message: str) -> None:
        """Says what is being done from now on."""
        if self._quiet:
            return
        with self._lock:
            self._message = message
            if self._showing:
                self._show()
            elif self._timer is None:
                self._timer = threading.Timer(PATIENCE, self._begin)
                self._timer.daemon = True
                self._timer.start()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            if self._spinner is not None:
                self._spinner.stop()
            self._quiet = True
            self._showing = False

    def _begin(self) -> None:
        with self._lock:
            if not self._quiet:
                self._showing = True
                self._show()

    def _show(self) -> None:
        from capsule.terminal import escape

        # Names of files and packages are in it, and those are anybody's.
        message = escape(self._message)
        if not sys.stderr.isatty():
            sys.stderr.write(f"capsule: {message}\n")
            sys.stderr.flush()
            return
        if self._spinner is None:
            from rich.console import Console
            from rich.status import Status
            from rich.text import Text

            self._spinner = Status(Text(message), console=Console(stderr=True))
            self._spinner.start()
        else:
            from rich.text import Text

            self._spinner.update(Text(message))


class Tally:
    """Says what is being done, and how much is done already."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, message: str) -> None:
        """Says what is being done from now on."""
        self._progress(f"[{self._done}/{self._total}] {message}")

    def step(self) -> None:
        """Counts one more that is done."""
        with self._lock:
            self._done += 1
