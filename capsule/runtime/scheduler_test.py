from __future__ import annotations

import threading
import time

import pytest

from capsule.runtime.scheduler import Scheduler


class Meter:
    """Counts how many jobs run at a time, and in which order they began."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.most = 0
        self.order: list[object] = []
        self.done = threading.Semaphore(0)

    def job(self, name: object, seconds: float = 0.02):
        def work() -> None:
            with self.lock:
                self.order.append(name)
                self.running += 1
                self.most = max(self.most, self.running)
            time.sleep(seconds)
            with self.lock:
                self.running -= 1
            self.done.release()

        return work

    def wait(self, count: int) -> None:
        for _ in range(count):
            assert self.done.acquire(timeout=10)


@pytest.mark.parametrize("places", [1, 2, 5])
def test_as_many_jobs_as_there_are_places_run_at_a_time(places):
    scheduler, meter = Scheduler(places), Meter()
    for number in range(12):
        scheduler.submit(meter.job(number), depth=0, name="job")
    meter.wait(12)
    assert meter.most == places
    assert sorted(meter.order) == list(range(12))


def test_there_is_at_least_one_place():
    scheduler, meter = Scheduler(0), Meter()
    scheduler.submit(meter.job("a"), depth=0, name="job")
    meter.wait(1)


def test_deeper_jobs_go_first_and_equals_in_their_order():
    scheduler, meter = Scheduler(1), Meter()
    gate = threading.Event()
    scheduler.submit(gate.wait, depth=0, name="gate")
    for depth, name in ((0, "a"), (1, "b"), (2, "c"), (1, "d"), (0, "e")):
        scheduler.submit(meter.job(name, 0.001), depth=depth, name="job")
    gate.set()
    meter.wait(5)
    assert meter.order == ["c", "b", "d", "a", "e"]


def test_a_job_that_waits_gives_its_place_away():
    scheduler, meter = Scheduler(1), Meter()
    inner = threading.Event()

    def outer() -> None:
        scheduler.submit(lambda: (meter.job("inner")(), inner.set()), depth=1, name="inner")
        scheduler.waiting()
        assert inner.wait(10)
        scheduler.resumed()
        meter.job("outer")()

    scheduler.submit(outer, depth=0, name="outer")
    meter.wait(2)
    assert meter.order == ["inner", "outer"]
    assert meter.most == 1


def test_a_place_that_was_taken_back_is_not_given_twice():
    scheduler, meter = Scheduler(2), Meter()
    woken = threading.Event()

    def sleeper() -> None:
        scheduler.waiting()
        woken.wait(10)
        scheduler.resumed()
        meter.job("sleeper", 0.15)()

    scheduler.submit(sleeper, depth=0, name="sleeper")
    woken.set()
    time.sleep(0.05)
    for number in range(6):
        scheduler.submit(meter.job(number, 0.03), depth=0, name="job")
    meter.wait(7)
    assert meter.most == 2


def test_a_job_that_raises_gives_its_place_back(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    scheduler, meter = Scheduler(1), Meter()

    def broken() -> None:
        raise RuntimeError

    scheduler.submit(broken, depth=0, name="broken")
    scheduler.submit(meter.job("next"), depth=0, name="job")
    meter.wait(1)
