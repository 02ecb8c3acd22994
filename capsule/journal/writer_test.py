from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from capsule.events import AttemptStarted, Event, Output, RunEnded, RunStarted, TaskEnded, TaskStarted
from capsule.journal import reader, schema, writer
from capsule.journal.writer import Journal

CHILD = """
import sys, time
from pathlib import Path
from capsule.journal.writer import Journal
from capsule.journal.writer_test import whole_run, started
"""


def started(run: str, pid: int | None = None) -> RunStarted:
    return RunStarted(run, time.time(), "main.py", "main_ab.wasm", "main", "{}", pid or os.getpid())


def whole_run(run: str, tasks: int = 1) -> list[Event]:
    events: list[Event] = [started(run)]
    for task in range(1, tasks + 1):
        events.append(TaskStarted(run, task, None if task == 1 else 1, f"task{task}", time.time(), "{}"))
        events.append(AttemptStarted(run, task, 1, time.time()))
        events.append(Output(run, task, time.time(), "stdout", f"hello from {task}\n"))
        events.append(TaskEnded(run, task, time.time(), "succeeded", 0.001, 0, 1000, None, None))
    events.append(RunEnded(run, time.time(), "succeeded", 0.01))
    return events


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".capsule" / "trace.db"


def record(path: Path, *events: Event) -> list[str]:
    problems: list[str] = []
    journal = Journal(path, problems.append)
    for event in events:
        journal.record(event)
    journal.close(10)
    return problems


def wait_for(condition: object, seconds: float = 10.0) -> None:
    until = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.005)


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD + code, *arguments], stdout=subprocess.PIPE, text=True
    )


def test_what_was_recorded_before_close_is_in_the_database(path: Path) -> None:
    assert record(path, *whole_run("r1", tasks=3)) == []
    tree = reader.load(path, "r1")
    assert tree.run.state == "succeeded"
    assert [task.name for task in tree.tasks] == ["task1", "task2", "task3"]


def test_closing_right_after_the_last_event_loses_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(path, pytest.fail)
    *most, last = whole_run("r1")
    for event in most:
        journal.record(event)
    wait_for(lambda: _states(path) == {"r1": "running"})
    time.sleep(2 * writer.GATHER_SECONDS)
    take = journal._take

    def interleaved() -> object:
        taken = take()
        # The thread has looked, found nothing, and has not drawn its conclusion yet.
        if not taken[0].events and journal._deadline is None:
            journal.record(last)
            journal._deadline = time.monotonic() + 10
        return taken

    monkeypatch.setattr(journal, "_take", interleaved)
    journal._bell.put(True)  # ends the call of the real method
    journal._bell.put(True)
    wait_for(lambda: not journal._thread.is_alive())
    assert _states(path) == {"r1": "succeeded"}


def test_nothing_is_made_before_the_first_event(path: Path) -> None:
    assert record(path) == []
    assert not path.parent.exists()


def test_a_run_is_visible_soon_after_it_started(path: Path) -> None:
    journal = Journal(path, pytest.fail)
    journal.record(started("r1"))
    wait_for(lambda: path.exists() and _states(path) == {"r1": "running"})
    journal.close()


def _states(path: Path) -> dict[str, str]:
    try:
        return {run.id: run.state for run in reader.recent(path, 1000)}
    except Exception:
        return {}


