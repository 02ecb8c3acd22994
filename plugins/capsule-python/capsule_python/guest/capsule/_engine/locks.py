"""Locks for the one thread of a sandbox: waiting for one that is held never ends, and says so.

The interpreter's own locks trap there, which would end the sandbox without a word.
"""

from __future__ import annotations

import _thread
import queue
import threading
import time
from typing import Any


class Lock:
    """``threading.Lock``."""

    __slots__ = ("__weakref__", "_held")

    def __init__(self) -> None:
        self._held = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Takes the lock. Raises RuntimeError where that would wait for ever."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        if not self._held:
            self._held = True
            return True
        if not blocking:
            return False
        if timeout == -1:
            raise RuntimeError("deadlock: a sandbox has one thread, and nobody else could release this lock")
        time.sleep(timeout)
        return False

    def release(self) -> None:
        """Gives the lock back."""
        if not self._held:
            raise RuntimeError("release unlocked lock")
        self._held = False

    def locked(self) -> bool:
        """Whether the lock is held."""
        return self._held

    def _at_fork_reinit(self) -> None:
        self._held = False

    acquire_lock, release_lock, locked_lock = acquire, release, locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{'locked' if self._held else 'unlocked'} lock>"


def install() -> None:
    """Replaces locks, and what else waits without going through them."""
    modules: tuple[Any, ...] = (_thread, threading)
    for module in modules:
        module.allocate_lock = module._allocate_lock = module.Lock = Lock
    waiting: Any = queue
    waiting.SimpleQueue = waiting._PySimpleQueue
