"""Sandboxes that are prepared ahead: quicker, and otherwise as if they were not."""

from __future__ import annotations

import time

import pytest

from capsule import run_sync
from capsule.runtime import prepared
from capsule.runtime.prepared import shelf
from capsule.runtime.scheduler import MACHINE
from capsule.workers import pool as pools
from capsule.workers.frames import Kind
from capsule.workers.process import WorkerProcess


class Threads:
    """Sandboxes on threads of this process wait on a shelf."""

    isolation, module = "thread", prepared

    def clear(self):
        shelf.clear()
        shelf._unfit.clear()

    def making(self):
        with shelf._lock:
            return bool(shelf._making)

    def ready(self):
        with shelf._lock:
            return sum(len(waiting) for waiting in shelf._ready.values())

    def watched(self):
        """Says of the one sandbox that is ready now, when it is asked, whether it was used."""
        ((waiting,),) = shelf._ready.values()
        return lambda: all(waiting not in others for others in shelf._ready.values())


class Processes:
    """Sandboxes in worker processes wait there."""

    isolation, module = "process", pools

    def clear(self):
        pools.pool().clear()

    def making(self):
        return not all(each.settle() and (each.preparing is None or each.ready) for each in pools.pool().idle)

    def ready(self):
        return sum(each.ready for each in pools.pool().idle)

    def watched(self):
        """Says of the one sandbox that is ready now, when it is asked, whether it was used."""
        [pid] = [each.pid for each in pools.pool().idle if each.ready]
        attempts = []
        kept = WorkerProcess.send

        def send(worker, kind, fields, *rest):
            if kind is Kind.START and fields["ready"]:
                attempts.append(worker.pid)
            return kept(worker, kind, fields, *rest)

        WorkerProcess.send = send

        def used():
            WorkerProcess.send = kept
            return attempts == [pid]

        return used


@pytest.fixture(autouse=True, params=[Threads, Processes], ids=["thread", "process"])
def place(request, monkeypatch):
    """Where sandboxes are: what is prepared ahead keeps the same promises in both places."""
    there = request.param()
    monkeypatch.setenv("CAPSULE_ISOLATION", there.isolation)
    there.clear()
    settled(there)  # what another test has left in the making
    there.clear()
    return there


def settled(place, count=None, seconds=10):
    """Waits until nothing is being prepared (and ``count`` sandboxes are ready)."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        # A run's last act, after its outcome is out, is to have the next sandbox prepared.
        with MACHINE._lock:
            running = MACHINE._active
        if not running and not place.making() and (count is None or place.ready() == count):
            return place.ready()
        time.sleep(0.005)
    raise AssertionError(f"{place.ready()} sandboxes are ready, not {count}")


IDENTITY = """
    import random, uuid
    from capsule import task

    HERE = uuid.uuid4().hex
    seen = []

    @task(name="main")
    def main(word="x"):
        seen.append(word)
        return [HERE, seen, random.random()]
