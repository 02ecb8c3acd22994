from __future__ import annotations

import dataclasses
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import CapsuleError, UsageError
from capsule.events import (
    AttemptEnded,
    AttemptStarted,
    Event,
    Output,
    Refused,
    Requested,
    RunEnded,
    TaskEnded,
    TaskStarted,
)
from capsule.journal import bounds, reader, render, schema
from capsule.journal.recording import ROWS_PER_TASK, Recorder
from capsule.journal.writer import Journal
from capsule.journal.writer_test import started, wait_for, whole_run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".capsule" / "trace.db"


def write(path: Path, *events: Event) -> None:
    journal = Journal(path, pytest.fail)
    for event in events:
        journal.record(event)
    journal.close(10)


text = st.text(st.characters(codec=None), max_size=20)
times = st.floats(0, 1e10)
counts = st.integers(0, 2**64)


def some(draw: st.DrawFn, kind: type[Event], task: int, **known: Any) -> Event:
    """An event of this kind, its other fields drawn by their names."""
    drawn: dict[str, st.SearchStrategy[Any]] = {
        **dict.fromkeys(("name", "policy", "rule", "subject", "url", "method"), text),
        **dict.fromkeys(("error_type", "message", "failure", "traceback"), st.none() | text),
        **dict.fromkeys(("at", "duration", "load"), times),
        **dict.fromkeys(("fuel", "retries", "sent", "received"), counts),
        "status": st.none() | st.integers(100, 599),
        "state": st.sampled_from(["succeeded", "failed", "cancelled"]),
        "stream": st.sampled_from(["stdout", "stderr"]),
        "text": text,
    }
    known |= {"run": "run", "task": task}
    return kind(
        **{
            f.name: known[f.name] if f.name in known else draw(drawn[f.name])
            for f in dataclasses.fields(kind)
        }
    )


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """The events of one run, as an executor would record them, cut off anywhere."""
    events: list[Event] = [started("run")]
    last = draw(st.integers(0, 5))
    for task in range(1, last + 1):
        parent = None if task == 1 else draw(st.integers(1, task - 1))
        events.append(some(draw, TaskStarted, task, parent=parent))
    for task in draw(st.permutations(range(1, last + 1))):
        for attempt in range(1, draw(st.integers(1, 3)) + 1):
            events.append(some(draw, AttemptStarted, task, attempt=attempt))
            kinds: list[type[Event]] = draw(
                st.lists(st.sampled_from([Refused, Requested, Output]), max_size=6)
            )
            events.extend(some(draw, kind, task) for kind in kinds)
            events.append(some(draw, AttemptEnded, task, attempt=attempt))
        events.append(some(draw, TaskEnded, task))
    events.append(RunEnded("run", draw(times), "succeeded", draw(times)))
    return events[: draw(st.integers(1, len(events)))]


def stored(value: Any) -> Any:
    if isinstance(value, str):
        return bounds.encodable(value)
    return bounds.integer(value) if isinstance(value, int) else value


def fields(event: Event, *names: str) -> list[Any]:
    return [stored(getattr(event, name)) for name in names]