def test_recording_takes_microseconds(path: Path) -> None:
    journal = Journal(path, pytest.fail)
    journal.record(started("r1"))
    event = TaskStarted("r1", 1, None, "main", 0.0, "{}")
    times = []
    for _ in range(2000):
        begin = time.perf_counter()
        journal.record(event)
        times.append(time.perf_counter() - begin)
    journal.close()
    assert sorted(times)[len(times) // 2] < 50e-6


def test_recording_goes_on_while_another_process_holds_the_database(path: Path) -> None:
    record(path, *whole_run("r0"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    problems: list[str] = []
    journal = Journal(path, problems.append)
    begin = time.monotonic()
    for event in whole_run("r1"):
        journal.record(event)
    assert time.monotonic() - begin < 0.5
    time.sleep(0.4)
    other.execute("COMMIT")
    journal.close(10)
    assert problems == []
    assert reader.load(path, "r1").run.state == "succeeded"


def test_close_waits_no_longer_than_it_may(path: Path) -> None:
    record(path, *whole_run("r0"))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    problems: list[str] = []
    journal = Journal(path, problems.append)
    for event in whole_run("r1"):
        journal.record(event)
    begin = time.monotonic()
    journal.close(0.3)
    assert time.monotonic() - begin < 1.0
    assert any("too long" in problem or "locked" in problem for problem in problems)
    other.close()


def test_overload_drops_output_first_and_counts_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "OUTPUT_WAITING", 100)
    journal = Journal(path, pytest.fail)
    with journal._lock:  # the thread can't take anything meanwhile
        journal.record(started("r1"))
        journal.record(TaskStarted("r1", 1, None, "main", 0.0, "{}"))
        for _ in range(50):
            journal.record(Output("r1", 1, 0.0, "stdout", "x" * 10))
        journal.record(TaskEnded("r1", 1, 0.0, "succeeded", 0.0, 0, 1, None, None))
    journal.close(10)
    tree = reader.load(path, "r1", output=True)
    assert tree.run.dropped == 40
    assert "".join(part.text for part in tree.tasks[0].output) == "x" * 100
    assert tree.tasks[0].state == "succeeded"


def test_events_wait_in_bounded_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "EVENTS_WAITING", 100)
    journal = Journal(path, pytest.fail)
    with journal._lock:
        journal.record(started("r1"))
        for number in range(500):
            journal.record(TaskStarted("r1", number, None, "main", 0.0, "{}"))
        assert len(journal._waiting.events) == 100
    journal.close(10)
    assert reader.load(path, "r1").run.dropped == 401


def test_a_listener_that_fails_changes_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database, " * 1000)

    def fail(problem: str) -> None:
        raise RuntimeError(problem)

    journal = Journal(path, fail)
    for event in whole_run("r1"):
        journal.record(event)
    journal.close(10)
    assert reader.load(path, "r1").run.state == "succeeded"


def test_events_that_cannot_be_stored_end_the_recording_with_one_sentence(path: Path) -> None:
    problems = record(path, started("r1"), TaskStarted("r1", 1, None, None, 0.0, "{}"))  # type: ignore[arg-type]
    assert len(problems) == 1


@pytest.mark.parametrize("content", [b"not a database, " * 1000, b"SQLite format 3\0" + b"\xff" * 5000, b"x"])
def test_a_broken_file_is_set_aside_and_a_new_one_begun(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    (problem,) = record(path, *whole_run("r1"))
    assert "set aside" in problem
    assert reader.load(path, "r1").run.state == "succeeded"
    (kept,) = path.parent.glob("trace.db.broken-*")
    assert kept.read_bytes() == content


def test_damage_inside_a_file_of_ours_is_set_aside(path: Path) -> None:
    for number in range(30):
        record(path, *whole_run(f"r{number}", tasks=20))
    wait_for(lambda: not Path(f"{path}-wal").exists())
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 64] = b"\xee" * 64
    path.write_bytes(content)
    (problem,) = record(path, *whole_run("after", tasks=20))
    assert "damaged" in problem
    assert len(reader.load(path, "after").tasks) == 20


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (a)",
        "CREATE TRIGGER t AFTER INSERT ON runs BEGIN DELETE FROM runs; END",
        "CREATE INDEX i ON runs (id)",
        "PRAGMA application_id = 7",
    ],
)
def test_a_database_with_other_things_in_it_is_not_used(path: Path, statement: str) -> None:
    record(path, *whole_run("r1"))
    with sqlite3.connect(path) as connection:
        connection.execute(statement)
    connection.close()
    (problem,) = record(path, *whole_run("r2"))
    assert "isn't a database that capsule has made" in problem
    assert _states(path) == {"r2": "succeeded"}


def test_a_newer_database_is_left_alone(path: Path) -> None:
    record(path, *whole_run("r1"))
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    before = path.read_bytes()
    (problem,) = record(path, *whole_run("r2"))
    assert "newer capsule" in problem
    assert path.read_bytes() == before
    assert list(path.parent.glob("*broken*")) == []


@pytest.mark.parametrize("name", ["trace.db", "trace.db-wal", "trace.db-shm", "trace.db-journal"])
@pytest.mark.parametrize("kind", ["symlink", "dangling", "fifo", "folder"])
def test_only_regular_files_are_opened(path: Path, tmp_path: Path, name: str, kind: str) -> None:
    path.parent.mkdir()
    place = path.parent / name
    victim = tmp_path / "victim"
    if kind == "symlink":
        victim.write_bytes(b"precious")
        place.symlink_to(victim)
    elif kind == "dangling":
        place.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(place)
    else:
        place.mkdir()
    (problem,) = record(path, *whole_run("r1"))
    assert "set aside" in problem
    assert _states(path) == {"r1": "succeeded"}
    if kind == "symlink":
        assert victim.read_bytes() == b"precious"
    else:
        assert not victim.exists()


def test_a_rollback_journal_is_never_played_back(path: Path, tmp_path: Path) -> None:
    record(path, *whole_run("r1"))
    # SQLite removes the log by its name when the first connection closes, after `close` has returned.
    wait_for(lambda: not Path(f"{path}-wal").exists())
    Path(f"{path}-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\0" * 600)
    (problem,) = record(path, *whole_run("r2"))
    assert "trace.db-journal" in problem
    assert _states(path) == {"r2": "succeeded"}


