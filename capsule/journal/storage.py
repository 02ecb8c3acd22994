"""Opens ``trace.db`` for writing, whatever lies in its place.

The folder may have come with a cloned repository, so nothing in it is followed or believed: only a
regular file is opened, only a file with exactly our tables is used, and everything else is renamed.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from capsule.journal import schema

COMPANIONS: Final = ("-wal", "-shm", "-journal")
"""What SQLite appends to a database's name for the files that belong to it."""

_BUSY_SECONDS = 0.25
_SMALLEST_PAGE = 512


class UnusableError(Exception):
    """There can be no recording here; the text says why, for people."""


def open_for_writing(path: Path, report: Callable[[str], None]) -> sqlite3.Connection:
    """A connection to a current database at ``path``, made if need be; transactions are the caller's.

    What isn't a database of ours is renamed, and reported. Raises `UnusableError` when there is nothing
    that could be written to, and `sqlite3.OperationalError` while others hold the file locked.
    """
    _make_folder(path.parent)
    if misplaced(path) is None:
        try:
            return _open(path)
        except (schema.ForeignFileError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not _must_go(error):
                raise
    with _alone_in(path.parent):
        # Whoever held the lock before may have replaced the file already.
        reason = misplaced(path)
        if reason is None:
            try:
                return _open(path)
            except (schema.ForeignFileError, sqlite3.DatabaseError, UnicodeDecodeError) as error:
                reason = _must_go(error)
                if reason is None:
                    raise
        set_aside(path, reason, report)
        return _open(path)


def replace(path: Path, report: Callable[[str], None]) -> sqlite3.Connection:
    """Like `open_for_writing`, for a file that has turned out to be damaged while it was in use."""
    with _alone_in(path.parent):
        set_aside(path, "it is damaged", report)
        return _open(path)


def misplaced(path: Path) -> str | None:
    """Why the file at ``path``, or one that belongs to it, must not be opened; None when all is well.

    A missing file is well.
    """
    for name in (path, *(Path(f"{path}{suffix}") for suffix in COMPANIONS)):
        status = _status(name)
        if status is not None and not stat.S_ISREG(status.st_mode):
            return f"{name.name} isn't a regular file"
    # Ours never have one, and playing back a journal that somebody made can delete any file of the user's.
    if _status(Path(f"{path}-journal")) is not None:
        return f"{path.name}-journal lies beside it, which capsule never writes"
    status = _status(path)
    # SQLite takes a file like that for an empty one, and would write over it.
    if status is not None and 0 < status.st_size < _SMALLEST_PAGE:
        return f"{path.name} is too short to be a database"
    return None


def set_aside(path: Path, reason: str, report: Callable[[str], None]) -> None:
    """Renames the file and what belongs to it, and reports that. Raises `UnusableError` if that fails."""
    target = _free_name(path)
    try:
        for suffix in (*COMPANIONS, ""):
            name = Path(f"{path}{suffix}")
            if _status(name) is not None:
                name.rename(f"{target}{suffix}")
    except FileNotFoundError:
        # Another process was quicker.
        return
    except OSError as error:
        raise UnusableError(f"{path}: {reason}, and it can't be renamed ({error.strerror})") from error
    report(f"{path} was set aside as {target.name}: {reason}; a new one was begun")


def is_damage(error: Exception) -> bool:
    """Whether the error says that the file's content is at fault.

    That includes an error message of SQLite's that Python can't decode, as it quotes the content.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    return isinstance(error, sqlite3.Error) and primary_code(error) in {
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_NOTADB,
    }


def is_contention(error: sqlite3.Error) -> bool:
    """Whether the error says that others hold the file, so that trying again may help."""
    return primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code, 0 where the error has none."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def harden(connection: sqlite3.Connection) -> None:
    """Settings for a file that somebody else may have made."""
    connection.text_factory = _decoded
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA mmap_size = 0")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 20)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")


def _open(path: Path) -> sqlite3.Connection:
    # Only a file that is not there yet is opened by us: closing any descriptor of a file drops the locks
    # that all of this process's connections to it hold (POSIX), and others would take its log away.
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        if not os.access(path, os.R_OK | os.W_OK):
            raise UnusableError(f"{path} can't be written ({os.strerror(errno.EACCES)})") from None
    except OSError as error:
        raise UnusableError(f"{path} can't be written ({error.strerror})") from error
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, cached_statements=64)
    try:
        harden(connection)
        # Without this, turning an empty file into a WAL database would leave a rollback journal when killed.
        if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            schema.version_of(connection)
            connection.execute("PRAGMA journal_mode = MEMORY")
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                raise UnusableError(f"{path}: this file system doesn't support SQLite's write-ahead log")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA wal_autocheckpoint = 250")
        schema.migrate(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _must_go(error: Exception) -> str | None:
    if isinstance(error, schema.ForeignFileError):
        return "it isn't a database that capsule has made"
    if is_damage(error):
        return "it is damaged"
    return None


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise UnusableError(f"{folder} can't be made ({error.strerror})") from error
    if not stat.S_ISDIR(mode):
        raise UnusableError(f"{folder} is a symbolic link, which capsule doesn't follow")


def _free_name(path: Path) -> Path:
    stamp = f"{path}.broken-{time.strftime('%Y%m%d-%H%M%S')}"
    for count in range(1, 1000):
        name = Path(stamp if count == 1 else f"{stamp}-{count}")
        if all(_status(Path(f"{name}{suffix}")) is None for suffix in ("", *COMPANIONS)):
            return name
    raise UnusableError(f"{path.parent} holds too many broken databases")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None