@settings(max_examples=40, deadline=None)
@given(histories(), st.integers(1, 50))
def test_what_is_read_is_what_was_recorded(events: list[Event], batch: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.db")
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = OFF")
        schema.migrate(connection)
        recorder = Recorder(connection)
        for start in range(0, len(events), batch):
            connection.execute("BEGIN IMMEDIATE")
            recorder.write(events[start : start + batch], {})
            connection.execute("COMMIT")
        tree = reader.load(path, "run", output=True)
        connection.close()

    ends: dict[int, TaskEnded] = {event.task: event for event in events if isinstance(event, TaskEnded)}
    starts = [event for event in events if isinstance(event, TaskStarted)]
    ended = isinstance(events[-1], RunEnded)
    assert tree.run.state == ("succeeded" if ended else "running")
    assert [[t.task, t.parent, t.name, t.policy, t.started] for t in tree.tasks] == [
        fields(event, "task", "parent", "name", "policy", "at") for event in starts
    ]
    for task in tree.tasks:
        mine = [event for event in events if getattr(event, "task", None) == task.task]
        end = ends.get(task.task)
        if end is None:
            assert task.state == ("interrupted" if ended else "running")
            assert task.duration is None
        else:
            assert [
                task.state,
                task.duration,
                task.retries,
                task.fuel,
                task.error_type,
                task.message,
            ] == fields(end, "state", "duration", "retries", "fuel", "error_type", "message")
        assert [(a.attempt, a.started) for a in task.attempts] == [
            (e.attempt, e.at) for e in mine if isinstance(e, AttemptStarted)
        ]
        assert [
            [a.attempt, a.duration, a.load, a.fuel, a.error_type, a.message]
            for a in task.attempts
            if a.duration is not None
        ] == [
            fields(e, "attempt", "duration", "load", "fuel", "error_type", "message")
            for e in mine
            if isinstance(e, AttemptEnded)
        ]
        assert [[r.at, r.rule, r.subject] for r in task.refusals] == [
            fields(e, "at", "rule", "subject") for e in mine if isinstance(e, Refused)
        ]
        assert [
            [r.at, r.method, r.url, r.status, r.failure, r.duration, r.sent, r.received]
            for r in task.requests
        ] == [
            fields(e, "at", "method", "url", "status", "failure", "duration", "sent", "received")
            for e in mine
            if isinstance(e, Requested)
        ]
        for stream in ("stdout", "stderr"):
            assert "".join(part.text for part in task.output if part.stream == stream) == "".join(
                stored(e.text) for e in mine if isinstance(e, Output) and e.stream == stream
            )
        assert not any(part.after_gap for part in task.output)
        assert task.output_count == sum(len(part.text) for part in task.output)


def test_the_newest_runs_come_first(path: Path) -> None:
    for number in range(5):
        write(path, *whole_run(f"r{number}"))
    assert [run.id for run in reader.recent(path, 3)] == ["r4", "r3", "r2"]


def test_a_run_is_found_by_the_beginning_of_its_id(path: Path) -> None:
    write(path, *whole_run("abcd"), *whole_run("abce"), *whole_run("ab"), *whole_run("%x"))
    assert reader.load(path, "abcd").run.id == "abcd"
    assert reader.load(path, "%").run.id == "%x"
    # A whole id wins over being the beginning of others.
    assert reader.load(path, "ab").run.id == "ab"
    with pytest.raises(UsageError, match="several runs") as caught:
        reader.load(path, "abc")
    assert "abcd" in str(caught.value)
    for missing in ("x", "_", "abcdd", "\udcff", "a\0"):
        with pytest.raises(UsageError, match="no run"):
            reader.load(path, missing)


def test_output_is_read_only_when_it_is_asked_for(path: Path) -> None:
    write(path, *whole_run("r1"))
    assert reader.load(path, "r1").tasks[0].output == ()
    assert reader.load(path, "r1", output=True).tasks[0].output[0].text == "hello from 1\n"


def test_a_run_whose_process_is_gone_is_interrupted(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        write(path, started("r1", child.pid), TaskStarted("r1", 1, None, "main", 0.0, "{}"))
        assert reader.load(path, "r1").run.state == "running"
        assert reader.load(path, "r1").tasks[0].state == "running"
    finally:
        child.communicate(b"\n")
    assert reader.recent(path)[0].state == "interrupted"
    assert reader.load(path, "r1").tasks[0].state == "interrupted"


def test_a_task_that_is_refused_for_ever_is_counted(path: Path) -> None:
    refusals = [Refused("r1", 1, 0.0, "http", f"host{number}") for number in range(ROWS_PER_TASK + 500)]
    write(path, started("r1"), TaskStarted("r1", 1, None, "main", 0.0, "{}"), *refusals)
    (task,) = reader.load(path, "r1").tasks
    assert (task.refusal_count, len(task.refusals)) == (ROWS_PER_TASK + 500, ROWS_PER_TASK)


def test_a_missing_file_says_what_to_do(path: Path) -> None:
    for read in (lambda: reader.recent(path), lambda: reader.load(path, "x")):
        with pytest.raises(UsageError, match="no runs are recorded here") as caught:
            read()
        assert caught.value.hint is not None
    assert not path.parent.exists()
    path.parent.mkdir()
    path.touch()
    with pytest.raises(UsageError, match="no runs are recorded here"):
        reader.recent(path)


def test_reading_goes_on_beside_a_writer_in_the_middle_of_a_transaction(path: Path) -> None:
    write(path, *whole_run("r1"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("DELETE FROM runs")
    assert [run.id for run in reader.recent(path)] == ["r1"]
    other.close()


@pytest.mark.parametrize("kind", ["symlink", "fifo", "folder", "journal", "linked folder"])
def test_only_regular_files_are_read(path: Path, tmp_path: Path, kind: str) -> None:
    elsewhere = tmp_path / "elsewhere" / "trace.db"
    write(elsewhere, *whole_run("r1"))
    if kind == "linked folder":
        path.parent.symlink_to(elsewhere.parent)
    else:
        path.parent.mkdir()
    if kind == "symlink":
        path.symlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "journal":
        Path(f"{path}-journal").write_bytes(b"x")
    with pytest.raises(CapsuleError):
        reader.recent(path)


@pytest.mark.parametrize("content", [b"x", b"garbage " * 1000, b"SQLite format 3\0" + b"\xff" * 8000])
def test_what_is_no_database_is_an_error_for_people(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(CapsuleError):
        reader.recent(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("CREATE TABLE other (a)", "isn't a database that capsule has made"),
        ("CREATE VIEW v AS SELECT randomblob(1000000000)", "isn't a database that capsule has made"),
        (f"PRAGMA user_version = {schema.VERSION + 1}", "newer capsule"),
    ],
)
def test_other_databases_are_told_apart(path: Path, statement: str, said: str) -> None:
    write(path, *whole_run("r1"))
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    with pytest.raises(CapsuleError, match=said):
        reader.recent(path)


def test_damaged_files_are_read_or_refused_but_never_break_the_reader(path: Path) -> None:
    write(path, *whole_run("r1", tasks=60), *whole_run("r2", tasks=60))
    wait_for(lambda: not Path(f"{path}-wal").exists())
    good = path.read_bytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(150):
        content = bytearray(good)
        for _ in range(chance.choice([1, 5, 50])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        if chance.random() < 0.2:
            del content[chance.randrange(512, len(content)) :]
        path.write_bytes(content)
        try:
            for run in reader.recent(path):
                tree = reader.load(path, run.id, output=True)
                render.tree_text(tree)
                render.to_json(tree)
        except CapsuleError:
            refused += 1
    assert 0 < refused < 150


@pytest.mark.parametrize(
    "value", ["'text'", "x'ff00ff'", "-1", "1e999", "9223372036854775807", "NULL", "char(27)"]
)
def test_values_of_any_type_in_any_column_are_shown(path: Path, value: str) -> None:
    write(path, *whole_run("r1", tasks=3))
    connection = sqlite3.connect(path, isolation_level=None)
    for table in ("runs", *schema.DETAIL_TABLES):
        for _, column, _, needed, _, key in connection.execute(f"PRAGMA table_info({table})").fetchall():
            if column in {"run", "id"} or key or (needed and value == "NULL"):
                continue
            connection.execute(f"UPDATE {table} SET {column} = {value}")
    connection.close()
    render.runs_text(reader.recent(path))
    tree = reader.load(path, "r1", output=True)
    render.tree_text(tree)
    render.to_json(tree)


def test_parents_that_make_a_circle_leave_a_tree(path: Path) -> None:
    write(path, *whole_run("r1", tasks=4))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE tasks SET parent = (task % 4) + 1")
    connection.close()
    tree = reader.load(path, "r1")
    assert [task.parent for task in tree.tasks] == [None, None, None, 1]
    assert render.tree_text(tree).count("task") >= 4


def test_more_text_than_a_run_can_have_stored_is_not_loaded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path, *whole_run("r1", tasks=30))
    monkeypatch.setattr("capsule.journal.readonly._READ_BYTES", 1000)
    with pytest.raises(CapsuleError, match="more text than a run can have stored"):
        reader.load(path, "r1", output=True)


def test_a_folder_that_cannot_be_written_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "project" / ".capsule" / "trace.db"
    path.parent.parent.mkdir()
    code = """
import os, sys, time
from pathlib import Path
from capsule.journal import reader, readonly
from capsule.journal.writer_test import whole_run
from capsule.journal.writer import Journal
import capsule.journal.database, shutil, tempfile, sqlite3  # while the interpreter can still be read
path = Path(sys.argv[1])
journal = Journal(path, print)
for event in whole_run("r1"):
    journal.record(event)
journal.close(10)
log = Path(f"{path}-wal")
until = time.monotonic() + 5
while log.exists() and time.monotonic() < until:
    time.sleep(0.01)
path.chmod(0o644)
for folder in (path.parent, path.parent.parent):
    folder.chmod(0o555)
if os.geteuid() == 0:
    for folder in path.parents:
        if folder.name.startswith(("pytest-", "popen-")):
            folder.chmod(0o755)
        if folder.name == "pytest-of-root":
            folder.chmod(0o755)
            break
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
print([run.id for run in reader.recent(path)], sorted(p.name for p in path.parent.iterdir()))
"""
    tmp_path.chmod(0o755)
    answer = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60
    )
    assert answer.stdout.strip() == "['r1'] ['trace.db']", answer.stderr


def test_a_file_of_the_first_version_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "trace.db"
    connection = sqlite3.connect(path, isolation_level=None)
    schema._step(connection, 0)
    connection.execute(
        "INSERT INTO runs (id, source, artifact, task, arguments, pid, started) VALUES ('r','','','','',1,0)"
    )
    connection.execute("INSERT INTO tasks (run, task, name, policy, started) VALUES (1,1,'main','',0)")
    connection.execute("INSERT INTO attempts (run, task, attempt, started) VALUES (1,1,1,0)")
    connection.close()
    [task] = reader.load(path, "r").tasks
    assert [attempt.traceback for attempt in task.attempts] == [None]
