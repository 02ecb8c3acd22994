"""Reading what a build is made of: regular files of bounded size, opened without leaving the project.

A project may come from anybody, and hold links to ``/dev/zero`` or to your keys, named pipes that never
end, and files of a terabyte that take no room. Looking first and opening then is no defence: what was looked
at can be exchanged in between. So a file is opened beneath the project's folder in one step (Linux's
``openat2``, elsewhere one folder after the other, none of them a link), and all else is asked of what was
opened.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from capsule.frontend.owner import check_facts

LARGEST_SETTINGS: Final = 1 << 20
"""Bytes that a file of settings may have: ``capsule.toml``, ``tsconfig.json``, ``.env`` and the like."""

LARGEST_SOURCE: Final = 32 << 20
"""Bytes that one source may have, or a file that it brings in."""

_OPENAT2: Final = 437
"""The system call's number on every architecture that has it."""
_NO_MAGIC_LINKS: Final = 0x02
_BENEATH: Final = 0x08

_READ: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# Without O_NONBLOCK, opening a named pipe waits for its writer.
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_RACES: Final = 8
"""How often a path may change between being resolved and being opened, before that is an error."""


class InputError(Exception):
    """A file can't be an input. ``reason`` says why, in words that follow its name; ``hint`` what to do."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class InputMissing(InputError):
    """There is no such file, or a folder in its place."""


class NotRegular(InputError):
    """There is a pipe, a socket or a device."""


def read_input(
    path: str | Path, *, most: int, within: str | Path | None = None, owned: bool = False
) -> bytes:
    """The content of a regular file of at most ``most`` bytes.

    With ``within``, an absolute folder, the file lies in it, whatever links lead there: nothing outside is
    ever opened. A relative path starts there. With ``owned`` it is the user's own, or root's
    (`capsule.frontend.owner`): ask for that where the file was found by looking upwards.
    Raises `InputMissing`, `InputError`, and with ``owned`` `ConfigError`.
    """
    path, root = _places(path, within)
    try:
        descriptor = _open(path, root)
    except (FileNotFoundError, NotADirectoryError):
        if os.path.islink(path):  # noqa: PTH114
            raise InputError("a symbolic link that leads nowhere") from None
        raise InputMissing("can't be read: no such file") from None
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}") from None
    except ValueError as error:
        raise InputError(f"can't be read: {error}") from None
    try:
        if owned:
            check_facts(path, os.lstat(path))
            check_facts(path, os.fstat(descriptor))
        return _content(descriptor, most)
    except OSError as error:
        raise InputError(f"can't be read: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def is_input(path: str | Path, within: str | Path | None = None) -> bool:
    """Whether there is a regular file that `read_input` would open; its size and owner don't count."""
    try:
        descriptor = _open(*_places(path, within))
    except (OSError, ValueError, InputError):
        return False
    try:
        return stat.S_ISREG(os.fstat(descriptor).st_mode)
    finally:
        os.close(descriptor)


def _content(descriptor: int, most: int) -> bytes:
    facts = os.fstat(descriptor)
    if stat.S_ISDIR(facts.st_mode):
        raise InputMissing("not a file but a folder")
    if not stat.S_ISREG(facts.st_mode):
        raise NotRegular("not a regular file", "put a file in its place")
    if facts.st_size > most:
        raise _too_large(most)
    # It may grow while it is read, and some files of the system say that they are empty.
    chunks = bytearray()
    while chunk := os.read(descriptor, min(most + 1 - len(chunks), 1 << 20)):
        chunks += chunk
        if len(chunks) > most:
            raise _too_large(most)
    return bytes(chunks)


def _too_large(most: int) -> InputError:
    return InputError(f"larger than {_shown(most)}")


def _shown(size: int) -> str:
    for unit, shift in (("GB", 30), ("MB", 20), ("KB", 10)):
        if size >= 1 << shift:
            return f"{size >> shift} {unit}"
    return f"{size} bytes"


def _places(path: str | Path, within: str | Path | None) -> tuple[str, str | None]:
    """The path, and the root that it must not leave, as absolute names without a slash at their end."""
    name = os.fspath(path)
    if within is None:
        return name, None
    root = os.fspath(within).rstrip("/") or "/"
    return os.path.join(root, name), root  # noqa: PTH118


def _open(path: str, root: str | None) -> int:
    if root is None:
        return os.open(path, _READ)
    inside = path[len(root) :].lstrip("/") if _starts_at(path, root) else os.path.relpath(path, root)
    folder = os.open(root, _FOLDER)
    try:
        return _open_beneath(folder, root, inside or ".")
    finally:
        os.close(folder)


def _open_beneath(folder: int, root: str, name: str) -> int:
    if "\0" in name:
        raise ValueError("a name with a NUL character")
    call = _openat2()
    if call is not None:
        result = call(folder, name)
        if result >= 0:
            return result
        code = -result
        # These say that the way leads out, which a link to an absolute path inside does, too; or that the
        # kernel, or what a container allows of it, has no such call.
        if code not in (errno.EXDEV, errno.EAGAIN, errno.ENOSYS, errno.EPERM, errno.E2BIG, errno.EINVAL):
            raise OSError(code, os.strerror(code))
    for _ in range(_RACES):
        real_root = os.path.realpath(root)
        real = os.path.realpath(os.path.join(root, name))  # noqa: PTH118
        if not _starts_at(real, real_root):
            raise InputError(
                "a symbolic link that leaves the project",
                "put a copy of the file into the project, or capsule.toml into a folder above both",
            )
        try:
            return _open_in_steps(folder, os.path.relpath(real, real_root))
        except OSError as error:
            if error.errno not in (errno.ELOOP, errno.ENOTDIR, errno.EMLINK):
                raise
            raced = error
    raise raced


def _open_in_steps(folder: int, name: str) -> int:
    """Opens a path without links in it, folder by folder; a link that came in between is refused."""
    *folders, last = name.split("/")
    at = os.dup(folder)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inner
        return os.open(last, _READ | os.O_NOFOLLOW, dir_fd=at)
    finally:
        os.close(at)


def _starts_at(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


@lru_cache(maxsize=1)
def _openat2() -> Callable[[int, str], int] | None:
    """The system call, of a folder's descriptor and a name: a descriptor, or the negative of the error.

    None where there is none.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    class How(ctypes.Structure):
        _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))

    try:
        syscall = ctypes.CDLL(None, use_errno=True).syscall
    except (OSError, AttributeError):
        return None
    syscall.restype = ctypes.c_long
    how = ctypes.byref(How(_READ, 0, _BENEATH | _NO_MAGIC_LINKS))
    size = ctypes.c_size_t(ctypes.sizeof(How))
    number = ctypes.c_long(_OPENAT2)

    def call(folder: int, name: str) -> int:
        result = int(syscall(number, ctypes.c_int(folder), os.fsencode(name), how, size))
        return result if result >= 0 else -ctypes.get_errno()

    return call
