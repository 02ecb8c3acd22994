"""Tells whether the process that recorded a run is still there."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Literal

_LARGEST_PID = 2**31 - 1


def identity(pid: int) -> str | None:
    """What tells this process from a later one with the same number; None where that isn't known.

    On Linux: the boot, the pid namespace and the process's start, in clock ticks since the boot.
    """
    if not sys.platform.startswith("linux"):
        return None
    start = _start_ticks(pid)
    surroundings = _surroundings()
    return f"{surroundings} {start}" if start is not None and surroundings is not None else None


def state(pid: int, recorded: str | None) -> Literal["alive", "gone", "unknown"]:
    """Whether the process still runs. Unknown when it lives in another pid namespace (a container).

    ``recorded`` is what `identity` said when the run began. Where that is None, a process with the same
    number counts as the same.
    """
    if not 0 < pid <= _LARGEST_PID:
        return "gone"
    if recorded is None:
        return "alive" if _exists(pid) else "gone"
    here = _surroundings()
    if here is None:
        return "unknown"
    boot, _, rest = recorded.partition(" ")
    namespace, _, start = rest.partition(" ")
    here_boot, _, here_namespace = here.partition(" ")
    if boot != here_boot:
        return "gone"
    if namespace != here_namespace:
        return "unknown"
    ticks = _start_ticks(pid)
    return "alive" if ticks is not None and str(ticks) == start else "gone"


def _surroundings() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - not a path, and Path would make it one
    except (OSError, ValueError):
        return None
    return f"{boot} {namespace}"


def _start_ticks(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        # The second field is the program's name in brackets, and may hold brackets and spaces itself.
        fields = stat[stat.rindex(")") + 1 :].split()
        # A zombie has ended: only its parent hasn't asked yet.
        return None if fields[0] in {"Z", "X"} else int(fields[19])
    except (OSError, ValueError, IndexError):
        return None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
