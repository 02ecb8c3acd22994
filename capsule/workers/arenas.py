"""How many heaps the C library keeps in a process that serves many runs on short-lived threads."""

from __future__ import annotations

import ctypes
import sys

ARENAS = 2
"""Each arena keeps what it once took. Hosts of the soak stayed near 220 MB with two, and passed 400 MB with
glibc's default of eight for each processor."""

VARIABLE = "MALLOC_ARENA_MAX"
"""What glibc reads when a process starts (mallopt(3))."""

_M_ARENA_MAX = -8


def keep_few_arenas() -> None:
    """For a process of our own that has started already; does nothing without glibc."""
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, ARENAS)
