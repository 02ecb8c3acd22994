"""What resident hosts there are, and how to end them."""

from __future__ import annotations

import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capsule.resident import place

STOP_SECONDS = 3.0
"""How long a host may take to close its socket."""


@dataclass(frozen=True, slots=True)
class Running:
    """A resident host: its process, its socket, how long it runs (seconds), how many commands it has done or
    is doing, and its own memory (bytes)."""

    pid: int
    path: Path
    seconds: float
    commands: int
    memory: int


def running() -> Iterator[Running]:
    """The resident hosts of this user. Nobody else's process is one."""
    folder = place.folder()
    if not place.private(folder):
        return
    for path in sorted(Path(folder).glob("*.socket")):
        with suppress(OSError, ValueError):
            pid = _listening(path)
            yield Running(
                pid, path, _age(pid), int(Path(place.lock_of(str(path))).read_text() or "0"), _memory(pid)
            )


def stop(host: Running) -> bool:
    """Has a host end when the commands under way are done. Returns whether it takes no more."""
    with suppress(OSError):
        os.kill(host.pid, signal.SIGTERM)
    end = time.monotonic() + STOP_SECONDS
    while time.monotonic() < end:
        if not host.path.exists():
            return True
        time.sleep(0.01)
    return False


def _listening(path: Path) -> int:
    """The process that listens on a socket. Raises `OSError` when there is none, or it is another user's."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(1)
        channel.connect(str(path))
        data = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    pid, user, _ = struct.unpack("iII", data)
    if user != os.getuid() or pid <= 1:
        raise PermissionError("another user's process")
    return int(pid)


def _age(pid: int) -> float:
    started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    up = float(Path("/proc/uptime").read_text().split()[0])
    return max(0.0, up - int(started) / os.sysconf("SC_CLK_TCK"))


def _memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
