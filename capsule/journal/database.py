"""The writer's connection: transactions, other processes' locks, and files that turn out to be broken."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from capsule.events import Event, RunStarted
from capsule.journal import retention, storage
from capsule.journal.recording import Recorder
from capsule.journal.schema import NewerFileError

PATIENCE_SECONDS: Final = 10.0
"""How long other processes may hold the database before recording gives up."""

_RETRY_SECONDS = 0.005


class Database:
    """Writes batches of events to the database at ``path``, each in one transaction.

    ``closing`` says when to give up at the latest (`time.monotonic`), None for not yet. Methods raise
    `storage.UnusableError` with a sentence for people when nothing more can be written.
    """

    def __init__(
        self, path: Path, report: Callable[[str], None], closing: Callable[[], float | None]
    ) -> None:
        self._path = path
        self._report = report
        self._closing = closing
        self._connection: sqlite3.Connection | None = None
        self._recorder: Recorder | None = None
        self._file: tuple[int, int] | None = None
        self._looked = 0

    def write(self, events: Sequence[Event], dropped: Mapping[str, int]) -> None:
        """Writes the events, and how many of each run were dropped before they got here."""
        try:
            if any(isinstance(event, RunStarted) for event in events) and self._was_replaced():
                self.close()
            try:
                self._transact(events, dropped)
            except (sqlite3.Error, UnicodeDecodeError) as error:
                if not storage.is_damage(error):
                    raise
                self.close()
                self._use(storage.replace(self._path, self._report))
                self._transact(events, dropped)
        except NewerFileError as error:
            message = f"{self._path} was made by a newer capsule (version {error.version} of the file)"
            raise storage.UnusableError(message) from error
        except sqlite3.Error as error:
            raise storage.UnusableError(f"{self._path}: {_explain(error)}") from error
        except OSError as error:
            raise storage.UnusableError(f"{self._path}: {error.strerror or error}") from error

    def tidy(self, idle: Callable[[], bool]) -> None:
        """Removes old runs, if it's time to: one step, and more for as long as nothing else waits."""
        if self._connection is None or self._recorder is None or self._recorder.newest <= self._looked:
            return
        newest = self._recorder.newest
        try:
            if retention.due(self._looked, newest):
                while retention.prune(self._connection):
                    if not idle():
                        return
        except sqlite3.Error as error:
            if not storage.is_contention(error):
                raise storage.UnusableError(f"{self._path}: {_explain(error)}") from error
        self._looked = newest

    def close(self) -> None:
        """Lets go of the file; what was written stays."""
        connection, self._connection, self._recorder, self._file = self._connection, None, None, None
        if connection is not None:
            connection.close()

    def _transact(self, events: Sequence[Event], dropped: Mapping[str, int]) -> None:
        connection, recorder = self._begin()
        try:
            recorder.write(events, dropped)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _begin(self) -> tuple[sqlite3.Connection, Recorder]:
        since = time.monotonic()
        while True:
            try:
                if self._connection is None:
                    self._use(storage.open_for_writing(self._path, self._report))
                assert self._connection is not None
                assert self._recorder is not None
                self._connection.execute("BEGIN IMMEDIATE")
                return self._connection, self._recorder
            except sqlite3.OperationalError as error:
                if not storage.is_contention(error):
                    raise
                if self._out_of_patience(since):
                    raise
                time.sleep(_RETRY_SECONDS)

    def _use(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._recorder = Recorder(connection)
        self._file = self._identity()

    def _was_replaced(self) -> bool:
        # Somebody has removed `.capsule`, say: SQLite would go on writing to the file that has no name now.
        return self._connection is not None and self._file != self._identity()

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _out_of_patience(self, since: float) -> bool:
        now, closing = time.monotonic(), self._closing()
        return now > since + PATIENCE_SECONDS or (closing is not None and now > closing)


def _explain(error: sqlite3.Error) -> str:
    match storage.primary_code(error):
        case sqlite3.SQLITE_FULL:
            return "the disk is full"
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return "the file can't be written"
        case sqlite3.SQLITE_CANTOPEN:
            return "the file can't be opened"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED | sqlite3.SQLITE_PROTOCOL:
            return "another process holds it locked"
        case sqlite3.SQLITE_IOERR:
            return "reading or writing failed (is the disk full?)"
        case _:
            return str(error)
