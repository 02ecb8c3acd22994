"""Keeps ``trace.db`` from growing without end: old runs go, a few at a time."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

from capsule.journal import schema

RUNS_KEPT: Final = 1_000
"""The newest runs that stay."""

BYTES_KEPT: Final = 256 * 1024 * 1024
"""The size in use above which older runs go, even when they are among the newest `RUNS_KEPT`."""

CHECKED_EVERY: Final = 16
"""One in so many runs looks for others to remove."""

_ABANDONED_SECONDS = 7 * 24 * 3600.0
_STEP = 20


def due(before: int, newest: int) -> bool:
    """Whether it's time to look: run ``newest`` was written, and ``before`` was the newest then."""
    return newest // CHECKED_EVERY > before // CHECKED_EVERY if before else newest % CHECKED_EVERY == 0


def prune(connection: sqlite3.Connection) -> bool:
    """Removes the oldest few runs that are too many, in one short transaction; whether there may be more.

    A run without an end stays for a week: it may still be running. Raises `sqlite3.Error`.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        victims = _victims(connection)
        for table in schema.DETAIL_TABLES if victims else ():
            connection.executemany(f"DELETE FROM {table} WHERE run = ?", victims)  # noqa: S608 - our own names
        connection.executemany("DELETE FROM runs WHERE run = ?", victims)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return len(victims) == _STEP


def _victims(connection: sqlite3.Connection) -> list[tuple[int]]:
    (newest,) = connection.execute("SELECT coalesce(max(run), 0) FROM runs").fetchone()
    row = connection.execute(
        "SELECT run FROM runs ORDER BY run DESC LIMIT 1 OFFSET ?", (RUNS_KEPT - 1,)
    ).fetchone()
    # Too big: the older half of what there is may go, a few at each call.
    bound = newest if _size(connection) > BYTES_KEPT else (0 if row is None else row[0])
    return [
        (run,)
        for (run,) in connection.execute(
            "SELECT run FROM runs WHERE run < ? AND (state IS NOT NULL OR started < ?) ORDER BY run LIMIT ?",
            (bound, time.time() - _ABANDONED_SECONDS, _STEP),
        )
    ]


def _size(connection: sqlite3.Connection) -> int:
    def number(pragma: str) -> int:
        return int(connection.execute(f"PRAGMA {pragma}").fetchone()[0])

    return (number("page_count") - number("freelist_count")) * number("page_size")
