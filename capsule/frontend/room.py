"""What a running tool has taken so far: room on the disk, processes, and their memory together."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capsule.frontend.confined import Confinement


@dataclass(frozen=True, slots=True)
class Taken:
    """``memory`` and ``processes`` are 0 where the system doesn't tell."""

    room: int
    files: int
    processes: int = 0
    memory: int = 0


def exceeded(confinement: Confinement, session: int, memory: int | None) -> str | None:
    """What a tool has taken too much of, in words; None while all is well.

    ``session`` is the session of its processes, ``memory`` how many bytes they may have together.
    """
    taken = _files(confinement.writes, confinement.files)
    if taken.room > confinement.room:
        return f"it wrote more than {confinement.room >> 20} MiB"
    if taken.files > confinement.files:
        return f"it made more than {confinement.files:,} files"
    running = _processes(session)
    if running.processes > confinement.processes:
        return f"it started more than {confinement.processes} processes"
    if memory is not None and running.memory > memory:
        return f"it took more than {memory >> 20} MiB of memory"
    return None


def _files(folders: Iterable[Path], most: int) -> Taken:
    """Bytes and number of what lies in these folders, links not followed, up to one more than ``most``."""
    room = files = 0
    waiting = [os.fspath(folder) for folder in folders]
    while waiting and files <= most:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                files += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                else:
                    with suppress(OSError):
                        room += entry.stat(follow_symlinks=False).st_size
                if files > most:
                    break
    return Taken(room, files)


def _processes(session: int) -> Taken:
    count = pages = 0
    with suppress(OSError):
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            with suppress(OSError, ValueError, IndexError):
                fields = (process / "stat").read_bytes().rpartition(b")")[2].split()
                if int(fields[3]) == session:
                    count += 1
                    pages += int(fields[21])
    return Taken(0, 0, count, pages * os.sysconf("SC_PAGE_SIZE"))
