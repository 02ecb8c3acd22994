"""Opens ``trace.db`` for reading, whatever it may be.

What is recorded isn't changed by that; SQLite may make its ``-shm`` and ``-wal`` beside it.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from capsule.errors import CapsuleError, UsageError
from capsule.frontend.installing import HOST, install_line
from capsule.journal import schema, storage

_READ_SECONDS = 10.0
_READ_BYTES = 256 * 1024 * 1024
_COPIED_BYTES = 1024 * 1024 * 1024
_NOTHING = "no runs are recorded here"
_RUN_FIRST = "run something first: capsule run FILE"


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to the database at ``path``, in a read transaction; closed at the end.

    Raises `UsageError` when nothing was recorded there, and `CapsuleError` for whatever can't be read, be it
    now or within the block.
    """
    path = path.absolute()
    _check_place(path)
    with ExitStack() as resources:
        try:
            connection = _open(path, resources)
            if schema.version_of(connection) == 0:
                raise UsageError(_NOTHING, hint=_RUN_FIRST)
            yield connection
        except schema.NewerFileError as error:
            raise CapsuleError(
                f"{path} was made by a newer capsule (version {error.version} of the file;"
                f" this one reads versions up to {schema.VERSION})",
                hint=install_line(HOST, upgrade=True),
            ) from None
        except schema.ForeignFileError:
            raise CapsuleError(
                f"{path} isn't a database that capsule has made",
                hint="the next run sets it aside and begins a new one",
            ) from None
        except (sqlite3.Error, UnicodeDecodeError, OverflowError, MemoryError) as error:
            if isinstance(error, sqlite3.Error) and storage.is_contention(error):
                raise CapsuleError(f"{path} is locked by another process", hint="try again") from None
            raise CapsuleError(
                f"{path} can't be read: {error}", hint=f"if it stays so, move it away: mv {path} {path}.old"
            ) from None


def _check_place(path: Path) -> None:
    if path.parent.is_symlink():
        raise CapsuleError(f"{path.parent} is a symbolic link, which capsule doesn't follow")
    reason = storage.misplaced(path)
    if reason is not None:
        raise CapsuleError(f"{path} can't be read: {reason}", hint=f"move it away: mv {path} {path}.old")
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        raise UsageError(_NOTHING, hint=_RUN_FIRST) from None
    except OSError as error:
        raise CapsuleError(f"{path} can't be read: {error.strerror}") from None


def _open(path: Path, resources: ExitStack) -> sqlite3.Connection:
    try:
        return _connect(path, resources)
    except sqlite3.OperationalError as error:
        if storage.primary_code(error) not in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY}:
            raise
    # In a folder that can't be written, SQLite can't share a log with writers; so there are none, and a
    # copy is as good.
    folder = Path(resources.enter_context(tempfile.TemporaryDirectory(prefix="capsule-trace-")))
    copy = folder / "trace.db"
    try:
        for suffix in ("", "-wal"):
            name = Path(f"{path}{suffix}")
            if suffix and not name.exists():
                continue
            if name.stat().st_size > _COPIED_BYTES:
                raise CapsuleError(f"{name} is too big to be read from a folder that can't be written")
            shutil.copyfile(name, f"{copy}{suffix}", follow_symlinks=False)
    except OSError as error:
        raise CapsuleError(f"{path} can't be read: {error.strerror}") from None
    return _connect(copy, resources)


def _connect(path: Path, resources: ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=2.0)
    resources.callback(connection.close)
    storage.harden(connection)
    read = 0

    def decode(value: bytes) -> str:
        nonlocal read
        read += len(value)
        if read > _READ_BYTES:
            raise CapsuleError(f"{path} holds more text than a run can have stored")
        return value.decode("utf-8", "replace")

    connection.text_factory = decode
    # Pages that somebody made up can keep a query busy for ever.
    until = time.monotonic() + _READ_SECONDS
    connection.set_progress_handler(lambda: time.monotonic() > until, 100_000)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection
