from __future__ import annotations

import threading
import time

import pytest
import wasmtime

from capsule.runtime.host import guest as guests
from capsule.runtime.host.guest import Guest, Ledger, enter, guarded
from capsule.runtime.interrupt import Interrupt, Interrupted


def later(seconds: float, work) -> None:
    timer = threading.Timer(seconds, work)
    timer.daemon = True
    timer.start()


def test_handles_are_numbered_from_1_and_never_used_again():
    ledger = Ledger()
    first = ledger.open("task")
    ledger.end(first, "a")
    ledger.take(first, "task", Interrupt())
    assert [first, ledger.open("task"), ledger.open("http")] == [1, 2, 3]


def test_an_ended_handle_is_taken_once():
    ledger = Ledger()
    handle = ledger.open("task")
    ledger.end(handle, "value")
    assert ledger.take(handle, "task", Interrupt()) == "value"
    with pytest.raises(KeyError):
        ledger.take(handle, "task", Interrupt())


@pytest.mark.parametrize("handle", [0, 2, 2**63])
def test_a_handle_that_was_not_given_out_is_not_taken(handle):
    ledger = Ledger()
    ledger.open("task")
    with pytest.raises(KeyError):
        ledger.take(handle, "task", Interrupt())


def test_a_handle_of_another_kind_is_not_taken():
    ledger = Ledger()
    handle = ledger.open("http")
    ledger.end(handle, "value")
    with pytest.raises(KeyError):
        ledger.take(handle, "task", Interrupt())
    assert ledger.take(handle, "http", Interrupt()) == "value"


def test_taking_waits_for_the_end():
    ledger = Ledger()
    handle = ledger.open("task")
    later(0.1, lambda: ledger.end(handle, "value"))
    started = time.monotonic()
    assert ledger.take(handle, "task", Interrupt()) == "value"
    assert 0.08 < time.monotonic() - started < 2


@pytest.mark.parametrize("wait", ["take", "wait_any"])
def test_a_deadline_ends_a_wait(wait):
    ledger = Ledger()
    handle = ledger.open("task")
    interrupt = Interrupt(time.monotonic() + 0.1)
    started = time.monotonic()
    with pytest.raises(Interrupted, match="timeout"):
        ledger.take(handle, "task", interrupt) if wait == "take" else ledger.wait_any(None, interrupt)
    assert time.monotonic() - started < 0.6


@pytest.mark.parametrize("wait", ["take", "wait_any"])
def test_a_cancellation_ends_a_wait(wait):
    ledger = Ledger()
    handle = ledger.open("task")
    interrupt = Interrupt()
    later(0.1, interrupt.cancel)
    started = time.monotonic()
    with pytest.raises(Interrupted, match="cancelled"):
        ledger.take(handle, "task", interrupt) if wait == "take" else ledger.wait_any(None, interrupt)
    assert time.monotonic() - started < 1.5


def test_an_end_of_a_handle_that_nobody_has_is_ignored():
    ledger = Ledger()
    ledger.end(5, "value")
    assert ledger.wait_any(0.0, Interrupt()) == []
    assert not ledger.outstanding


def test_waiting_returns_everything_that_has_ended_and_was_not_taken():
    ledger = Ledger()
    handles = [ledger.open("task") for _ in range(4)]
    for handle in (handles[2], handles[0]):
        ledger.end(handle, "value")
    assert ledger.wait_any(None, Interrupt()) == [1, 3]
    ledger.take(1, "task", Interrupt())
    assert ledger.wait_any(None, Interrupt()) == [3]


def test_waiting_ends_with_the_first_that_ends():
    ledger = Ledger()
    first, second = ledger.open("task"), ledger.open("http")
    later(0.1, lambda: ledger.end(second, "value"))
    assert ledger.wait_any(5.0, Interrupt()) == [second]
    assert first == 1


def test_waiting_with_nothing_under_way_returns_at_once():
    started = time.monotonic()
    assert Ledger().wait_any(None, Interrupt()) == []
    assert time.monotonic() - started < 0.1


@pytest.mark.parametrize("open_handles", [0, 1])
def test_waiting_ends_after_its_timeout(open_handles):
    ledger = Ledger()
    for _ in range(open_handles):
        ledger.open("task")
    started = time.monotonic()
    assert ledger.wait_any(0.15, Interrupt()) == []
    assert 0.13 < time.monotonic() - started < 1


def test_outstanding_is_what_has_not_ended():
    ledger = Ledger()
    handle = ledger.open("task")
    assert ledger.outstanding
    ledger.end(handle, "value")
    assert not ledger.outstanding


def test_many_threads_end_handles_and_none_is_lost():
    ledger = Ledger()
    handles = [ledger.open("task") for _ in range(200)]
    threads = [
        threading.Thread(target=lambda part=part: [ledger.end(handle, handle) for handle in part])
        for part in (handles[0::3], handles[1::3], handles[2::3])
    ]
    for thread in threads:
        thread.start()
    assert [ledger.take(handle, "task", Interrupt()) for handle in handles] == handles
    for thread in threads:
        thread.join()


class Nothing:
    """Services that nobody calls."""

    def start_task(self, name, arguments, ended):
        raise AssertionError

    def request(self, text, interrupt):
        raise AssertionError

    def waiting(self):
        raise AssertionError

    def resumed(self):
        raise AssertionError


def test_a_fault_of_ours_in_a_host_function_becomes_a_trap_that_keeps_the_reason():
    guest = Guest(Interrupt(), Nothing())
    enter(guest)
    with pytest.raises(wasmtime.WasmtimeError, match="capsule host function failed"):
        guarded(lambda guest: 1 / 0)(None)
    assert guest.fault == "ZeroDivisionError: division by zero"


def test_a_host_function_is_not_entered_after_the_deadline():
    guest = Guest(Interrupt(time.monotonic() - 1), Nothing())
    enter(guest)
    with pytest.raises(wasmtime.WasmtimeError, match="capsule interrupt: timeout"):
        guarded(lambda guest: 1 / 0)(None)
    assert guest.fault is None


def test_a_host_function_finds_the_guest_of_its_thread():
    found = []

    def work(guest: Guest) -> None:
        enter(guest)
        time.sleep(0.02)
        found.append(guarded(lambda current: current is guest)(None))

    threads = [threading.Thread(target=work, args=(Guest(Interrupt(), Nothing()),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 5


def test_handles_that_nobody_takes_are_bounded_and_the_sandbox_ends(monkeypatch):
    monkeypatch.setattr(guests, "MOST_HANDLES", 3)
    mine = Guest(Interrupt(), services=None)
    enter(mine)
    start = guarded(lambda guest: guest.ledger.open("http"))
    assert [start(None) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(wasmtime.WasmtimeError, match="more than 3 tasks and requests that were not taken"):
        start(None)
    assert mine.fault is None  # it is the guest's doing
    mine.ledger.end(1, "done")
    mine.ledger.take(1, "http", Interrupt())
    assert start(None) == 4
