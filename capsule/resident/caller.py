"""Who asks a resident host for something, as the kernel knows them, and what can't be carried along.

A command does here what it would do in its caller's own process, so it may do no more than the caller could:
whoever was confined before it asked (a container's namespaces, seccomp, fewer rights, a tracer) has to do it
itself.
"""

from __future__ import annotations

import os
import resource
import select
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CREDENTIALS: Final = struct.Struct("iII")
_PEER_PIDFD: Final = 77

FIELDS: Final = (
    *("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp"),
    *("Seccomp_filters", "Cpus_allowed", "Mems_allowed", "TracerPid", "SigBlk"),
)
"""Lines of /proc/PID/status in which a caller has to be like us."""

NAMESPACES: Final = ("cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "user", "uts")

LIMITS: Final = tuple(
    number for name, number in vars(resource).items() if name.startswith("RLIMIT_") and name != "RLIMIT_OFILE"
)

_AT_START: Final = (resource.RLIMIT_STACK,)
"""Limits that a process looks at when it starts, and not again."""


class Refused(Exception):
    """A command can't be done here as its caller would do it."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What of a process can't be carried over to another one."""

    facts: tuple[object, ...]

    @classmethod
    def of(cls, pid: int) -> Surroundings:
        """A process's surroundings. Raises `OSError` for one that isn't there, or isn't ours to look at."""
        status = _status(pid)
        spaces = [_namespace(pid, name) for name in NAMESPACES]
        root = os.stat(f"/proc/{pid}/root")  # noqa: PTH116
        label = b""
        with suppress(OSError):  # no security module
            label = Path(f"/proc/{pid}/attr/current").read_bytes()
        started = tuple(resource.prlimit(pid, number) for number in _AT_START)
        niceness = os.getpriority(os.PRIO_PROCESS, pid)
        told = tuple(status.get(name) for name in FIELDS)
        return cls((told, *spaces, root.st_dev, root.st_ino, label, started, niceness))


@dataclass(frozen=True, slots=True)
class Caller:
    """A client. What it is like was read while it lived."""

    pid: int
    user: int
    surroundings: Surroundings
    mask: int
    limits: tuple[tuple[int, int], ...]
    groups: bytes
    badness: str

    @classmethod
    def of(cls, channel: socket.socket) -> Caller:
        """Who is at the other end. Raises `OSError` when that can't be told for sure."""
        data = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, user, _ = _CREDENTIALS.unpack(data)
        if user != os.getuid():
            raise PermissionError(f"a process of the user {user}")
        handle = -1
        with suppress(OSError):  # kernels before 6.5 have none
            handle = channel.getsockopt(socket.SOL_SOCKET, _PEER_PIDFD)
        try:
            caller = cls(
                pid,
                user,
                Surroundings.of(pid),
                int(_status(pid).get("Umask", "077"), 8),
                tuple(resource.prlimit(pid, number) for number in LIMITS),
                Path(f"/proc/{pid}/cgroup").read_bytes(),
                Path(f"/proc/{pid}/oom_score_adj").read_text(),
            )
            if handle >= 0 and select.select([handle], [], [], 0)[0]:
                raise ProcessLookupError("it has ended: what was read may be another process's")
        finally:
            if handle >= 0:
                os.close(handle)
        return caller

    def lead(self, processes: tuple[int, ...]) -> None:
        """Gives processes of ours its limits, its control groups and its place when memory is short.

        Raises `Refused` where they can't have them; some have been changed then.
        """
        try:
            self._share_groups(processes)
            for pid in processes:
                for number, limit in zip(LIMITS, self.limits, strict=True):
                    # What forks workers writes no core, whatever its caller may.
                    kept = number == resource.RLIMIT_CORE and pid != os.getpid()
                    if not kept and resource.prlimit(pid, number) != limit:
                        resource.prlimit(pid, number, limit)
                badness = Path(f"/proc/{pid}/oom_score_adj")
                if badness.read_text() != self.badness:
                    badness.write_text(self.badness)
        except (OSError, ValueError) as error:
            raise Refused(str(error)) from None

    def _share_groups(self, processes: tuple[int, ...]) -> None:
        if Path("/proc/self/cgroup").read_bytes() == self.groups:
            return
        ours = Path("/proc/self/cgroup").read_text().splitlines()
        for line in self.groups.decode().splitlines():
            if line in ours:
                continue
            _, controllers, path = line.split(":", 2)
            if ".." in path.split("/"):
                raise Refused(f"a control group out of sight: {path}")
            names = [controllers.removeprefix("name=")] if controllers else ["unified", "."]
            hierarchy = next(
                (Path("/sys/fs/cgroup", name) for name in names if Path("/sys/fs/cgroup", name).is_dir()),
                None,
            )
            if hierarchy is None:
                raise Refused(f"no control groups of {controllers}")
            for pid in processes:
                (hierarchy / path.lstrip("/") / "cgroup.procs").write_text(str(pid))
        for pid in processes:
            if Path(f"/proc/{pid}/cgroup").read_bytes() != self.groups:
                raise Refused("another control group")


def _namespace(pid: int, name: str) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/{name}").st_ino  # noqa: PTH116
    except FileNotFoundError:  # this kernel has none of the kind
        return 0


def _status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text(errors="replace").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}
