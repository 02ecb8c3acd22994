"""Files in a folder that somebody hostile may have filled: no link is followed, nothing odd is opened."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from capsule_cache import kernel_lock, names
from capsule_cache.errors import StoreError, as_store_error

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO would wait for somebody to write to it.
_SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LARGEST_READ = 1 << 30
_ATTEMPTS = 16


class NotRegular(OSError):
    """Something else than a regular file stands where the store keeps one."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where a store keeps its files.

    ``path`` is absolute. Nothing below ``base``, which is the folder itself or above it, may be a
    symbolic link. A ``private`` folder must be the user's own, and closed to everybody else.
    """

    path: Path
    base: Path
    private: bool

    @contextmanager
    def opened(self, *, create: bool = False) -> Iterator[int]:
        """Opens the folder, and gives its descriptor.

        Raises `FileNotFoundError` when it is missing, unless ``create`` makes it, and `StoreError` when it
        is not a folder to trust, or can't be opened.
        """
        try:
            fd = self._open(create)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise as_store_error(error, self.path) from error
        try:
            yield fd
        finally:
            os.close(fd)

    def _open(self, create: bool) -> int:
        if create:
            self.base.mkdir(parents=True, exist_ok=True)
        fd = os.open(self.base, _FOLDER)
        try:
            for part in self.path.relative_to(self.base).parts:
                below = _open_below(fd, part, 0o700 if self.private else 0o777, create)
                os.close(fd)
                fd = below
            if self.private:
                _check_private(os.fstat(fd), self.path)
        except BaseException:
            os.close(fd)
            raise
        return fd


def _open_below(fd: int, part: str, mode: int, create: bool) -> int:
    try:
        return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=fd)
    except FileNotFoundError:
        if not create:
            raise
        with suppress(FileExistsError):
            os.mkdir(part, mode, dir_fd=fd)
        return _open_below(fd, part, mode, create=False)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise StoreError(
                f"{part} is a symbolic link or a file, where the store needs a folder of its own",
                hint=f"remove {part}",
            ) from error
        raise


def _check_private(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid():
        raise StoreError(
            f"the folder {path} belongs to user {status.st_uid}, and this is user {os.geteuid()}",
            hint="use a cache folder of your own",
        )
    if status.st_mode & 0o077:
        raise StoreError(
            f"the folder {path} is open to other users (mode {stat.S_IMODE(status.st_mode):o})",
            hint=f"chmod 700 {path}",
        )


def open_regular(folder: int, name: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
    """Opens a regular file. Raises `NotRegular` for anything else, or an `OSError`."""
    try:
        fd = os.open(name, flags | _SAFELY, mode, dir_fd=folder)
    except OSError as error:
        # Links, folders (for writing), sockets and FIFOs nobody reads, in this order.
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO, errno.EOPNOTSUPP):
            raise NotRegular(error.errno, error.strerror, name) from error
        raise
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotRegular(errno.EINVAL, "not a regular file", name)
    return fd


def read_all(fd: int, limit: int) -> bytes:
    """The file's content, or its first ``limit`` bytes."""
    parts: list[bytes] = []
    while limit > 0 and (part := os.read(fd, min(limit, _LARGEST_READ))):
        parts.append(part)
        limit -= len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def replace_file(
    folder: int, name: str, data: bytes, mode: int = 0o644, *, durable: bool = True
) -> os.stat_result:
    """Puts ``data`` in place of ``name`` in one step, safely on disk; returns the new file's status.

    A crash leaves the old file or the new one. The rename itself is on disk after `sync_folder`. Without
    ``durable`` that holds for a crash of ours; one of the machine may leave anything.
    """
    with temporary_file(folder, data, mode, durable=durable) as (temporary, fd):
        try:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except IsADirectoryError:
            remove(folder, name)
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return os.fstat(fd)


@contextmanager
def temporary_file(folder: int, data: bytes, mode: int, *, durable: bool = True) -> Iterator[tuple[str, int]]:
    """A new file with ``data``, flushed to disk; gives its name and descriptor, and removes it after.

    It stays locked while its writer lives, which is how `sweep` knows it from a dead writer's.
    """
    name, fd = _create_locked(folder, mode)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest[:_LARGEST_READ]) :]
        if durable:
            os.fsync(fd)
        yield name, fd
    finally:
        kernel_lock.drop(fd)
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)


def _create_locked(folder: int, mode: int) -> tuple[str, int]:
    for _ in range(_ATTEMPTS):
        name = f"{names.TEMPORARY_PREFIX}{os.urandom(8).hex()}{names.TEMPORARY}"
        fd = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | _SAFELY, mode, dir_fd=folder)
        # Between creating and locking, a sweep may take the file for a dead writer's.
        if kernel_lock.take(fd) is not False and os.fstat(fd).st_nlink:
            return name, fd
        kernel_lock.drop(fd)
    raise StoreError("files in the store's folder vanish as soon as they are made")


def sync_folder(folder: int) -> None:
    """Makes renames in the folder durable, where the file system can."""
    with suppress(OSError):
        os.fsync(folder)


def remove(folder: int, name: str) -> bool:
    """Removes a file, a link or an empty folder; False when there was none.

    Raises `StoreError` for a folder that isn't empty: it is nobody's cache, and may be dear to someone.
    """
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    except (IsADirectoryError, PermissionError) as error:
        # POSIX has unlink() say EPERM for a folder; Linux says EISDIR.
        if not stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            raise
        try:
            os.rmdir(name, dir_fd=folder)
        except OSError:
            raise StoreError(
                f"{name} is a folder with files in it, where the store keeps a file of its own",
                hint=f"remove {name}",
            ) from error
    return True
