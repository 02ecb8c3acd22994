"""The user's secret: what tells the user's own entries from everybody else's."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from capsule_cache.errors import StoreError, as_store_error
from capsule_cache.files import Folder, NotRegular, open_regular, read_all, sync_folder, temporary_file

SECRET_FILE = "secret"  # noqa: S105  the file's name, not what it holds
SECRET_BYTES = 32


def user_secret(folder: Path) -> bytes:
    """The 32 random bytes in the file ``secret`` of ``folder``, made on first use.

    The folder (0700) and the file (0600) must belong to the user and be closed to everybody else, and
    neither may be a symbolic link: raises `StoreError` otherwise, and for a file of another length.
    Processes that come first at the same time agree on one secret.
    """
    path = folder.absolute()
    try:
        with Folder(path=path, base=path.parent, private=True).opened(create=True) as fd:
            with suppress(FileNotFoundError):
                return _read(fd, path / SECRET_FILE)
            _create(fd)
            return _read(fd, path / SECRET_FILE)
    except OSError as error:
        raise as_store_error(error, path) from error


def _create(folder: int) -> None:
    with temporary_file(folder, os.urandom(SECRET_BYTES), 0o600) as (temporary, _):
        # A link, unlike a rename, leaves the file alone that another process made first.
        with suppress(FileExistsError):
            os.link(temporary, SECRET_FILE, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        sync_folder(folder)


def _read(folder: int, path: Path) -> bytes:
    again = f"remove {path}: a new one is made, and stored artifacts are built anew"
    try:
        fd = open_regular(folder, path.name)
    except NotRegular as error:
        raise StoreError(f"{path} is not a regular file", hint=again) from error
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid():
            raise StoreError(
                f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}", hint=again
            )
        if status.st_mode & 0o077:
            raise StoreError(
                f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):o})", hint=again
            )
        secret = read_all(fd, SECRET_BYTES + 1)
    finally:
        os.close(fd)
    if len(secret) != SECRET_BYTES:
        raise StoreError(f"{path} is damaged: it should hold {SECRET_BYTES} bytes", hint=again)
    return secret
