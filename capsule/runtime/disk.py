"""How much room a run takes on the disk: measured while its tasks run, and held to ``[limits] disk``.

WASI has no quota, so nobody can be asked before a write. The folders that a run's tasks may write are
measured instead, again and again, and what runs is ended when they have grown by more than the run may
add. So the bound is overshot by what is written between two looks and until the task has ended.

What counts are the blocks that the file system has given away (a hole in a sparse file is none), at least
`LEAST` for every file, folder and link, each file once however many names it has, and files that were
removed while a sandbox still has them open.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Final

from capsule.errors import PolicyError

LOOK: Final = 0.05
"""Seconds between two looks."""

SHARE: Final = 4
"""A look is not repeated before this many times what it took: a folder of 100,000 files takes 0.3 s."""

LEAST: Final = 4096
"""Bytes that any entry counts as: empty files fill a disk too."""

DEEPEST: Final = 200
"""Folders inside of one another that are measured; each level takes a descriptor."""

BLOCK: Final = 512
"""Bytes of the unit of ``st_blocks``, whatever the file system's own."""

PROCESSES: Final = Path("/proc")

GONE: Final = " (deleted)"

Identity = tuple[int, int]


class TooDeep(Exception):
    """Folders are nested deeper than `DEEPEST`."""


class DiskQuota:
    """What one run may add to its writable folders: ``limit`` bytes, all its tasks together."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._folders: list[Path] = []
        self._granted: set[Identity] = set()
        self._before = 0
        self._running: dict[object, Callable[[], None]] = {}
        self._watching = False
        self.exceeded = False
        """Whether the run has been over its quota; it stays so."""

    @property
    def words(self) -> str:
        """What to say of a task that was ended."""
        return f"the run's tasks may add {self._limit:,} bytes to their folders ([limits] disk)"

    def grant(self, folders: Iterable[Path]) -> None:
        """Tasks of the run may write in ``folders`` from now on: what is there does not count.

        Raises `PolicyError` for a folder that can't be measured.
        """
        with self._lock:
            for folder in folders:
                with suppress(OSError):
                    self._granted.add(_identity(folder.stat(follow_symlinks=False)))
                if any(known == folder or known in folder.parents for known in self._folders):
                    continue
                inner = [known for known in self._folders if folder in known.parents]
                try:
                    self._before += size_of([folder]) - size_of(inner)
                except TooDeep:
                    raise PolicyError(
                        f"{folder.name} has folders more than {DEEPEST} deep: it can't be measured",
                        hint="grant a folder below it, or run without [limits] disk",
                    ) from None
                self._folders = [known for known in self._folders if known not in inner] + [folder]

    def enter(self, task: object, end: Callable[[], None]) -> None:
        """A task that may write begins; ``end`` ends it, when the run is over its quota."""
        with self._lock:
            self._running[task] = end
            if self._watching:
                return
            self._watching = True
        threading.Thread(target=self._watch, name="capsule-disk", daemon=True).start()

    def leave(self, task: object) -> bool:
        """The task has ended. Returns whether the run is over its quota, having looked once more."""
        with self._lock:
            if self._running.pop(task, None) is None:
                return False
        return self._over()

    def _watch(self) -> None:
        while True:
            started = time.monotonic()
            over = self._over()
            took = time.monotonic() - started
            with self._lock:
                if not self._running:
                    self._watching = False
                    return
                ends = list(self._running.values()) if over else []
            for end in ends:
                end()
            time.sleep(max(LOOK, SHARE * took))

    def _over(self) -> bool:
        if not self.exceeded:
            with self._lock:
                folders, before, granted = self._folders, self._before, frozenset(self._granted)
            try:
                self.exceeded = size_of(folders, granted) - before > self._limit
            except TooDeep:
                self.exceeded = True
        return self.exceeded


def size_of(folders: Sequence[Path], granted: Set[Identity] = frozenset()) -> int:
    """Bytes that the folders take, with what was removed from them and is still open. Raises `TooDeep`.

    ``granted`` are folders in and below them that sandboxes may have open as mounts of their own.
    """
    seen: set[Identity] = set()
    total = 0
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue  # removed, or swapped for something else: nothing of it is ours to count
        total += sum(_room(status, seen) for status in _entries(descriptor, 0))
    return total + sum(_room(status, seen) for status in _removed_but_open(folders, granted))


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


def _room(status: os.stat_result, seen: set[Identity]) -> int:
    if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode):
        identity = _identity(status)
        if identity in seen:
            return 0
        seen.add(identity)
    return max(LEAST, status.st_blocks * BLOCK)


def _entries(descriptor: int, depth: int) -> Iterator[os.stat_result]:
    """The status of all that lies in a folder, whose descriptor this closes; what vanishes is left out."""
    try:
        if depth > DEEPEST:
            raise TooDeep
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                    yield status
                    if stat.S_ISDIR(status.st_mode):
                        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                        inner = os.open(entry.name, flags, dir_fd=descriptor)
                    else:
                        continue
                except OSError:
                    continue
                yield from _entries(inner, depth + 1)
    except OSError:
        return
    finally:
        os.close(descriptor)


def _removed_but_open(folders: Sequence[Path], granted: Set[Identity]) -> Iterator[os.stat_result]:
    """Files without a name that this process or one of its children has open; only Linux can tell."""
    seen: set[Identity] = set()
    for process in _family():
        opened = _opened(PROCESSES / process / "fd")
        removed = [(entry, target) for entry, target in opened if target.endswith(GONE)]
        if not removed:
            continue
        mounted = list(_mounted(opened, granted))
        for entry, target in removed:
            try:
                ours = any(_is_below(target, str(folder)) for folder in folders) or any(
                    _is_below(target, path) and mount == _mount(entry) for path, mount in mounted
                )
                status = entry.stat()
            except OSError:
                continue
            identity = _identity(status)
            if ours and stat.S_ISREG(status.st_mode) and status.st_nlink == 0 and identity not in seen:
                seen.add(identity)
                yield status


def _opened(descriptors: Path) -> list[tuple[Path, str]]:
    """The descriptors of a process that lead to files, and where they do; none if it lets nobody look."""
    found = []
    with suppress(OSError):
        for entry in descriptors.iterdir():
            with suppress(OSError):
                target = str(entry.readlink())
                if target.startswith(os.sep):
                    found.append((entry, target))
    return found


def _mounted(opened: Sequence[tuple[Path, str]], granted: Set[Identity]) -> Iterator[tuple[str, str]]:
    """Where a process has granted folders, as paths in its mounts, and which mount that is.

    A confined worker has each folder as a mount of its own: there a file of it is ``/file``, not what the
    host calls it.
    """
    for entry, target in opened:
        with suppress(OSError):
            status = entry.stat()
            if stat.S_ISDIR(status.st_mode) and _identity(status) in granted:
                yield target, _mount(entry)


def _mount(entry: Path) -> str:
    """The number of the mount that a descriptor of a process is in."""
    lines = (entry.parent.parent / "fdinfo" / entry.name).read_text().splitlines()
    return next(line for line in lines if line.startswith("mnt_id:"))


def _family() -> list[str]:
    found = [str(os.getpid())] if PROCESSES.is_dir() else []
    for process in found:  # grows while it is gone through: children of children too
        try:
            for thread in (PROCESSES / process / "task").iterdir():
                found += (thread / "children").read_text().split()
        except OSError:
            continue
    return found


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip(os.sep) + os.sep)
