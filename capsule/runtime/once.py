"""Things of which a process has one, made when they are first asked for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import TypeVar

T = TypeVar("T")


def once(make: Callable[[], T]) -> Callable[[], T]:
    """A function that calls ``make`` once and keeps what it gives, also when threads ask at the same moment.

    `functools.lru_cache` lets two first callers make one each, and an engine's sandboxes are of no use to
    another engine. A ``make`` that raises is called again by the next who asks.
    """
    lock = threading.Lock()
    made: list[T] = []

    @wraps(make)
    def get() -> T:
        if not made:
            with lock:
                if not made:
                    made.append(make())
        return made[0]

    return get
