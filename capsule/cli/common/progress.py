"""Progress on stderr, for whatever takes longer than a glance."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.text import Text

PATIENCE = 0.2
"""Seconds before anything is shown."""

WORTH_TELLING = 1.0
"""Seconds from which on the time that it has taken so far is shown."""


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
        self._started = time.monotonic()
        self._began = self._started

    def __call__(self, message: str) -> None:
        """Says what is being done from now on."""
        if self._quiet:
            return
        with self._lock:
            self._message = message
            self._began = time.monotonic()
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
            so_far = time.monotonic() - self._started
            after = f" (after {so_far:.0f} s)" if so_far >= WORTH_TELLING else ""
            sys.stderr.write(f"capsule: {message}{after}\n")
            sys.stderr.flush()
            return
        if self._spinner is None:
            from rich.console import Console
            from rich.status import Status

            self._spinner = Status(_Elapsed(message, self._began), console=Console(stderr=True))
            self._spinner.start()
        else:
            self._spinner.update(_Elapsed(message, self._began))


class _Elapsed:
    """What is being done, and for how long: drawn anew with each step of the spinner."""

    def __init__(self, message: str, began: float) -> None:
        self._message = message
        self._began = began

    def __rich__(self) -> Text:
        from rich.text import Text

        seconds = int(time.monotonic() - self._began)
        return Text(f"{self._message} ({seconds} s)" if seconds >= WORTH_TELLING else self._message)


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
