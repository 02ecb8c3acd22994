"""Which sandboxes run, and which wait for a place.

A sandbox that waits (for a sub-task, a response, a sleep) gives its place away. Deeper tasks go
first: what waits for them is done sooner, and the number of sandboxes that wait stays near
places x depth, however many tasks have been started.

Each run has places of its own; those of all runs together draw on the machine's. More sandboxes at
once than processors only slow each other down.
"""

from __future__ import annotations

import heapq
import os
import threading
from collections.abc import Callable
from functools import partial

from capsule.runtime.threads import run_on_guest_thread

STALL = 0.5
"""Seconds after which one more job than there are places may start: what holds them may block for long."""

Job = Callable[[], None]


class Scheduler:
    """Runs jobs on threads of their own, at most ``places`` at a time, and as many as ``machine`` lets.

    With ``relief``, one more job may start after each `STALL` seconds in which none has.
    """

    def __init__(self, places: int, machine: Scheduler | None = None, *, relief: bool = False) -> None:
        self._places = max(1, places)
        self._machine = machine
        self._relieved = relief
        self._lock = threading.Lock()
        self._ready: list[tuple[int, int, Job, str]] = []
        self._count = 0
        self._active = 0
        self._relief: threading.Timer | None = None

    def submit(self, job: Job, *, depth: int, name: str) -> None:
        """Runs ``job`` as soon as there is a place. ``job`` must not raise."""
        with self._lock:
            self._count += 1
            heapq.heappush(self._ready, (-depth, self._count, job, name))
        self._fill()

    def run_here(self, job: Job) -> None:
        """Runs ``job`` at once, on this thread, which has a place of the machine's already."""
        with self._lock:
            self._active += 1
        self._work(job)

    def waiting(self) -> None:
        """A running job begins to wait: its place is free."""
        self._leave()
        if self._machine is not None:
            self._machine.waiting()

    def resumed(self) -> None:
        """A waiting job goes on at once: for a moment there may be one more than there are places."""
        with self._lock:
            self._active += 1
        if self._machine is not None:
            self._machine.resumed()

    def _leave(self) -> None:
        with self._lock:
            self._active -= 1
        self._fill()

    def _fill(self) -> None:
        while self._start_next(self._places):
            pass

    def _start_next(self, places: int) -> bool:
        with self._lock:
            if not self._ready or self._active >= places:
                if self._ready and self._relieved and self._relief is None:
                    self._relief = threading.Timer(STALL, self._relieve)
                    self._relief.daemon = True
                    self._relief.start()
                return False
            depth, _, job, name = heapq.heappop(self._ready)
            self._active += 1
            if self._relief is not None:
                self._relief.cancel()
                self._relief = None
        if self._machine is None:
            run_on_guest_thread(partial(self._work, job), name=name)
        else:
            self._machine.submit(partial(self._work, job), depth=-depth, name=name)
        return True

    def _relieve(self) -> None:
        """Nothing has started for a while, and something waits: lets one more in."""
        with self._lock:
            self._relief = None
            places = self._active + 1
        self._start_next(places)
        self._fill()

    def _work(self, job: Job) -> None:
        try:
            job()
        finally:
            self._leave()


MACHINE = Scheduler(max(2, os.cpu_count() or 1), relief=True)
"""The places of all runs of this process together."""

# A process that is forked from this one has none of the jobs, and all of the places.
os.register_at_fork(after_in_child=lambda: MACHINE.__init__(MACHINE._places, relief=True))  # type: ignore[misc]
