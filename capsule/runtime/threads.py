"""Threads that run guests: with a deep stack, and used again, since making one costs as much as a sandbox."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

from capsule.runtime.engine import THREAD_STACK

IDLE_SECONDS = 5.0
"""How long a thread waits for another guest before it ends."""

Job = Callable[[], None]

_lock = threading.Lock()
_idle: deque[_Worker] = deque()


def run_on_guest_thread(job: Job, *, name: str) -> None:
    """Runs ``job`` on a daemon thread whose stack is deep enough for a guest. ``job`` must not raise."""
    with _lock:
        worker = _idle.pop() if _idle else None
    if worker is None:
        worker = _Worker()
        worker.give(job, name)
        worker.start()
    else:
        worker.give(job, name)


def _forget_threads() -> None:
    """In a process that was forked from this one there is none of them."""
    global _lock
    _lock = threading.Lock()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_threads)


class _Worker:
    """One thread: takes a job, does it, and waits for the next."""

    def __init__(self) -> None:
        self._given = threading.Semaphore(0)
        self._job: Job | None = None
        self._name = ""

    def give(self, job: Job, name: str) -> None:
        self._job = job
        self._name = name
        self._given.release()

    def start(self) -> None:
        with _lock:  # the size is a setting of the whole interpreter
            before = threading.stack_size(THREAD_STACK)
            try:
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
            finally:
                threading.stack_size(before)

    def _work(self) -> None:
        while self._given.acquire(timeout=IDLE_SECONDS) or not self._leave():
            job, self._job = self._job, None
            assert job is not None
            threading.current_thread().name = self._name
            job()
            del job  # what it refers to must not live until the next one
            with _lock:
                _idle.append(self)

    def _leave(self) -> bool:
        """Ends the wait, unless a job was given at the last moment."""
        with _lock:
            if self in _idle:
                _idle.remove(self)
                return True
        self._given.acquire()
        return False
