"""The one linker of a process: WASI, and the host's side of the contract.

WASI comes without sockets' name look-up and without ``wasi:http``: neither knows of an allow-list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from capsule.runtime.engine import engine, keep_for_ever
from capsule.runtime.foreign import host_api
from capsule.runtime.host.clock import CLOCK
from capsule.runtime.host.codec import CODEC
from capsule.runtime.host.files import FILES
from capsule.runtime.host.guest import guarded
from capsule.runtime.host.http import HTTP
from capsule.runtime.host.metering import metered
from capsule.runtime.host.program import PROGRAM
from capsule.runtime.host.random import RANDOM, RANDOM_VERSIONS
from capsule.runtime.host.tasks import PENDING, TASKS
from capsule.runtime.once import once

if TYPE_CHECKING:
    from wasmtime.component import Linker

CONTRACT = "capsule:runtime"
CONTRACT_VERSION = "1.0.0"

INTERFACES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "pending": PENDING,
    "tasks": TASKS,
    "http": HTTP,
    "clock": CLOCK,
    "codec": CODEC,
    "files": FILES,
    "program": PROGRAM,
}


@once
def linker() -> Linker:
    """The linker that every sandbox is instantiated with. Host functions find their guest by thread."""
    return keep_for_ever(_made())


@once
def copied_linker() -> Linker:
    """The linker for sandboxes whose process is copied.

    wasmtime's random numbers are drawn from a generator in the process's memory, which a copy would have,
    too: here each comes from the system.
    """
    made = _made()
    made.allow_shadowing = True
    for version in RANDOM_VERSIONS:
        for interface, functions in RANDOM.items():
            with made.root() as root, root.add_instance(f"wasi:random/{interface}@{version}") as instance:
                for name, function in functions.items():
                    instance.add_func(name, metered(guarded(function)))
    return keep_for_ever(made)


def _made() -> Linker:
    from wasmtime.component import Linker

    made = Linker(engine())
    made.add_wasip2()
    for interface, functions in INTERFACES.items():
        with made.root() as root, root.add_instance(f"{CONTRACT}/{interface}@{CONTRACT_VERSION}") as instance:
            for name, function in functions.items():
                instance.add_func(name, metered(guarded(function)))
    with made.root() as root, root.add_instance(host_api.INTERFACE) as instance:
        for name, function in host_api.FUNCTIONS.items():
            instance.add_func(name, function)
    return made