"""


def test_the_next_run_finds_a_sandbox_that_is_ready(place, project):
    path = project.write("main.py", IDENTITY)
    run_sync(path)
    settled(place, 1)
    used = place.watched()
    assert run_sync(path).success
    assert used()
    settled(place, 1)


def test_a_sandbox_that_is_ready_before_the_result_of_the_last_run_is_read_counts(
    place, project, monkeypatch
):
    """A host that is held up gets both messages of its worker at once."""
    receive = WorkerProcess.receive

    def held_up(worker, timeout):
        time.sleep(0.1)
        return receive(worker, timeout)

    path = project.write("main.py", IDENTITY)
    monkeypatch.setattr(WorkerProcess, "receive", held_up)
    run_sync(path)
    monkeypatch.undo()
    settled(place, 1)


def test_a_prepared_sandbox_is_used_once_and_shares_nothing(place, project):
    path = project.write("main.py", IDENTITY)
    results = []
    for number in range(6):
        results.append(run_sync(path, [str(number)]).result)
        settled(place)
    assert [seen for _, seen, _ in results] == [[str(number)] for number in range(6)]
    assert len({here for here, _, _ in results}) == 6
    assert len({number for _, _, number in results}) == 6


def test_an_edit_is_never_answered_by_a_sandbox_of_before(place, project):
    path = project.write("main.py", "def main(): return 'before'")
    run_sync(path)
    settled(place, 1)
    project.write("main.py", "def main(): return 'after'")
    assert run_sync(path).result == "after"


def test_the_environment_is_that_of_the_run(place, project, monkeypatch):
    path = project.write(
        "main.py",
        """
        import os
        from capsule import task

        KEY = os.environ.get("API_KEY")

        @task(name="main", env_variables=["API_KEY"])
        def main():
            return [KEY, os.environ.get("API_KEY")]
    """,
    )
    monkeypatch.setenv("API_KEY", "one")
    assert run_sync(path).result == ["one", "one"]
    settled(place, 1)
    monkeypatch.setenv("API_KEY", "two")
    assert run_sync(path).result == ["two", "two"]


def test_what_the_top_level_prints_arrives_with_the_run_that_uses_it(place, project):
    path = project.write("main.py", "print('loading')\ndef main(): print('running')")
    first, second = [], []
    run_sync(path, on_output=lambda stream, text: first.append(text))
    settled(place, 1)
    assert "".join(first) == "loading\nrunning\n"
    run_sync(path, on_output=lambda stream, text: second.append(text))
    assert "".join(second) == "loading\nrunning\n"


def test_a_request_is_never_made_ahead_of_a_run(place, project, server):
    path = project.write(
        "main.py",
        f"""
        from capsule import task
        from capsule.http import get

        try:
            STATUS = get("{server.url}/").status_code
        except Exception:
            STATUS = "failed"

        @task(name="main", allowed_hosts=["127.0.0.1"])
        def main():
            return STATUS
    """,
    )
    for count in (1, 2, 3):
        assert run_sync(path).result == 200
        assert settled(place) == 0
        assert len(server.asked) == count


def test_a_request_is_not_started_ahead_of_a_run_either(place, project, server):
    path = project.write(
        "main.py",
        f"""
        import json
        from capsule import task
        from wit_world.imports import http

        try:
            asked = {{"method": "GET", "url": "{server.url}/", "headers": [], "body": None,
                     "timeout": None, "redirects": True}}
            STATUS = json.loads(http.response(http.start(json.dumps(asked))))["status"]
        except Exception as error:
            STATUS = repr(error)

        @task(name="main", allowed_hosts=["127.0.0.1"])
        def main():
            return STATUS
    """,
    )
    for count in (1, 2, 3):
        assert run_sync(path).result == 200
        assert settled(place) == 0
        assert len(server.asked) == count


def test_a_task_with_folders_is_not_prepared(place, project):
    path = project.write(
        "main.py",
        """
        from capsule import task

        with open("./out/log", "a") as log:
            log.write("x")

        @task(name="main", allowed_files=["./out"])
        def main():
            return open("./out/log").read()
    """,
    )
    assert run_sync(path).result == "x"
    assert settled(place) == 0
    assert run_sync(path).result == "xx"


def test_limits_hold_in_a_prepared_sandbox(place, project):
    path = project.write(
        "main.py",
        """
        import time
        from capsule import task

        @task(name="main", timeout="300ms", compute="HIGH")
        def main(kind):
            if kind == "spin":
                while True: pass
            if kind == "sleep":
                time.sleep(60)
            return kind
    """,
    )
    run_sync(path, ["warm"])
    for kind in ("spin", "sleep"):
        settled(place)
        assert place.ready() >= 1 or run_sync(path, ["warm"]).success
        settled(place)
        started = time.monotonic()
        assert run_sync(path, [kind]).error["error_type"] == "timeout"
        assert time.monotonic() - started < 3
    assert run_sync(path, ["again"], limits={"compute": 1000}).error["error_type"] == "out_of_fuel"


def test_sub_tasks_can_be_started_from_a_prepared_sandbox(place, project):
    path = project.write(
        "main.py",
        """
        from capsule import task

        @task
        def double(x): return 2 * x

        @task(name="main")
        def main(): return [outcome.result for outcome in double.map(range(4))]
    """,
    )
    for _ in range(3):
        assert run_sync(path).result == [0, 2, 4, 6]
        settled(place)


@pytest.mark.slow
def test_what_nobody_uses_goes(place, project, monkeypatch):
    monkeypatch.setattr(place.module, "KEEP_SECONDS", 0.2)
    path = project.write("main.py", "def main(): return 1")
    run_sync(path)
    settled(place, 1)
    settled(place, 0)


def test_a_top_level_that_fails_fails_every_run_alike(place, project):
    path = project.write("main.py", "import nonesuch\ndef main(): return 1")
    for _ in range(3):
        assert run_sync(path).error["error_type"] == "load_error"
        assert settled(place) == 0
