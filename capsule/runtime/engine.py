"""The one wasmtime engine of a process, and the settings that compiled code depends on.

Settings are security decisions: every sandbox is metered (fuel), interruptible (epochs) and has a
bounded stack. They are part of the key of compiled code, since wasmtime refuses code that was
compiled under other settings.
"""

from __future__ import annotations

import ctypes
import platform
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from capsule.errors import CapsuleError
from capsule.frontend.installing import install_line
from capsule.runtime.once import once

if TYPE_CHECKING:
    import wasmtime

T = TypeVar("T")

OLDEST_SAFE_WASMTIME = (50, 0, 1)
"""The newest release that fixed a known sandbox escape on Linux or macOS (GHSA-vqjp-4c8c-hfgg and others)."""

WASM_STACK = 64 << 20
"""Bytes of stack for guest code. CPython's own checks turn deep recursion in C into an exception only
when the stack is deeper than they reckon with; at 64 MiB all but freeing a million-deep tuple end so."""

FIBER_STACK = WASM_STACK + (8 << 20)
"""Bytes of stack for calls of async exports; host functions run on what the guest leaves of it.
wasmtime aborts the process when this is smaller than the guest's own stack."""

THREAD_STACK = WASM_STACK + (32 << 20)
"""Bytes of stack for threads that run guests: the guest's, and Python's own in host functions."""

SETTINGS = f"fuel epochs async wasm-stack={WASM_STACK} fiber-stack={FIBER_STACK} opt=speed"


@lru_cache(maxsize=1)
def wasmtime_version() -> str:
    """The version of the installed wasmtime package."""
    from importlib.util import find_spec

    found = find_spec("wasmtime")
    if found is None or found.origin is None:
        raise ImportError("wasmtime is not installed")
    # The name of the metadata folder says it; importlib.metadata takes longer than a sandbox.
    packages = Path(found.origin).parent.parent
    for folder in packages.glob("wasmtime-*.dist-info"):
        return folder.name.removeprefix("wasmtime-").removesuffix(".dist-info")
    from importlib.metadata import version

    return version("wasmtime")


def check_wasmtime(version: str) -> None:
    """Refuses a wasmtime that is known to let guests out.

    Raises `CapsuleError` for a release before `OLDEST_SAFE_WASMTIME`.
    """
    parts = tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:3])
    if parts < OLDEST_SAFE_WASMTIME:
        safe = ".".join(map(str, OLDEST_SAFE_WASMTIME))
        raise CapsuleError(
            f"wasmtime {version} has known sandbox escapes; capsule needs {safe} or later",
            hint=install_line(f"wasmtime>={safe},<{OLDEST_SAFE_WASMTIME[0] + 1}", upgrade=True),
        )


@once
def engine() -> wasmtime.Engine:
    """The engine that all sandboxes of this process share. Raises `CapsuleError` for an unsafe wasmtime."""
    import wasmtime
    from wasmtime import _ffi as ffi

    check_wasmtime(wasmtime_version())
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    config.cranelift_opt_level = "speed"
    ffi.wasmtime_config_wasm_component_model_async_set(config.ptr(), True)
    # The order matters: a guest stack above the default fiber stack aborts the process.
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), FIBER_STACK)
    config.max_wasm_stack = WASM_STACK
    return keep_for_ever(wasmtime.Engine(config))


def keep_for_ever(thing: T) -> T:
    """Keeps an object until the process ends, past the interpreter's own end.

    What is shared by all sandboxes would be freed while the interpreter goes down, when the library
    that frees it is half gone already, and threads may still be in it.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


@lru_cache(maxsize=1)
def compiled_code_tag() -> dict[str, str]:
    """What compiled code depends on besides the component: the key of the compiled-code cache.

    wasmtime itself checks the features of the CPU when it loads compiled code.
    """
    return {
        "wasmtime": wasmtime_version(),
        "settings": SETTINGS,
        "machine": f"{platform.system()} {platform.machine()}",
    }
