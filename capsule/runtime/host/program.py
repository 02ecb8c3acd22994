"""The interface ``program``: what an engine is to run, entry by entry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from capsule.runtime.host.guest import Guest


def get(guest: Guest, name: str) -> str | None:
    """``program.get``: the entry's text, or None."""
    return None if guest.program is None else guest.program.entry(name)


PROGRAM: Mapping[str, Callable[..., Any]] = {"get": get}
