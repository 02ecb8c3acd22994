from __future__ import annotations

import pytest
import wasmtime

from capsule.runtime.traps import failure_of_trap
from capsule.sdk.outcome import ERROR_TYPES

LIMITS = {"compute": "its fuel of 5", "timeout": "its timeout of 2s", "ram": "its ram of 9 bytes"}


def trap(wat, *, fuel=None, memory=None):
    """The real trap of a real module."""
    config = wasmtime.Config()
    config.consume_fuel = True
    config.max_wasm_stack = 1 << 16
    store = wasmtime.Store(wasmtime.Engine(config))
    store.set_fuel(10_000_000 if fuel is None else fuel)
    if memory is not None:
        store.set_limits(memory_size=memory)
    try:
        instance = wasmtime.Instance(store, wasmtime.Module(store.engine, wat), [])
        instance.exports(store)["run"](store)
    except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
        return error
    raise AssertionError("it did not trap")


def failure(error, tail=""):
    found = failure_of_trap(error, stderr_tail=tail, limits=LIMITS)
    assert found.error_type in ERROR_TYPES
    return found


def test_spent_fuel_names_its_limit():
    found = failure(trap('(module (func (export "run") (loop br 0)))', fuel=1000))
    assert found.error_type == "out_of_fuel"
    assert "its fuel of 5" in found.message


def test_endless_recursion_is_a_stack_overflow():
    found = failure(trap('(module (func $f (export "run") call $f))'))
    assert found.error_type == "stack_overflow"


def test_memory_that_is_too_small_to_start_with_names_its_limit():
    found = failure(trap('(module (memory 10) (func (export "run")))', memory=65536))
    assert found.error_type == "out_of_memory"
    assert "its ram of 9 bytes" in found.message


def test_an_abort_is_a_crash_unless_the_runtime_said_that_memory_ran_out():
    error = trap('(module (func (export "run") unreachable))')
    assert failure(error).error_type == "crash"
    assert "unreachable" in failure(error).message
    assert failure(error, "memory allocation of 64 bytes failed").error_type == "out_of_memory"


@pytest.mark.parametrize(
    "wat",
    [
        '(module (table 1 funcref) (func (export "run") (call_indirect (i32.const 9))))',
        '(module (func (export "run") (drop (i32.div_s (i32.const 1) (i32.const 0)))))',
    ],
)
def test_other_traps_are_crashes_whatever_the_guest_wrote(wat):
    assert failure(trap(wat), "out of memory").error_type == "crash"


@pytest.mark.parametrize(("reason", "error_type"), [("timeout", "timeout"), ("cancelled", "cancelled")])
def test_our_own_interrupts_are_told_apart(reason, error_type):
    found = failure(wasmtime.WasmtimeError(f"error while executing\n capsule interrupt: {reason}"))
    assert found.error_type == error_type


def test_the_message_of_a_crash_is_short_and_is_no_backtrace():
    error = wasmtime.WasmtimeError("error while executing\n" + "  0: 0x1 - frame\n" * 500)
    assert len(failure(error).message) < 400
    assert "\n" not in failure(error).message


def test_an_error_without_words_is_a_crash():
    assert failure(wasmtime.WasmtimeError("")).error_type == "crash"


@pytest.mark.parametrize(
    ("address", "offset", "error_type"),
    [("-16", 0, "stack_overflow"), ("-16", 84, "stack_overflow"), ("0x7fffffff", 0, "crash")],
)
def test_a_guests_own_stack_below_address_zero_is_a_stack_overflow(address, offset, error_type):
    body = f"(i32.store offset={offset} (i32.const {address}) (i32.const 1))"
    error = trap(f'(module (memory 1) (func (export "run") {body}))')
    assert failure(error).error_type == error_type
