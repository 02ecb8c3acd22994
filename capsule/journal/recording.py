"""Turns events into rows, and bounds what a run may put on the disk.

All text comes from guests in the end: each value is cut to a length, and a task that is refused a million
times is recorded as a number, not as a million rows.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from capsule.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    Output,
    Refused,
    Requested,
    RunEnded,
    RunStarted,
    TaskEnded,
    TaskStarted,
)
from capsule.journal import process
from capsule.journal.bounds import (
    NAME_LIMIT,
    TEXT_LIMIT,
    Budget,
    integer,
    optional,
    real,
    storable,
)
from capsule.journal.output import OutputBatch, OutputState

ROWS_PER_TASK: Final = 1_000
"""Attempts, refusals and requests, each, that are kept of one task; the rest is counted."""

_SHORT_LIMIT = 200
_ENDED_RUNS_KEPT = 64


@lru_cache(maxsize=4)
def _identity(pid: int) -> str | None:
    """Asked once for each process: a fork has a number of its own."""
    return process.identity(pid)


@dataclass(slots=True)
class _Task:
    """How much happened in one task, whether or not it was kept."""

    attempts: int = 0
    refusals: int = 0
    requests: int = 0
    output: OutputState = field(default_factory=OutputState)


@dataclass(slots=True)
class _Run:
    key: int
    budget: Budget = field(default_factory=Budget)
    tasks: dict[int, _Task] = field(default_factory=dict)
    ended: bool = False

    def task(self, number: int) -> _Task:
        return self.tasks.setdefault(number, _Task())


class Recorder:
    """Writes events to one connection, inside the caller's transaction.

    Events of a run whose start it hasn't seen are passed over.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._runs: dict[str, _Run] = {}
        self._touched: set[tuple[str, int]] = set()
        self._output = OutputBatch()
        self.newest = 0
        """The key of the newest run that was written."""

    def write(self, events: Iterable[Event], dropped: Mapping[str, int]) -> None:
        """Writes the events, in order, and how many of each run were dropped before they got here."""
        for event in events:
            if isinstance(event, RunStarted):
                self._run_started(event)
                continue
            run = self._runs.get(event.run)
            if run is not None:
                self._write(run, event)
        self._output.write(self._connection)
        self._write_counts()
        for name, count in dropped.items():
            run = self._runs.get(name)
            if run is not None:
                self._execute("UPDATE runs SET dropped = dropped + ? WHERE run = ?", count, run.key)
        self._forget()

    def _write(self, run: _Run, event: Event) -> None:
        match event:
            case Output():
                task = run.task(event.task)
                self._touched.add((event.run, event.task))
                self._output.add((run.key, integer(event.task)), task.output, run.budget, event)
            case TaskStarted():
                policy = storable(event.policy, TEXT_LIMIT)
                self._execute(
                    "INSERT OR IGNORE INTO tasks (run, task, parent, name, policy, started)"
                    " VALUES (?,?,?,?,?,?)",
                    run.key,
                    integer(event.task),
                    None if event.parent is None else integer(event.parent),
                    storable(event.name, NAME_LIMIT),
                    policy if run.budget.affords(len(policy)) else "",
                    real(event.at),
                )
            case TaskEnded():
                message = optional(event.message, TEXT_LIMIT)
                if message is not None and not run.budget.affords(len(message)):
                    message = storable(message, _SHORT_LIMIT)
                self._execute(
                    "UPDATE tasks SET ended = ?, state = ?, duration = ?, retries = ?, fuel = ?,"
                    " error_type = ?, message = ? WHERE run = ? AND task = ?",
                    real(event.at),
                    event.state,
                    real(event.duration),
                    integer(event.retries),
                    integer(event.fuel),
                    optional(event.error_type, NAME_LIMIT),
                    message,
                    run.key,
                    integer(event.task),
                )
            case RunEnded():
                run.ended = True
                self._execute(
                    "UPDATE runs SET ended = ?, state = ?, duration = ? WHERE run = ?",
                    real(event.at),
                    event.state,
                    real(event.duration),
                    run.key,
                )
            case AttemptStarted() | AttemptEnded() | Refused() | Requested():
                self._detail(run, event)

    def _detail(self, run: _Run, event: AttemptStarted | AttemptEnded | Refused | Requested) -> None:
        task = run.task(event.task)
        self._touched.add((event.run, event.task))
        match event:
            case AttemptStarted():
                task.attempts += 1
                if task.attempts <= ROWS_PER_TASK and run.budget.affords(0):
                    self._execute(
                        "INSERT OR IGNORE INTO attempts (run, task, attempt, started) VALUES (?,?,?,?)",
                        run.key,
                        integer(event.task),
                        integer(event.attempt),
                        real(event.at),
                    )
            case AttemptEnded():
                message, traceback = (
                    optional(event.message, TEXT_LIMIT),
                    optional(event.traceback, TEXT_LIMIT),
                )
                if not run.budget.affords(len(message or "") + len(traceback or "")):
                    message = traceback = None
                self._execute(
                    "UPDATE attempts SET ended = ?, duration = ?, load = ?, fuel = ?,"
                    " error_type = ?, message = ?, traceback = ? WHERE run = ? AND task = ? AND attempt = ?",
                    real(event.at),
                    real(event.duration),
                    real(event.load),
                    integer(event.fuel),
                    optional(event.error_type, NAME_LIMIT),
                    message,
                    traceback,
                    run.key,
                    integer(event.task),
                    integer(event.attempt),
                )
            case Refused():
                task.refusals += 1
                rule, subject = storable(event.rule, NAME_LIMIT), storable(event.subject, TEXT_LIMIT)
                if task.refusals <= ROWS_PER_TASK and run.budget.affords(len(rule) + len(subject)):
                    self._execute(
                        "INSERT INTO refusals (run, task, number, at, rule, subject) VALUES (?,?,?,?,?,?)",
                        run.key,
                        integer(event.task),
                        task.refusals,
                        real(event.at),
                        rule,
                        subject,
                    )
            case Requested():
                task.requests += 1
                url, failure = storable(event.url, TEXT_LIMIT), optional(event.failure, TEXT_LIMIT)
                if task.requests <= ROWS_PER_TASK and run.budget.affords(len(url) + len(failure or "")):
                    self._execute(
                        "INSERT INTO requests (run, task, number, at, method, url, status, failure, duration,"
                        " sent, received) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
                        run.key,
                        integer(event.task),
                        task.requests,
                        real(event.at),
                        storable(event.method, NAME_LIMIT),
                        url,
                        None if event.status is None else integer(event.status),
                        failure,
                        real(event.duration),
                        integer(event.sent),
                        integer(event.received),
                    )

    def _run_started(self, event: RunStarted) -> None:
        cursor = self._connection.execute(
            "INSERT OR IGNORE INTO runs (id, source, artifact, task, arguments, pid, process, started)"
            " VALUES (?,?,?,?,?,?,?,?)",
            (
                storable(event.run, NAME_LIMIT),
                storable(event.source, TEXT_LIMIT),
                storable(event.artifact, TEXT_LIMIT),
                storable(event.task, NAME_LIMIT),
                storable(event.arguments, TEXT_LIMIT),
                integer(event.pid),
                _identity(event.pid),
                real(event.at),
            ),
        )
        if cursor.rowcount == 1 and cursor.lastrowid is not None:
            self._runs[event.run] = _Run(cursor.lastrowid)
            self.newest = cursor.lastrowid

    def _write_counts(self) -> None:
        rows = []
        for name, number in self._touched:
            run = self._runs[name]
            task = run.task(number)
            rows.append(
                (task.attempts, task.refusals, task.requests, task.output.total, run.key, integer(number))
            )
        self._touched.clear()
        self._connection.executemany(
            "UPDATE tasks SET attempts = ?, refusals = ?, requests = ?, output = ?"
            " WHERE run = ? AND task = ?",
            rows,
        )

    def _forget(self) -> None:
        # Output may still arrive after a run's end, so the last few are kept in mind.
        ended = [name for name, run in self._runs.items() if run.ended]
        for name in ended[: max(0, len(ended) - _ENDED_RUNS_KEPT)]:
            del self._runs[name]

    def _execute(self, statement: str, *values: str | int | float | None) -> None:
        self._connection.execute(statement, values)
