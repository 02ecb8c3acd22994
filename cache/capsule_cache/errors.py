"""What can go wrong with a store, said so that a user knows what to do next."""

from __future__ import annotations

import errno
from os import PathLike

_READ_ONLY = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class StoreError(OSError):
    """The store can't do what was asked. A caller may go on without storing.

    ``hint`` is what to do about it. ``data`` is what a build returned, when only storing it failed:
    the work is not lost.
    """

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data: bytes | None = None


class StoreReadOnly(StoreError):
    """The folder can't be written by this user. `Store.get` still works."""


class BuildTimeout(StoreError):
    """Another process has been building the same entry for longer than the caller wants to wait."""


def as_store_error(error: OSError, folder: str | PathLike[str]) -> StoreError:
    """Puts an operating system's error about ``folder`` into words."""
    if isinstance(error, StoreError):
        return error
    if error.errno in _READ_ONLY:
        return StoreReadOnly(
            f"the folder {folder} can't be written: {error.strerror}",
            hint="give yourself write permission there, or go on without stored artifacts",
        )
    return StoreError(f"the folder {folder} can't be used: {error.strerror or error}")