def test_a_linked_folder_is_not_followed(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path.parent.symlink_to(elsewhere)
    (problem,) = record(path, *whole_run("r1"))
    assert "symbolic link" in problem
    assert list(elsewhere.iterdir()) == []


def test_a_file_where_the_folder_should_be_ends_the_recording(path: Path) -> None:
    path.parent.write_text("a file")
    (problem,) = record(path, *whole_run("r1"))
    assert problem.startswith("runs are not recorded: ")


def test_a_folder_that_cannot_be_written_ends_the_recording(tmp_path: Path) -> None:
    if os.geteuid() == 0 and not hasattr(os, "fork"):
        pytest.skip("needs another user")
    tmp_path.chmod(0o555)
    code = """
problems = []
import os, sqlite3, capsule.journal.database, capsule.journal.process
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
    os.chdir("/")
journal = Journal(Path(sys.argv[1]), problems.append)
for event in whole_run("r1"):
    journal.record(event)
journal.close(5)
print(problems)
"""
    process = child(code, str(tmp_path / ".capsule" / "trace.db"))
    answer, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "runs are not recorded" in answer


def test_a_full_disk_ends_the_recording_and_keeps_what_is_there(path: Path) -> None:
    record(path, *whole_run("r1"))
    code = """
import resource
import capsule.journal.database
problems = []
resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
journal = Journal(Path(sys.argv[1]), problems.append)
for event in whole_run("full", tasks=5000):
    journal.record(event)
journal.close(20)
print(problems)
"""
    process = child(code, str(path))
    answer, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert answer.count("runs are not recorded") == 1
    assert reader.load(path, "r1").run.state == "succeeded"
    assert record(path, *whole_run("r2")) == []
    assert reader.load(path, "r2").run.state == "succeeded"


def test_a_removed_folder_is_made_again_for_the_next_run(path: Path) -> None:
    journal = Journal(path, pytest.fail)
    journal.record(started("r1"))
    wait_for(lambda: _states(path) == {"r1": "running"})
    for file in path.parent.iterdir():
        file.unlink()
    path.parent.rmdir()
    for event in whole_run("r2"):
        journal.record(event)
    journal.close(10)
    assert _states(path) == {"r2": "succeeded"}


@pytest.mark.parametrize("attempt", range(5))
def test_a_killed_process_leaves_a_readable_database(path: Path, attempt: int) -> None:
    code = """
journal = Journal(Path(sys.argv[1]), print)
number = 0
while True:
    for event in whole_run(f"run-{number}", tasks=20):
        journal.record(event)
    print(number, flush=True)
    number += 1
    time.sleep(0.002)
"""
    process = child(code, str(path))
    assert process.stdout is not None
    process.stdout.readline()
    wait_for(lambda: _states(path))
    time.sleep(random.Random(attempt).uniform(0, 0.2))
    process.send_signal(signal.SIGKILL)
    process.wait(10)
    process.stdout.close()

    runs = reader.recent(path, 10_000)
    assert runs
    # Batches are whole: of a run with an end, everything before the end is there.
    for run in runs:
        if run.state == "succeeded":
            assert [task.state for task in reader.load(path, run.id).tasks] == ["succeeded"] * 20
        else:
            assert run.state == "interrupted"
    # Nothing but the newest is missing.
    assert [run.id for run in reversed(runs)] == [f"run-{number}" for number in range(len(runs))]
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert record(path, *whole_run("after")) == []
    assert reader.load(path, "after").run.state == "succeeded"


def test_many_processes_record_at_once_from_nothing(path: Path) -> None:
    code = """
problems = []
for number in range(5):
    journal = Journal(Path(sys.argv[1]), problems.append)
    for event in whole_run(f"{sys.argv[2]}-{number}", tasks=10):
        journal.record(event)
        time.sleep(0.0005)
    journal.close(20)
print(problems)
"""
    processes = [child(code, str(path), name) for name in "abcd"]
    answers = [process.communicate(timeout=60)[0].strip() for process in processes]
    assert answers == ["[]"] * 4
    runs = reader.recent(path, 100)
    assert sorted(run.id for run in runs) == sorted(
        f"{name}-{number}" for name in "abcd" for number in range(5)
    )
    assert {run.state for run in runs} == {"succeeded"}
    assert all(run.tasks == 10 for run in runs)


def test_processes_that_meet_a_broken_file_at_once_set_it_aside_once(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"garbage " * 1000)
    code = """
import capsule.journal.database
problems = []
while time.time() < float(sys.argv[3]):
    pass
journal = Journal(Path(sys.argv[1]), problems.append)
for event in whole_run(sys.argv[2]):
    journal.record(event)
journal.close(20)
"""
    at = str(time.time() + 0.8)
    processes = [child(code, str(path), name, at) for name in "abc"]
    for process in processes:
        process.communicate(timeout=60)
    assert set(_states(path)) == {"a", "b", "c"}
    assert len(list(path.parent.glob("trace.db.broken-*"))) == 1


def test_threads_may_record_at_once(path: Path) -> None:
    journal = Journal(path, pytest.fail)

    def work(name: str) -> None:
        for event in whole_run(name, tasks=50):
            journal.record(event)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.close(10)
    assert {run.id: run.tasks for run in reader.recent(path)} == {f"t{n}": 50 for n in range(8)}


def test_importing_the_writer_does_not_load_sqlite() -> None:
    code = "import sys, capsule.journal.writer; print('sqlite3' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
