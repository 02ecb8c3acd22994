"""The compiling process: takes a component from one descriptor, writes its code to another, and ends.

It gets its bounds before it looks at the component, and reads nothing of the project's. It ends with the
process that started it, however that ends.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
from typing import Final, NoReturn

REFUSED: Final = 3
"""Exit status for a component that wasmtime does not take; the reason is in the place of the code."""

NO_MEMORY: Final = 4
"""Exit status for a component that needs more memory than there is, where the library lived to say so."""

PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38


def main(arguments: list[str]) -> NoReturn:
    """``arguments``: descriptors of the component, the code and the lifeline; the parent; the bounds."""
    source, target, lifeline, parent, memory, cpu_seconds, largest = map(int, arguments)
    _end_with(parent, lifeline)
    _bound(memory, cpu_seconds, largest)
    os._exit(_compile(source, target))


def _end_with(parent: int, lifeline: int) -> None:
    """Two ways, for a parent that is killed: the kernel's, where it has one, and the end of a pipe."""
    if sys.platform == "linux":
        library = ctypes.CDLL(None)
        library.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)

    def wait() -> None:
        os.read(lifeline, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _bound(memory: int, cpu_seconds: int, largest: int) -> None:
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_CPU: cpu_seconds,
        resource.RLIMIT_FSIZE: largest,
        # What is written to, without what is only set aside: an allocator reserves far more than it uses.
        # macOS knows this limit and does not keep it: there, time is the only bound.
        resource.RLIMIT_DATA: memory,
    }
    for kind, wanted in limits.items():
        _, most = resource.getrlimit(kind)
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (value, value))


def _compile(source: int, target: int) -> int:
    import wasmtime
    from wasmtime.component import Component

    from capsule.runtime.engine import engine

    with os.fdopen(source, "rb") as file, os.fdopen(target, "wb") as result:
        try:
            component = Component(engine(), file.read())
            result.write(component.serialize())
        except wasmtime.WasmtimeError as error:
            text = str(error)
            result.write(text.encode("utf-8", "replace")[:10_000])
            return NO_MEMORY if "Cannot allocate memory" in text else REFUSED
        except MemoryError:
            return NO_MEMORY
    return 0
