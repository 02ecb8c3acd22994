"""Reads what ``trace.db`` has recorded, as frozen values.

The file is hostile: it may have come with somebody's repository. It's opened read-only, every value is
checked for its type and bounded, and whatever can't be read is a `CapsuleError`.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from capsule.errors import UsageError
from capsule.journal import process
from capsule.journal.readonly import reading
from capsule.journal.records import (
    AttemptRecord,
    OutputRecord,
    RefusalRecord,
    RequestRecord,
    RunState,
    RunSummary,
    RunTree,
    TaskRecord,
)
from capsule.journal.schema import version_of

TASKS_READ: Final = 100_000
"""The tasks of one run that are read at most; likewise attempts, refusals, requests and parts of output."""

_ENDED: Final[dict[str, RunState]] = {
    "succeeded": "succeeded",
    "failed": "failed",
    "cancelled": "cancelled",
}
_Row = tuple[object, ...]
_T = TypeVar("_T")


def recent(path: Path, limit: int = 20) -> list[RunSummary]:
    """The newest runs recorded in the database at ``path``, the newest first.

    Raises `UsageError` when nothing was recorded there, and `CapsuleError` for a file that can't be read.
    """
    with reading(path) as connection:
        rows = connection.execute(
            f"{_SELECT_RUN} ORDER BY run DESC LIMIT ?", (max(0, min(limit, TASKS_READ)),)
        )
        return [_run(row) for row in rows]


def load(path: Path, run_id_prefix: str, *, output: bool = False) -> RunTree:
    """The run whose id is, or begins with, ``run_id_prefix``; with what its tasks wrote if asked for.

    Raises `UsageError` when there is no such run, or more than one, and what `recent` raises.
    """
    with reading(path) as connection:
        row = _find(connection, run_id_prefix)
        run = _run(row)
        key = _integer(row[0])
        # Read-only, so a file of the first version stays one.
        attempt_columns = f"{_ATTEMPT_COLUMNS}, {'traceback' if version_of(connection) > 1 else 'NULL'}"
        attempts = _grouped(connection, key, "attempts", attempt_columns, "attempt", _attempt)
        refusals = _grouped(connection, key, "refusals", _REFUSAL_COLUMNS, "number", _refusal)
        requests = _grouped(connection, key, "requests", _REQUEST_COLUMNS, "number", _request)
        parts = _grouped(connection, key, "output", _OUTPUT_COLUMNS, "part", tuple) if output else {}
        tasks: dict[int, TaskRecord] = {}
        for row in connection.execute(
            f"SELECT {_TASK_COLUMNS} FROM tasks WHERE run = ? ORDER BY task LIMIT {TASKS_READ}",  # noqa: S608
            (key,),
        ):
            number = _integer(row[0])
            parent = None if row[1] is None else _integer(row[1])
            tasks[number] = TaskRecord(
                task=number,
                # A parent that isn't there, or comes later, would make a tree without a top.
                parent=parent if parent in tasks else None,
                name=_text(row[2]),
                policy=_text(row[3]),
                started=_real(row[4]),
                state=_task_state(row[5], run.state),
                duration=_optional(row[6], _real),
                retries=_optional(row[7], _integer),
                fuel=_optional(row[8], _integer),
                error_type=_optional(row[9], _text),
                message=_optional(row[10], _text),
                attempt_count=_integer(row[11]),
                refusal_count=_integer(row[12]),
                request_count=_integer(row[13]),
                output_count=_integer(row[14]),
                attempts=tuple(attempts.get(number, ())),
                refusals=tuple(refusals.get(number, ())),
                requests=tuple(requests.get(number, ())),
                output=tuple(_output(parts.get(number, []))),
                ended=_optional(row[15], _real),
            )
        return RunTree(run, tuple(tasks.values()))


_SELECT_RUN = (
    "SELECT run, id, source, artifact, task, arguments, pid, process, started, state, duration, dropped,"
    " (SELECT count(*) FROM tasks WHERE tasks.run = runs.run) FROM runs"
)
_TASK_COLUMNS = (
    "task, parent, name, policy, started, state, duration, retries, fuel, error_type, message,"
    " attempts, refusals, requests, output, ended"
)
_ATTEMPT_COLUMNS = "attempt, started, duration, load, fuel, error_type, message, ended"
_REFUSAL_COLUMNS = "at, rule, subject"
_REQUEST_COLUMNS = "at, method, url, status, failure, duration, sent, received"
_OUTPUT_COLUMNS = "part, at, stream, text"


def _find(connection: sqlite3.Connection, prefix: str) -> _Row:
    stored = prefix.encode("utf-8", "backslashreplace").decode("utf-8")
    exact = connection.execute(f"{_SELECT_RUN} WHERE id = ?", (stored,)).fetchone()
    if exact is not None:
        return tuple(exact)
    rows = connection.execute(
        f"{_SELECT_RUN} WHERE substr(id, 1, ?) = ? ORDER BY run DESC LIMIT 5", (len(stored), stored)
    ).fetchall()
    if not rows:
        raise UsageError(f"no run {prefix!r} is recorded here", hint="capsule trace lists the recent runs")
    if len(rows) > 1:
        ids = ", ".join(repr(_text(row[1])) for row in rows)
        raise UsageError(f"{prefix!r} begins the id of several runs: {ids}", hint="give more of the id")
    return tuple(rows[0])


def _grouped(
    connection: sqlite3.Connection,
    key: int,
    table: str,
    columns: str,
    order: str,
    make: Callable[[_Row], _T],
) -> dict[int, list[_T]]:
    groups: dict[int, list[_T]] = {}
    for number, *row in connection.execute(
        f"SELECT task, {columns} FROM {table} WHERE run = ? ORDER BY task, {order} LIMIT {TASKS_READ}",  # noqa: S608
        (key,),
    ):
        groups.setdefault(_integer(number), []).append(make(tuple(row)))
    return groups


def _run(row: _Row) -> RunSummary:
    pid = _integer(row[6])
    return RunSummary(
        id=_text(row[1]),
        source=_text(row[2]),
        artifact=_text(row[3]),
        task=_text(row[4]),
        arguments=_text(row[5]),
        pid=pid,
        started=_real(row[8]),
        state=_run_state(row[9], pid, _optional(row[7], _text)),
        duration=_optional(row[10], _real),
        dropped=_integer(row[11]),
        tasks=_integer(row[12]),
    )


def _run_state(recorded: object, pid: int, identity: str | None) -> RunState:
    if recorded is not None:
        return _ENDED.get(_text(recorded), "unknown")
    states: dict[str, RunState] = {"alive": "running", "gone": "interrupted", "unknown": "unknown"}
    return states[process.state(pid, identity)]


def _task_state(recorded: object, run: RunState) -> RunState:
    if recorded is not None:
        return _ENDED.get(_text(recorded), "unknown")
    # A run that ended has no task that runs.
    return run if run in {"running", "unknown"} else "interrupted"


def _attempt(row: _Row) -> AttemptRecord:
    return AttemptRecord(
        attempt=_integer(row[0]),
        started=_real(row[1]),
        duration=_optional(row[2], _real),
        load=_optional(row[3], _real),
        fuel=_optional(row[4], _integer),
        error_type=_optional(row[5], _text),
        message=_optional(row[6], _text),
        ended=_optional(row[7], _real),
        traceback=_optional(row[8], _text),
    )


def _refusal(row: _Row) -> RefusalRecord:
    return RefusalRecord(at=_real(row[0]), rule=_text(row[1]), subject=_text(row[2]))


def _request(row: _Row) -> RequestRecord:
    return RequestRecord(
        at=_real(row[0]),
        method=_text(row[1]),
        url=_text(row[2]),
        status=_optional(row[3], _integer),
        failure=_optional(row[4], _text),
        duration=_real(row[5]),
        sent=_integer(row[6]),
        received=_integer(row[7]),
    )


def _output(rows: list[_Row]) -> Iterator[OutputRecord]:
    expected = 1
    for part, at, stream, text in rows:
        number = _integer(part)
        yield OutputRecord(at=_real(at), stream=_text(stream), text=_text(text), after_gap=number != expected)
        expected = number + 1


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _integer(value: object) -> int:
    return value if isinstance(value, int) else 0


def _real(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0


def _optional(value: object, convert: Callable[[object], _T]) -> _T | None:
    return None if value is None else convert(value)
