"""WASI's random numbers, each drawn from the system's: for sandboxes whose process is copied."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from capsule.runtime.host.guest import Guest

RANDOM_VERSIONS: Final = tuple(f"0.2.{patch}" for patch in range(13))
"""Versions of ``wasi:random`` that guests may import: all have the same functions."""

LARGEST: Final = 1 << 20
"""Bytes in one answer. A guest that asks for more gets a trap: nobody needs so many."""


def random_bytes(guest: Guest, length: int) -> bytes:
    """``get-random-bytes``, and the insecure one."""
    if length > LARGEST:
        raise ValueError(f"{length} random bytes at once")
    return os.urandom(length)


def random_number(guest: Guest) -> int:
    """``get-random-u64``, and the insecure one."""
    return int.from_bytes(os.urandom(8), "little")


def random_seed(guest: Guest) -> tuple[int, int]:
    """``insecure-seed``."""
    return random_number(guest), random_number(guest)


RANDOM: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "random": {"get-random-bytes": random_bytes, "get-random-u64": random_number},
    "insecure": {"get-insecure-random-bytes": random_bytes, "get-insecure-random-u64": random_number},
    "insecure-seed": {"insecure-seed": random_seed},
}
