from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from capsule.events import RunStarted
from capsule.journal import reader, retention, schema
from capsule.journal.recording import Recorder
from capsule.journal.writer import Journal
from capsule.journal.writer_test import started, wait_for, whole_run


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(tmp_path / "trace.db", isolation_level=None)
    schema.migrate(connection)
    return connection


def fill(connection: sqlite3.Connection, *names: str) -> None:
    recorder = Recorder(connection)
    connection.execute("BEGIN")
    for name in names:
        recorder.write(whole_run(name), {})
    connection.execute("COMMIT")


def names(connection: sqlite3.Connection) -> list[str]:
    return [name for (name,) in connection.execute("SELECT id FROM runs ORDER BY run")]


def test_the_newest_runs_stay_and_the_others_go_with_all_they_have(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS_KEPT", 10)
    fill(connection, *(f"r{number}" for number in range(75)))
    rounds = 0
    while retention.prune(connection):
        rounds += 1
    assert rounds == 3
    assert names(connection) == [f"r{number}" for number in range(65, 75)]
    for table in schema.DETAIL_TABLES:
        (oldest,) = connection.execute(f"SELECT min(run) FROM {table}").fetchone()
        assert oldest is None or oldest == 66


def test_a_database_that_is_too_big_loses_its_oldest_runs(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(connection, *(f"r{number}" for number in range(30)))
    monkeypatch.setattr(retention, "BYTES_KEPT", 1)
    while retention.prune(connection):
        pass
    assert names(connection) == ["r29"]


def test_a_run_without_an_end_stays_for_a_week(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS_KEPT", 1)
    recorder = Recorder(connection)
    long_ago = time.time() - 8 * 24 * 3600
    recorder.write([RunStarted("forgotten", long_ago, "a", "b", "c", "{}", os.getpid()), started("runs")], {})
    fill(connection, "r1", "r2")
    retention.prune(connection)
    assert names(connection) == ["runs", "r2"]


def test_one_run_in_sixteen_clears_up() -> None:
    assert [n for n in range(1, 50) if retention.due(0, n)] == [16, 32, 48]
    assert retention.due(10, 17)
    assert not retention.due(16, 31)


def test_the_journal_clears_up_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "RUNS_KEPT", 5)
    path = tmp_path / ".capsule" / "trace.db"
    journal = Journal(path, pytest.fail)
    for number in range(retention.CHECKED_EVERY):
        for event in whole_run(f"r{number}"):
            journal.record(event)
    wait_for(lambda: path.exists() and _count(path) == 5)
    journal.close()


def _count(path: Path) -> int:
    try:
        return len(reader.recent(path, 100))
    except Exception:
        return -1
