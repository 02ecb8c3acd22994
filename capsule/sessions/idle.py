"""Closing what nobody has used for long: one thread for all sessions, which sleeps until the first is due."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Sleeper(Protocol):
    """Something that is closed when it is idle for too long."""

    idle_until: float | None
    """When (`time.monotonic`) it is to be closed; None while it is used."""

    def overslept(self) -> None:
        """Closes it."""


class Alarm:
    """Knows sleepers, from `watch` to `forget`, and wakes those that are due."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sleepers: set[Sleeper] = set()
        self._next = 0.0
        self._running = False

    def watch(self, sleeper: Sleeper) -> None:
        """Begins to look at it."""
        with self._changed:
            self._sleepers.add(sleeper)
            if not self._running:
                self._running = True
                threading.Thread(target=self._work, name="capsule-idle", daemon=True).start()
            self._changed.notify()

    def moved(self, until: float) -> None:
        """A sleeper's time was set: wakes the thread only if it would come too late."""
        if until < self._next:
            with self._changed:
                self._changed.notify()

    def forget(self, sleeper: Sleeper) -> None:
        """It was closed."""
        with self._changed:
            self._sleepers.discard(sleeper)
            self._changed.notify()

    def _work(self) -> None:
        while True:
            with self._changed:
                if not self._sleepers:
                    self._running = False
                    return
                now = time.monotonic()
                times = {each: each.idle_until for each in self._sleepers}
                due = [each for each, until in times.items() if until is not None and until <= now]
                self._sleepers.difference_update(due)
                if not due:
                    waits = [until for until in times.values() if until is not None]
                    self._next = min(waits, default=now + 60.0)
                    self._changed.wait(max(0.0, self._next - now))
            for each in due:
                each.overslept()


alarm = Alarm()
"""That of this process."""
