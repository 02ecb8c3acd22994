"""What a call of the host costs a guest in fuel.

Fuel counts a guest's own instructions, and a call that costs it a few of them can cost the host a copy of
megabytes. So the host takes fuel for what it is handed. That a loop of calls ends is thereby as sure as
that any other loop ends, also for a task without a timeout.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Final

CALL_FUEL: Final = 2_000
"""Fuel for any call. One takes the host 10 to 300 us, in which a guest uses 10,000 fuel and more; asking for
all of that would be dear for honest tasks of little compute that start many sub-tasks."""

CHARACTER_FUEL: Final = 1
"""Fuel for each character of an argument: taking it over costs about as much as a guest's loop over it."""


def metered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a guest pay for each call of a host function, before it is made."""

    def call(store: Any, *arguments: Any) -> Any:
        _charge(store, arguments)
        return function(store, *arguments)

    return call


def _charge(store: Any, arguments: tuple[Any, ...]) -> None:
    """Raises `wasmtime.WasmtimeError`, a trap, when the guest has not enough."""
    from wasmtime import WasmtimeError
    from wasmtime import _ffi as ffi

    cost = CALL_FUEL + CHARACTER_FUEL * sum(len(item) for item in arguments if isinstance(item, str))
    context, left = store._context(), ctypes.c_uint64()
    ffi.wasmtime_context_get_fuel(context, ctypes.byref(left))
    ffi.wasmtime_context_set_fuel(context, max(0, left.value - cost))
    if left.value < cost:
        raise WasmtimeError("all fuel consumed by calls of the host")
