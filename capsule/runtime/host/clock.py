"""The interface ``clock``: sleeps that a deadline can end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from capsule.runtime.host.guest import Guest


def sleep(guest: Guest, nanoseconds: int) -> None:
    """``clock.sleep``: the sandbox's place is free for another one meanwhile."""
    guest.services.waiting()
    try:
        guest.interrupt.sleep(nanoseconds / 1_000_000_000)
    finally:
        guest.services.resumed()


CLOCK: Mapping[str, Callable[..., Any]] = {"sleep": sleep}
