"""The fuel that all tasks of a run share."""

from __future__ import annotations

import threading


class FuelBudget:
    """``total`` units of fuel, None for no end of them. Attempts take what they may use, and give back."""

    def __init__(self, total: int | None) -> None:
        self._lock = threading.Lock()
        self._left = total

    @property
    def left(self) -> int | None:
        """What is left, None without a limit."""
        with self._lock:
            return self._left

    def reserve(self, wanted: int) -> int:
        """Takes what is left, at most ``wanted``."""
        with self._lock:
            if self._left is None:
                return wanted
            granted = max(0, min(wanted, self._left))
            self._left -= granted
            return granted

    def give_back(self, unused: int) -> None:
        """Gives back what was not used; takes it, when loading took more than was left over."""
        with self._lock:
            if self._left is not None:
                self._left += unused
