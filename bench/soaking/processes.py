"""What the soak sees of processes: which there are below it, and what they take. Linux only."""

from __future__ import annotations

import ctypes
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

PR_SET_CHILD_SUBREAPER = 36
SEGFAULTS = 50
"""wasmtime's handler lets the first SIGSEGV pass, as it expects the instruction to fault again."""


@dataclass(frozen=True, slots=True)
class Below:
    """The living processes below this one: capsules, their zygotes, and the zygotes' workers, by host."""

    hosts: tuple[int, ...]
    zygotes: tuple[int, ...]
    workers: dict[int, tuple[int, ...]]
    others: tuple[int, ...]


def adopt_orphans() -> None:
    """From now on, a process below this one whose parent dies becomes a child of this one, and is seen."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "orphans can't be adopted")


def children() -> dict[int, list[int]]:
    """The living processes of this machine, by their parents."""
    found: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state not in "ZX":
                found.setdefault(int(parent), []).append(int(folder.name))
    return found


def below(workers_of_others: tuple[int, ...]) -> Below:
    """What runs below this process; ``workers_of_others`` are the ids of its ``capsule worker`` children."""
    tree = children()
    me = os.getpid()
    hosts = (me, *(pid for pid in tree.get(me, ()) if pid in workers_of_others))
    zygotes: list[int] = []
    workers: dict[int, tuple[int, ...]] = {}
    others: list[int] = []
    for host in hosts:
        mine: list[int] = []
        for child in tree.get(host, ()):
            if child in hosts:
                continue
            if b"capsule.workers.zygote" in _command(child):
                zygotes.append(child)
                mine += tree.get(child, ())
            else:
                others.append(child)
        workers[host] = tuple(mine)
    return Below(hosts, tuple(zygotes), workers, tuple(others))


def left_over() -> list[str]:
    """The living children of this process, each with its command line; dead ones are forgotten."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    return [
        f"{pid}: {_command(pid)[:200].replace(bytes(1), b' ').decode(errors='replace')}"
        for pid in children().get(os.getpid(), ())
    ]


def memory(pid: int) -> int:
    """Bytes of memory of a process, where what several share is shared out; 0 when it has ended."""
    with suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def descriptors(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def kill(pid: int, random: Random) -> str | None:
    """Ends a process by a random signal: the signal's name, None when it had ended before."""
    number = random.choice([signal.SIGKILL, signal.SIGSEGV])
    try:
        # Not the number, which another process may have by now, but the process itself.
        handle = os.pidfd_open(pid)
    except OSError:
        return None
    try:
        if b"capsule.workers.zygote" not in _command(pid):
            return None
        signal.pidfd_send_signal(handle, number)
        for _ in range(SEGFAULTS):
            os.sched_yield()
            signal.pidfd_send_signal(handle, number)
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        pass
    finally:
        os.close(handle)
    return number.name


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
