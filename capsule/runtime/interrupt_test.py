import threading
import time

import pytest

from capsule.runtime import interrupt as module
from capsule.runtime.interrupt import GRACE, EpochClock, Interrupt, Interrupted


def test_without_a_deadline_nothing_has_to_end():
    Interrupt().check()
    assert Interrupt().remaining(5.0) == 5.0


def test_a_passed_deadline_is_a_timeout():
    interrupt = Interrupt(time.monotonic() - 1)
    assert interrupt.reason == "timeout"
    assert interrupt.remaining(5.0) == 0.0
    with pytest.raises(Interrupted, match="timeout"):
        interrupt.check()


def test_a_sleep_ends_at_the_deadline():
    interrupt = Interrupt(time.monotonic() + 0.1)
    started = time.monotonic()
    with pytest.raises(Interrupted, match="timeout"):
        interrupt.sleep(30)
    assert time.monotonic() - started < 5


def test_a_sleep_ends_when_it_is_cancelled():
    interrupt = Interrupt()
    threading.Timer(0.05, interrupt.cancel).start()
    with pytest.raises(Interrupted, match="cancelled"):
        interrupt.sleep(30)


def test_a_sleep_before_the_deadline_comes_back():
    Interrupt(time.monotonic() + 30).sleep(0.01)


class Blocked:
    def __init__(self, deadline):
        self.interrupt = Interrupt(deadline)
        self.given_up = threading.Event()
        self.times = 0

    def give_up(self):
        self.times += 1
        self.given_up.set()


def test_an_attempt_that_does_not_come_back_is_given_up_once():
    clock = EpochClock()
    blocked = Blocked(time.monotonic() + 0.05)
    clock.watch(blocked)
    assert not blocked.given_up.wait(0.1), "it has GRACE seconds to come back"
    assert blocked.given_up.wait(GRACE + 5)
    time.sleep(0.1)
    assert blocked.times == 1


def test_an_attempt_that_came_back_is_left_alone():
    clock = EpochClock()
    back = Blocked(time.monotonic() + 0.01)
    clock.watch(back)
    clock.forget(back)
    assert not back.given_up.wait(GRACE + 0.3)


def test_the_clock_rests_when_nothing_runs_and_starts_again(monkeypatch):
    clock = EpochClock()
    first = Blocked(None)
    clock.watch(first)
    assert clock._running
    clock.forget(first)
    end = time.monotonic() + 10
    while clock._running and time.monotonic() < end:
        time.sleep(0.05)
    assert not clock._running
    second = Blocked(time.monotonic())
    clock.watch(second)
    assert second.given_up.wait(GRACE + 5)


def test_epochs_follow_the_wall_clock_however_late_the_thread_is(monkeypatch):
    class Engine:
        epochs = 0

        def increment_epoch(self):
            self.epochs += 1

    counted = Engine()
    monkeypatch.setattr(module, "engine", lambda: counted)
    real_sleep = time.sleep
    monkeypatch.setattr(module.time, "sleep", lambda seconds: real_sleep(seconds * 10))
    clock = EpochClock()
    watched = Blocked(None)
    started = time.monotonic()
    clock.watch(watched)
    real_sleep(1.0)
    elapsed = time.monotonic() - started
    clock.forget(watched)
    assert counted.epochs >= (elapsed - 0.25) / module.TICK
