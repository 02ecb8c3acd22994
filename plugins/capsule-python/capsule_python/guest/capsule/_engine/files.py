"""Errors of files that say which folder the task lacks.

The C library knows no path outside the folders that a task has, and says that nothing is there. Whoever
reads that looks for the file; so here such an error becomes one of permission, which says what to declare.
Only failed calls are looked at, and functions that only look (``os.stat``, and all that asks it whether
something exists) stay silent: what they raise asks the host for its text when somebody wants to read it.
"""

# Paths here are text, to be compared as the C library does.
# ruff: noqa: PTH100, PTH109, PTH118

from __future__ import annotations

import builtins
import errno
import functools
import io
import os
from collections.abc import Callable, Mapping
from typing import Any

from . import host

_NOTHING_THERE = frozenset({errno.ENOENT, errno.EBADF, getattr(errno, "ENOTCAPABLE", errno.EBADF)})
_REFUSED = frozenset({errno.EPERM, errno.EROFS})

_CODES = _NOTHING_THERE | _REFUSED
_DESCRIPTORS = ("dir_fd", "src_dir_fd", "dst_dir_fd")
"""Arguments that say what a path is relative to: then the path alone says nothing."""

_GENERAL = "it lies in no folder that the task may use"


class Denied(PermissionError):
    """A path that the task's policy keeps from it."""

    def __init__(self, use: _Use, path: str, paths: tuple[Any, ...], why: str | None) -> None:
        super().__init__(errno.EACCES, "Permission denied", *_as_arguments(paths))
        self._use = use
        self._path = path
        self._why = why

    @property
    def strerror(self) -> str:  # type: ignore[override]
        """The words of the system, and why."""
        if self._why is None:
            self._why = self._use.why(self._path, refused=False) or _GENERAL
        return f"Permission denied: {self._why}"

    def __str__(self) -> str:
        about = " -> ".join(repr(path) for path in (self.filename, self.filename2) if path is not None)
        return f"[Errno {self.errno}] {self.strerror}" + (f": {about}" if about else "")

    def __reduce__(self) -> tuple[Any, ...]:
        return PermissionError, (self.errno, self.strerror, *_as_arguments((self.filename, self.filename2)))


class NotThere(Denied, FileNotFoundError):
    """The same for code that does without a file: to it, nothing is there."""


for _kind in (Denied, NotThere):
    _kind.__name__ = _kind.__qualname__ = "PermissionError"
    _kind.__module__ = "builtins"


def _as_arguments(paths: tuple[Any, ...]) -> tuple[Any, ...]:
    first, second = paths
    if second is not None:
        return first, None, second  # as OSError takes them: the one between is Windows's
    return () if first is None else (first,)


class _Use:
    """What a function does with its paths."""

    __slots__ = ("change", "error", "folder", "silent")

    def __init__(
        self, *, folder: bool = False, change: bool = False, silent: bool = False, makes: bool = False
    ) -> None:
        self.folder = folder
        self.change = change
        self.silent = silent
        # Whoever makes a folder and hears that something isn't there makes the one above it first.
        self.error = Denied if makes else NotThere

    def why(self, path: str, *, refused: bool) -> str | None:
        """The host's sentence."""
        where = os.getcwd()
        full = path if where == "/" else os.path.join(where, path)
        return host.denial(full, folder=self.folder, change=self.change, refused=refused)


