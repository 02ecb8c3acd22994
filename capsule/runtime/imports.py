"""What components may import of WASI, by what the linker has (`capsule.runtime.linker`)."""

from __future__ import annotations

import re
from typing import Final

WASI: Final[dict[str, frozenset[str]]] = {
    "cli": frozenset(
        (
            *("environment", "exit", "stdin", "stdout", "stderr"),
            *("terminal-input", "terminal-output", "terminal-stdin", "terminal-stdout", "terminal-stderr"),
        )
    ),
    "clocks": frozenset(("monotonic-clock", "wall-clock")),
    "filesystem": frozenset(("types", "preopens")),
    "io": frozenset(("error", "poll", "streams")),
    "random": frozenset(("random", "insecure", "insecure-seed")),
    "sockets": frozenset(
        (
            *("network", "instance-network", "ip-name-lookup"),
            *("tcp", "tcp-create-socket", "udp", "udp-create-socket"),
        )
    ),
}
"""The interfaces of WASI 0.2. All releases of 0.2 are compatible, and the linker takes them for one."""

OFFERED: Final = "WASI 0.2 without wasi:http"

_NAME: Final = re.compile(r"wasi:([a-z0-9-]+)/([a-z0-9-]+)@0\.2\.[0-9]+")

_UNLINKED: Final = re.compile(r"imports \w+ `([^`]+)`, but a matching implementation was not found")
_PART: Final = re.compile(r"instance export `([^`]+)` has the wrong type")


def is_wasi(name: str) -> bool:
    """Whether an import's name is that of an interface of WASI 0.2 that the linker has."""
    found = _NAME.fullmatch(name)
    return found is not None and found[2] in WASI.get(found[1], ())


def why_not(name: str) -> str:
    """The name of an import that is not offered, and what can be said of it."""
    if re.match(r"wasi:[a-z0-9-]+/[a-z0-9-]+@0\.3\b", name):
        return f"{name} (WASI 0.3 is not supported yet)"
    if name.startswith("wasi:http/"):
        return f"{name} (it knows of no allow-list)"
    return name


def unlinked(error: str) -> str | None:
    """What a component imports and the linker lacks, from wasmtime's words for it; None for other errors."""
    found = _UNLINKED.search(error)
    if found is None:
        return None
    part = _PART.search(error)
    return found[1] if part is None else f"{part[1]} of {found[1]}"
