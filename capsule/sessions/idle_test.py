from __future__ import annotations

import threading
import time

from capsule.sessions.idle import Alarm


class Sleeper:
    def __init__(self, seconds: float | None) -> None:
        self.idle_until = None if seconds is None else time.monotonic() + seconds
        self.woken = threading.Event()

    def overslept(self) -> None:
        self.woken.set()


def test_those_that_are_due_are_woken_and_no_others() -> None:
    alarm = Alarm()
    soon, later, never = Sleeper(0.05), Sleeper(60), Sleeper(None)
    for each in (later, never, soon):
        alarm.watch(each)
    assert soon.woken.wait(10)
    assert not later.woken.is_set()
    later.idle_until = time.monotonic()
    alarm.moved(later.idle_until)
    assert later.woken.wait(10)
    assert not never.woken.is_set()
    alarm.forget(never)


def test_a_time_that_moves_on_wakes_nobody() -> None:
    alarm = Alarm()
    used = Sleeper(0.1)
    alarm.watch(used)
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        used.idle_until = time.monotonic() + 5
        alarm.moved(used.idle_until)
        time.sleep(0.01)
    assert not used.woken.is_set()
    alarm.forget(used)


def test_the_thread_ends_with_the_last_and_comes_back() -> None:
    alarm = Alarm()
    for _ in range(2):
        one = Sleeper(60)
        alarm.watch(one)
        alarm.forget(one)
        end = time.monotonic() + 10
        while alarm._running and time.monotonic() < end:
            time.sleep(0.01)
        assert not alarm._running
