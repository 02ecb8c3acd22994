"""Sleeping and measuring time, so that the host can end a sleep and no clock runs backwards."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable
from typing import Any

from . import host

_wasi_select = select.select


def sleep(seconds: float, /) -> None:
    """``time.sleep`` through the host, which ends it at the task's deadline."""
    if not isinstance(seconds, int | float) and not hasattr(seconds, "__index__"):
        raise TypeError(f"'{type(seconds).__name__}' object cannot be interpreted as an integer or float")
    if math.isnan(seconds):
        raise ValueError("Invalid value NaN (not a number)")
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    if seconds > 0:
        host.sleep(seconds)


def wait_for_files(readers: Any, writers: Any, errors: Any, timeout: float | None = None, /) -> Any:
    """``select.select``: a plain wait goes through the host."""
    readers, writers, errors = list(readers), list(writers), list(errors)
    if not (readers or writers or errors):
        if timeout is None:
            raise RuntimeError("select() on nothing, without a timeout, would never return")
        sleep(timeout)
        return [], [], []
    return _wasi_select(readers, writers, errors, timeout)


def install() -> None:
    """Replaces what sleeps in ``time`` and ``select``, and the processor clocks of ``time``."""
    module: Any = time
    module.sleep = sleep
    select.select = wait_for_files
    # The snapshot's own count of processor time started while it was made, on another machine's clock.
    measure: Callable[[], float] = time.monotonic
    time.process_time = time.thread_time = measure
    time.process_time_ns = time.thread_time_ns = time.monotonic_ns
