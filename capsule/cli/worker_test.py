from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.cli.worker import Worker, parse_request
from capsule.errors import CapsuleError

PROGRAM = "import sys; from capsule.cli.worker import work; sys.exit(work())"

MAIN = """
import time
from capsule import task

@task(name="main")
def main(value=None):
    print("said by the guest")
    return value

@task(name="slow")
def slow():
    time.sleep(60)

@task(name="fails")
def fails():
    raise ValueError("no")

@task(name="nan")
def nan():
    return [float("nan"), {"a": float("inf")}, 1.5]
"""


class Client:
    """A worker process, and what it answered."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def send(self, *messages: object) -> None:
        assert self.process.stdin is not None
        for message in messages:
            line = message if isinstance(message, bytes) else json.dumps(message).encode()
            self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def answers(self, count: int) -> dict[Any, Any]:
        """The next answers by id; output is left out."""
        found: dict[Any, Any] = {}
        while len(found) < count:
            message = self.read()
            if "output" not in message:
                assert message["id"] not in found, "one answer for each run"
                found[message["id"]] = message
        return found


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Client]:
    (tmp_path / "main.py").write_text(MAIN)
    client = Client(tmp_path)
    with client.process:
        assert client.read()["protocol"] == 1
        yield client
        client.process.kill()


def test_runs_are_answered_with_their_outcome_and_under_their_id(worker: Client) -> None:
    worker.send(*({"id": number, "file": "main.py", "args": [number]} for number in range(5)))
    worker.send({"id": "a text", "file": "main.py", "kwargs": {"value": {"é": None}}})
    answers = worker.answers(6)
    assert {number: answers[number]["outcome"]["result"] for number in range(5)} == {n: n for n in range(5)}
    assert answers["a text"]["outcome"]["result"] == {"é": None}


def test_a_task_that_fails_is_an_outcome(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py", "task": "fails"})
    outcome = worker.read()["outcome"]
    assert outcome["success"] is False
    assert outcome["error"]["error_type"] == "task_error"


def test_what_can_not_be_run_is_an_error_with_a_hint_and_the_worker_goes_on(
    worker: Client, tmp_path: Path
) -> None:
    (tmp_path / "broken.py").write_text("\ndef main(:\n")
    worker.send(
        {"id": 1, "file": "missing.py"},
        {"id": 2, "file": "broken.py"},
        {"id": 3, "file": "main.py", "task": "x"},
    )
    answers = worker.answers(3)
    assert answers[1]["error"]["exit_code"] == 2
    assert answers[1]["error"]["hint"]
    assert (answers[2]["error"]["exit_code"], answers[2]["error"]["line"]) == (3, 2)
    assert "no task 'x'" in answers[3]["error"]["message"]
    worker.send({"id": 4, "file": "main.py", "args": ["still there"]})
    assert worker.read()["outcome"]["result"] == "still there"


def test_what_guests_write_goes_to_stderr_and_never_between_replies(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py"})
    assert worker.read()["id"] == 1
    _, errors = worker.process.communicate(timeout=30)
    assert b"said by the guest" in errors


def test_output_that_was_asked_for_comes_before_the_answer(worker: Client) -> None:
    worker.send({"id": 7, "file": "main.py", "output": True})
    assert worker.read() == {"id": 7, "output": {"stream": "stdout", "text": "said by the guest\n"}}
    assert worker.read()["outcome"]["success"]


def test_numbers_that_json_has_not_are_null(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py", "task": "nan"})
    assert worker.read()["outcome"]["result"] == [None, {"a": None}, 1.5]


def test_a_run_is_cancelled_and_says_so(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py", "task": "slow"}, {"id": 2, "file": "main.py"})
    assert worker.read()["id"] == 2
    started = time.monotonic()
    worker.send({"id": 1, "cancel": True})
    assert worker.read()["outcome"]["error"]["error_type"] == "cancelled"
    assert time.monotonic() - started < 10
    worker.send({"id": 1, "cancel": True}, {"id": 3, "file": "main.py"})
    assert worker.read()["id"] == 3, "to cancel what has ended is no error"


def test_an_id_is_taken_until_its_run_has_ended(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py", "task": "slow"}, {"id": 1, "file": "main.py"})
    refused = worker.read()
    assert refused["id"] is None
    assert "under way" in refused["error"]["message"]


def test_the_end_of_stdin_ends_runs_and_worker(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py"})
    worker.answers(1)
    worker.send({"id": 2, "file": "main.py", "task": "slow"})
    started = time.monotonic()
    worker.process.communicate(timeout=30)
    assert worker.process.returncode == 0
    assert time.monotonic() - started < 10


def test_an_interrupt_ends_the_worker(worker: Client) -> None:
    worker.send({"id": 1, "file": "main.py", "task": "slow"})
    worker.send({"id": 2, "file": "main.py"})
    worker.answers(1)
    worker.process.send_signal(signal.SIGINT)
    _, errors = worker.process.communicate(timeout=30)
    assert worker.process.returncode == 130
    assert b"Traceback" not in errors


@pytest.mark.parametrize(
    "line",
    [
        b"x",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        b'{"file": "main.py"}',
        b'{"id": true, "file": "a"}',
        b'{"id": [], "cancel": true}',
    ],
)
def test_a_line_that_is_no_request_is_an_error_without_an_id(line: bytes) -> None:
    replies = io.BytesIO()
    worker = Worker(replies)
    worker.serve(io.BytesIO(line + b"\n"))
    _, answer = map(json.loads, replies.getvalue().splitlines())
    assert answer["id"] is None
    assert answer["error"]["exit_code"] == 2
    assert worker.close()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"file": ""},
        {"file": 1},
        {"file": "a", "args": {}},
        {"file": "a", "kwargs": []},
        {"file": "a", "task": None},
        {"file": "a", "mounts": [1]},
        {"file": "a", "output": 1},
        {"file": "a", "taks": "main"},
        {"file": "a", "limits": []},
    ],
)
def test_a_request_with_a_wrong_field_is_refused_under_its_id(fields: dict[str, Any]) -> None:
    replies = io.BytesIO()
    Worker(replies).serve(io.BytesIO(json.dumps({"id": 9, **fields}).encode() + b"\n"))
    _, answer = map(json.loads, replies.getvalue().splitlines())
    assert answer["id"] == 9
    assert answer["error"]["message"]


@given(
    st.dictionaries(
        st.sampled_from(["id", "file", "task", "args", "limits", "mounts", "zz"]),
        st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()),
    )
)
def test_any_object_is_a_request_or_an_error_for_people(message: dict[str, Any]) -> None:
    with suppress(CapsuleError):
        assert parse_request(message).file
