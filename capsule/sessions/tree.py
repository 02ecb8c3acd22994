"""Folders that a guest may be writing to meanwhile: listed, copied and removed without following a link.

Everything is reached from an open folder, one name at a time. A path that was looked at could be exchanged
for a link before it is used, by a worker that was taken over.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

MOST_ENTRIES: Final = 10_000
"""Files and folders of a tree that are looked at."""

MOST_DEEP: Final = 64
"""Folders in one another that are looked at."""

PIECE: Final = 1 << 20

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a tree: its path from the top, and what `lstat` says of it."""

    path: str
    facts: os.stat_result

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.facts.st_mode)


class TooMuch(Exception):
    """The tree has more entries than are looked at, more bytes than were allowed, or is too deep."""


def opened(path: str | os.PathLike[str]) -> int:
    """A descriptor of the folder, which must not be a link. Raises `OSError`."""
    return os.open(path, _FOLDER)


def beneath(folder: int, names: Sequence[str], *, make: bool = False) -> int:
    """A descriptor of a folder below another one; with ``make`` what is missing is made. Raises `OSError`."""
    found = os.dup(folder)
    try:
        for name in names:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(name, 0o700, dir_fd=found)
            inner = os.open(name, _FOLDER, dir_fd=found)
            os.close(found)
            found = inner
    except BaseException:
        os.close(found)
        raise
    return found


def reads(folder: int, name: str) -> int:
    """A descriptor to read a regular file with. Raises `OSError`."""
    return _regular(os.open(name, _READ, dir_fd=folder), name)


def writes(folder: int, name: str, mode: int = 0o600) -> int:
    """A descriptor to write a new or emptied regular file with. Raises `OSError`."""
    return _regular(os.open(name, _WRITE, mode, dir_fd=folder), name)


def listed(folder: int) -> Iterator[Entry]:
    """All that is below a folder, folders before what is in them. Raises `TooMuch` once it is that."""
    left = MOST_ENTRIES

    def below(place: int, prefix: str, depth: int) -> Iterator[Entry]:
        nonlocal left
        for name in sorted(os.listdir(place)):
            left -= 1
            if left < 0:
                raise TooMuch(f"more than {MOST_ENTRIES} files and folders")
            with suppress(FileNotFoundError):
                entry = Entry(prefix + name, os.stat(name, dir_fd=place, follow_symlinks=False))
                yield entry
                if entry.is_folder:
                    yield from inside(place, name, f"{prefix}{name}/", depth + 1)

    def inside(place: int, name: str, prefix: str, depth: int) -> Iterator[Entry]:
        if depth > MOST_DEEP:
            raise TooMuch(f"more than {MOST_DEEP} folders in one another")
        try:
            inner = os.open(name, _FOLDER, dir_fd=place)
        except OSError:
            return  # something else is there by now
        try:
            yield from below(inner, prefix, depth)
        finally:
            os.close(inner)

    yield from below(folder, "", 0)


def copied(source: int, target: int, *, most: int) -> None:
    """Copies files, folders and links into an empty folder, and nothing else.

    Raises `OSError`, and `TooMuch` for more than ``most`` bytes.
    """
    left = most
    for entry in listed(source):
        *folders, name = entry.path.split("/")
        there = beneath(target, folders)
        try:
            if entry.is_folder:
                os.mkdir(name, 0o700, dir_fd=there)
                continue
            here = beneath(source, folders)
            try:
                if stat.S_ISLNK(entry.facts.st_mode):
                    os.symlink(os.readlink(name, dir_fd=here), name, dir_fd=there)
                elif stat.S_ISREG(entry.facts.st_mode):
                    left -= _copy_file(here, there, name, left)
            finally:
                os.close(here)
        finally:
            os.close(there)


def removed(folder: int, name: str) -> None:
    """Removes what is there, whatever it is and however deep; nothing there is fine. Raises `OSError`."""
    # A folder's folders are moved to the top first: no depth is a recursion, or a path that is too long.
    waiting = [name]
    while waiting:
        each = waiting.pop()
        try:
            os.unlink(each, dir_fd=folder)
        except FileNotFoundError:
            continue
        except (IsADirectoryError, PermissionError):  # the latter is what POSIX and macOS say of folders
            waiting += _emptied(folder, each)


def emptied(folder: int) -> None:
    """Removes all that is in a folder. Raises `OSError`."""
    for name in os.listdir(folder):
        removed(folder, name)


def _emptied(folder: int, name: str) -> list[str]:
    """Removes one folder; the folders in it are moved out of it, and their new names returned."""
    moved = []
    inner = os.open(name, _FOLDER, dir_fd=folder)
    try:
        for each in os.listdir(inner):  # noqa: PTH208 - a descriptor
            if stat.S_ISDIR(os.stat(each, dir_fd=inner, follow_symlinks=False).st_mode):
                new = f".gone-{secrets.token_hex(8)}"
                os.rename(each, new, src_dir_fd=inner, dst_dir_fd=folder)
                moved.append(new)
            else:
                os.unlink(each, dir_fd=inner)
    finally:
        os.close(inner)
    os.rmdir(name, dir_fd=folder)
    return moved


def _copy_file(source: int, target: int, name: str, most: int) -> int:
    """Copies one file and its times. Returns its size in bytes."""
    reading = reads(source, name)
    try:
        facts = os.fstat(reading)
        writing = writes(target, name, stat.S_IMODE(facts.st_mode) & 0o700)
        try:
            size = _pour(reading, writing, most)
            os.utime(writing, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        finally:
            os.close(writing)
    finally:
        os.close(reading)
    return size


def _pour(reading: int, writing: int, most: int) -> int:
    """Copies bytes; where the file system can, it shares them. Returns how many."""
    size = 0
    in_kernel = hasattr(os, "copy_file_range")
    while True:
        if in_kernel:
            try:
                moved = os.copy_file_range(reading, writing, PIECE)
            except OSError:  # not between these file systems
                in_kernel = False
                continue
        else:
            view = memoryview(os.read(reading, PIECE))
            moved = len(view)
            while view:
                view = view[os.write(writing, view) :]
        if not moved:
            return size
        size += moved
        if size > most:
            raise TooMuch(f"more than {most} bytes")


def _regular(descriptor: int, name: str) -> int:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{name!r:.200} is not a regular file")
    return descriptor