class Guarded:
    """A function of files. Like those built in it doesn't bind, so that a class may hold it as it is."""

    def __init__(self, function: Callable[..., Any], use: _Use) -> None:
        functools.update_wrapper(self, function)
        self._function = function
        self._use = use

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function; raises `Denied` where the policy is why it failed."""
        try:
            return self._function(*args, **kwargs)
        except OSError as error:
            denied = None
            if error.errno in _CODES and not any(kwargs.get(name) is not None for name in _DESCRIPTORS):
                denied = explained(error, self._use_of(args, kwargs))
            if denied is None:
                raise
        raise denied

    def _use_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Use:
        return self._use

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce__(self) -> str:
        return self.__qualname__


class _Open(Guarded):
    """`open`."""

    def _use_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Use:
        mode = args[1] if len(args) > 1 else kwargs.get("mode", "r")
        return _WRITE if isinstance(mode, str) and not set("wax+").isdisjoint(mode) else _READ


class _OpenDescriptor(Guarded):
    """`os.open`."""

    def _use_of(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> _Use:
        if _searching_for_room:
            return _LOOK
        flags = args[1] if len(args) > 1 else kwargs.get("flags", 0)
        return _WRITE if flags & _WRITING else _READ


_LOOK = _Use(silent=True)
_READ = _Use()
_WRITE = _Use(change=True)
_LIST = _Use(folder=True)
_ROOM = _Use(folder=True, change=True)
_MAKE = _Use(change=True, makes=True)

_FUNCTIONS: Mapping[_Use, str] = {
    _LOOK: "stat lstat",
    _READ: "readlink",
    _LIST: "listdir scandir chdir",
    _MAKE: "mkdir",
    _WRITE: "chmod link remove rename replace rmdir symlink truncate unlink utime",
}

# In WASI, unlike POSIX, each of these has a bit of its own; O_RDWR has that of O_WRONLY.
_WRITING = os.O_WRONLY | os.O_CREAT

_searching_for_room = False
_asleep = True
"""True until the snapshot that every sandbox starts from is made: there are no folders yet."""
_folders: list[str] = []


def explained(error: OSError, use: _Use | None = None) -> Denied | None:
    """The error that says what the task lacks, for one that the policy caused; None for any other."""
    use = use or _READ
    if isinstance(error, Denied):
        return error
    paths = error.filename, error.filename2
    for given in paths:
        path = _text(given)
        if path is None or not (error.errno in _REFUSED or is_outside(path)):
            continue
        refused = error.errno in _REFUSED
        why = None if use.silent and not refused else use.why(path, refused=refused)
        if why is not None or (use.silent and not refused):
            return (Denied if refused else use.error)(use, path, paths, why)
    return None


def is_outside(path: str) -> bool:
    """Whether a path lies outside all folders that this sandbox sees."""
    if _asleep or host.sealed:
        return False
    if not _folders:
        # A sandbox without any finds none each time: what it asks for then is an error anyway.
        _folders.extend(os.path.abspath(folder) for folder in host.folders())
    full = os.path.abspath(path)
    return not any(folder == "/" or full == folder or full.startswith(f"{folder}/") for folder in _folders)


def _text(path: object) -> str | None:
    if isinstance(path, int) or path is None:
        return None
    try:
        return os.fsdecode(path)  # type: ignore[arg-type]
    except TypeError:
        return None


def install() -> None:
    """Puts the functions in the place of Python's, before anything has taken hold of those."""
    builtins.open = io.open = _Open(open, _READ)  # type: ignore[assignment]
    _replace("open", _OpenDescriptor(os.open, _READ))
    for use, names in _FUNCTIONS.items():
        for name in names.split():
            if hasattr(os, name):
                _replace(name, Guarded(getattr(os, name), use))


def install_temporary() -> None:
    """Has ``tempfile`` look for a folder in silence, and say what to declare when it finds none."""
    import tempfile

    find = tempfile._get_default_tempdir  # type: ignore[attr-defined]

    @functools.wraps(find)
    def search(*args: Any, **kwargs: Any) -> Any:
        global _searching_for_room
        _searching_for_room = True
        try:
            return find(*args, **kwargs)
        except FileNotFoundError:
            why = None if _asleep else host.denial("tmp", folder=True, change=True, refused=False)
            if why is None:
                raise
        finally:
            _searching_for_room = False
        raise NotThere(_ROOM, "tmp", ("/tmp", None), why)  # noqa: S108 - what was looked for

    tempfile._get_default_tempdir = search  # type: ignore[attr-defined]


def wake() -> None:
    """From now on there are folders, or will be when a sandbox runs."""
    global _asleep
    _asleep = False


def _replace(name: str, guarded: Guarded) -> None:
    original = getattr(os, name)
    guarded.__module__ = "os"
    setattr(os, name, guarded)
    # What can be done with descriptors and links is asked by function.
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks, os.supports_effective_ids):
        if original in able:
            able.add(guarded)
