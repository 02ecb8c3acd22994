from __future__ import annotations

import re
import sqlite3
import threading
from pathlib import Path

import pytest

from capsule.journal import schema

DOCUMENT = Path(__file__).parents[2] / "docs" / "trace.md"


def connect(path: Path | str = ":memory:") -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, timeout=10)


def tables(connection: sqlite3.Connection) -> dict[str, list[str]]:
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return {name: [row[1] for row in connection.execute(f"PRAGMA table_info({name})")] for name in names}


def test_an_empty_file_becomes_a_current_one() -> None:
    connection = connect()
    assert schema.version_of(connection) == 0
    schema.migrate(connection)
    assert schema.version_of(connection) == schema.VERSION
    schema.migrate(connection)


def test_a_step_that_fails_leaves_the_version_before(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = connect()
    schema.migrate(connection)
    broken = (*schema.MIGRATIONS, ("CREATE TABLE extra (a)", "CREATE TABLE runs (a)"))
    monkeypatch.setattr(schema, "MIGRATIONS", broken)
    monkeypatch.setattr(schema, "VERSION", len(broken))
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        schema.migrate(connection)
    monkeypatch.undo()
    assert schema.version_of(connection) == schema.VERSION
    assert "extra" not in tables(connection)


def test_an_old_file_is_migrated_with_its_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    connection = connect(tmp_path / "trace.db")
    schema.migrate(connection)
    connection.execute(
        "INSERT INTO runs (id, source, artifact, task, arguments, pid, started) VALUES ('r','','','','',1,0)"
    )
    longer = (*schema.MIGRATIONS, ("ALTER TABLE runs ADD COLUMN note TEXT",))
    monkeypatch.setattr(schema, "MIGRATIONS", longer)
    monkeypatch.setattr(schema, "VERSION", len(longer))
    schema._expected.cache_clear()
    schema.migrate(connection)
    assert schema.version_of(connection) == schema.VERSION
    assert connection.execute("SELECT id, note FROM runs").fetchall() == [("r", None)]
    schema._expected.cache_clear()


def test_many_may_migrate_at_once(tmp_path: Path) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            connection = connect(tmp_path / "trace.db")
            schema.migrate(connection)
            assert schema.version_of(connection) == schema.VERSION
            connection.close()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (a)",
        "PRAGMA application_id = 1",
        "PRAGMA user_version = 1",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_somebody_elses_database_is_not_taken_for_ours(statement: str) -> None:
    connection = connect()
    connection.execute(statement)
    with pytest.raises(schema.ForeignFileError):
        schema.migrate(connection)


def test_a_newer_version_is_told_apart() -> None:
    connection = connect()
    schema.migrate(connection)
    connection.execute(f"PRAGMA user_version = {schema.VERSION + 3}")
    with pytest.raises(schema.NewerFileError) as caught:
        schema.migrate(connection)
    assert caught.value.version == schema.VERSION + 3


def test_the_documentation_has_every_table_and_column_and_no_other() -> None:
    documented: dict[str, list[str]] = {}
    table = ""
    for line in DOCUMENT.read_text("utf-8").splitlines():
        if heading := re.fullmatch(r"### `(\w+)`", line):
            table = heading[1]
            documented[table] = []
        elif table and (row := re.match(r"\| `(\w+)` \|", line)):
            documented[table].append(row[1])
    connection = connect()
    schema.migrate(connection)
    assert documented == tables(connection)
    assert f"version is {schema.VERSION}" in DOCUMENT.read_text("utf-8")
