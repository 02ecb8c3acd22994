"""Calls of a component's exports, lifted the plain way or as ``async``.

wasmtime-py calls plain exports only. An export lifted as ``async`` is driven through the C
interface: start the call, then poll it. With the synchronous WASI linker nothing outside the guest
can make it wait, so polling never spins idly for long.
"""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import wasmtime
    from wasmtime.component import Func


def call_export(store: wasmtime.Store, function: Func, *arguments: Any) -> Any:
    """Calls an export and returns its result. Raises `wasmtime.WasmtimeError` for a trap."""
    from wasmtime import _ffi as ffi

    kind = function.type(store)
    if ffi.wasmtime_component_func_type_async(kind.ptr()):
        return _call_async(store, function, kind, *arguments)
    return function(store, *arguments)


def _call_async(store: wasmtime.Store, function: Func, kind: Any, *arguments: Any) -> Any:
    from wasmtime import _ffi as ffi
    from wasmtime.component._enter import enter_wasm

    count = len(arguments)
    values = (ffi.wasmtime_component_val_t * count)()
    result = ffi.wasmtime_component_val_t()
    error = POINTER(ffi.wasmtime_error_t)()
    converted = 0

    def drive() -> Any:
        future = ffi.wasmtime_component_func_call_async(
            byref(function._func), store._context(), values, count, byref(result), 1, byref(error)
        )
        try:
            while not ffi.wasmtime_call_future_poll(future):
                pass
        finally:
            ffi.wasmtime_call_future_delete(future)
        return error

    try:
        for index, ((_, parameter), value) in enumerate(zip(kind.params, arguments, strict=True)):
            parameter.convert_to_c(store, value, ctypes.pointer(values[index]))
            converted += 1
        enter_wasm(drive)
        return kind.result.convert_from_c(result)
    finally:
        for index in range(converted):
            ffi.wasmtime_component_val_delete(byref(values[index]))
