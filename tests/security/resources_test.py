"""Attacks on what the host does for a guest: work that fuel does not see, and space that no limit of memory has."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from capsule import run_sync

CODEC = {
    "imports": """
      (import "capsule:runtime/codec@1.0.0" (instance $codec
        (type $why (enum "unknown-algorithm" "invalid-data" "too-large"))
        (export "failure" (type $failure (eq $why)))
        (type $r (record (field "reason" $failure) (field "message" string)))
        (export "error" (type $error (eq $r)))
        (type $f (enum "gzip" "zlib" "deflate"))
        (export "format" (type $format (eq $f)))
        (export "compress" (func (param "format" $format) (param "level" u8) (param "data" string)
          (result (result string (error $error)))))))
      (core module $libc (memory (export "memory") 512)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
      (core instance $libc (instantiate $libc))
      (core func $compress (canon lower (func $codec "compress")
        (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))""",
    "core_imports": """(import "host" "compress" (func $compress (param i32 i32 i32 i32 i32)))""",
    "with_": """(with "host" (instance (export "compress" (func $compress))))""",
}
"""Imports ``compress``, over a memory of 32 MiB full of zeros: that is no base64, and is read all the same."""

SLEEP = {
    "imports": """
      (import "capsule:runtime/clock@1.0.0" (instance $clock
        (export "sleep" (func (param "nanoseconds" u64)))))
      (core func $sleep (canon lower (func $clock "sleep")))""",
    "core_imports": """(import "host" "sleep" (func $sleep (param i64)))""",
    "with_": """(with "host" (instance (export "sleep" (func $sleep))))""",
}


def timed(function, *arguments, **named):
    started = time.monotonic()
    return function(*arguments, **named), time.monotonic() - started


# Calls of the host


@pytest.fixture
def endless_calls(component, hostile, project):
    """Runs a component that calls the host for ever, and does next to nothing itself."""

    def run(call, parts, **policy):
        path = component(hostile.text(f"(loop {call} (br 0))", **parts), **policy)
        return timed(run_sync, path, cwd=project.root)

    return run


def test_endless_calls_of_the_host_end_by_fuel(endless_calls):
    """Five instructions for each call: by those alone, a task of little compute could make 20 million calls."""
    envelope, seconds = endless_calls("(call $sleep (i64.const 0))", SLEEP, compute=100_000_000, timeout=None)
    assert envelope.error["error_type"] == "out_of_fuel", envelope
    assert 99_000_000 < envelope.execution["fuel_consumed"] <= 100_000_000
    assert seconds < 30


def test_endless_calls_of_the_host_end_at_the_deadline(endless_calls):
    envelope, seconds = endless_calls("(call $sleep (i64.const 0))", SLEEP, compute=10**15, timeout=0.3)
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 5


def test_endless_arguments_of_megabytes_end_by_fuel_and_do_not_pile_up(endless_calls, memory_grows_at_most):
    """Each call hands over 20 MB, which is refused: what that costs the host costs the guest."""
    call = (
        "(call $compress (i32.const 0) (i32.const 9) (i32.const 1024) (i32.const 20000000) (i32.const 128))"
    )
    with memory_grows_at_most(400 << 20):
        envelope, seconds = endless_calls(call, CODEC, compute=500_000_000, timeout=None)
    assert envelope.error["error_type"] == "out_of_fuel", envelope
    assert seconds < 30


# Results


def test_a_result_of_five_million_values_does_not_stop_the_process(attack):
    """60 MB of empty lists held the interpreter for 3 s; they are counted, and not made."""
    ticks = []
    done = threading.Event()

    def tick():
        while not done.wait(0.01):
            ticks.append(time.monotonic())

    ticking = threading.Thread(target=tick)
    ticking.start()
    try:
        envelope = attack(
            "return {'a': [[]] * 2_500_000}",
            options="compute=100_000_000_000, timeout='60s'",
        )
    finally:
        done.set()
        ticking.join()
    assert envelope.error["error_type"] == "result_too_large", envelope
    assert "2,000,000 values" in envelope.error["message"]
    assert max(later - now for now, later in itertools.pairwise(ticks)) < 2


def test_a_long_text_that_looks_like_many_values_is_one(attack):
    body = "return '[,{' * 1_000_000"
    assert attack(body, options="compute='HIGH', timeout='30s'").unwrap() == "[,{" * 1_000_000
