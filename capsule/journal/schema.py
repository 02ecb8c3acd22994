"""The tables of ``trace.db``, their version, and how an older file becomes a current one.

``docs/trace.md`` explains every column. A change here is a new entry in `MIGRATIONS`, never an edit of
an old one.
"""

from __future__ import annotations

import sqlite3
from functools import cache
from typing import Final

APPLICATION_ID: Final = 0x43415053
"""Marks the file as ours in SQLite's header ("CAPS")."""

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (
    (
        """CREATE TABLE runs (
            run INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            source TEXT NOT NULL,
            artifact TEXT NOT NULL,
            task TEXT NOT NULL,
            arguments TEXT NOT NULL,
            pid INTEGER NOT NULL,
            process TEXT,
            started REAL NOT NULL,
            ended REAL,
            state TEXT,
            duration REAL,
            dropped INTEGER NOT NULL DEFAULT 0
        )""",
        """CREATE TABLE tasks (
            run INTEGER NOT NULL,
            task INTEGER NOT NULL,
            parent INTEGER,
            name TEXT NOT NULL,
            policy TEXT NOT NULL,
            started REAL NOT NULL,
            ended REAL,
            state TEXT,
            duration REAL,
            retries INTEGER,
            fuel INTEGER,
            error_type TEXT,
            message TEXT,
            attempts INTEGER NOT NULL DEFAULT 0,
            refusals INTEGER NOT NULL DEFAULT 0,
            requests INTEGER NOT NULL DEFAULT 0,
            output INTEGER NOT NULL DEFAULT 0,
            PRIMARY KEY (run, task)
        )""",
        """CREATE TABLE attempts (
            run INTEGER NOT NULL,
            task INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            started REAL NOT NULL,
            ended REAL,
            duration REAL,
            load REAL,
            fuel INTEGER,
            error_type TEXT,
            message TEXT,
            PRIMARY KEY (run, task, attempt)
        )""",
        """CREATE TABLE refusals (
            run INTEGER NOT NULL,
            task INTEGER NOT NULL,
            number INTEGER NOT NULL,
            at REAL NOT NULL,
            rule TEXT NOT NULL,
            subject TEXT NOT NULL,
            PRIMARY KEY (run, task, number)
        )""",
        """CREATE TABLE requests (
            run INTEGER NOT NULL,
            task INTEGER NOT NULL,
            number INTEGER NOT NULL,
            at REAL NOT NULL,
            method TEXT NOT NULL,
            url TEXT NOT NULL,
            status INTEGER,
            failure TEXT,
            duration REAL NOT NULL,
            sent INTEGER NOT NULL,
            received INTEGER NOT NULL,
            PRIMARY KEY (run, task, number)
        )""",
        """CREATE TABLE output (
            run INTEGER NOT NULL,
            task INTEGER NOT NULL,
            part INTEGER NOT NULL,
            at REAL NOT NULL,
            stream TEXT NOT NULL,
            text TEXT NOT NULL,
            PRIMARY KEY (run, task, part)
        )""",
    ),
    ("ALTER TABLE attempts ADD COLUMN traceback TEXT",),
)
"""The statements that take a file from version ``n`` to ``n + 1``, in order."""

VERSION: Final = len(MIGRATIONS)
"""The version that this code reads and writes: the file's ``PRAGMA user_version``."""

DETAIL_TABLES: Final = ("tasks", "attempts", "refusals", "requests", "output")
"""The tables whose rows belong to a run by their column ``run``."""


class ForeignFileError(Exception):
    """The file is an SQLite database, but not one that capsule has made."""


class NewerFileError(Exception):
    """The file was made by a newer capsule."""

    def __init__(self, version: int) -> None:
        super().__init__(f"version {version}")
        self.version = version


def version_of(connection: sqlite3.Connection) -> int:
    """The file's version, 0 for an empty one.

    Raises `NewerFileError`, and `ForeignFileError` for a file with any table, index, view or trigger that
    this version doesn't have: a trigger in a file that came with a repository would run as ours.
    """
    # One transaction, so that the three belong together while somebody else migrates.
    mine = not connection.in_transaction
    if mine:
        connection.execute("BEGIN")
    try:
        objects = _objects(connection)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (application,) = connection.execute("PRAGMA application_id").fetchone()
    finally:
        if mine and connection.in_transaction:
            connection.execute("COMMIT")
    if application != APPLICATION_ID:
        if version == 0 and application == 0 and not objects:
            return 0
        raise ForeignFileError
    if version > VERSION:
        raise NewerFileError(version)
    if version < 0 or objects != _expected(version):
        raise ForeignFileError
    return int(version)


def migrate(connection: sqlite3.Connection) -> None:
    """Brings the file to `VERSION`, one transaction for each step; safe when others do the same at once.

    Raises what `version_of` raises, and `sqlite3.Error`.
    """
    while version_of(connection) < VERSION:
        connection.execute("BEGIN IMMEDIATE")
        try:
            version = version_of(connection)
            if version < VERSION:
                _step(connection, version)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _step(connection: sqlite3.Connection, version: int) -> None:
    for statement in MIGRATIONS[version]:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version + 1}")


def _objects(connection: sqlite3.Connection) -> frozenset[tuple[str, str, str | None]]:
    # One more than any version has is enough to tell that it's too many.
    rows = connection.execute("SELECT type, name, sql FROM sqlite_master LIMIT 100")
    return frozenset((kind, name, sql) for kind, name, sql in rows)


@cache
def _expected(version: int) -> frozenset[tuple[str, str, str | None]]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        for step in range(version):
            _step(connection, step)
        return _objects(connection)
    finally:
        connection.close()
