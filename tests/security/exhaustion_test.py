"""Attacks on time, memory and threads: each ends with its documented outcome, and the host stays small."""

from __future__ import annotations

import threading
import time

import pytest

from capsule import run_sync

pytestmark = pytest.mark.slow

LATE = 0.5
"""Seconds that an outcome may come after its deadline, on a busy machine."""


def timed(function, *arguments, **named):
    started = time.monotonic()
    return function(*arguments, **named), time.monotonic() - started


# Time


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "sum(range(10**12))",
        "pow(7, 10**9000, 10**9000 + 1)",
        "2 ** (10**9)",
        "import re; re.match(r'(x+x+)+y', 'x' * 60)",
        "import re; re.match(r'(.*)*$', 'x' * 30 + '\\n' * 30)",
        "while 'a' * 10**6 not in 'ab' * 10**8: pass",
        "str(10**(10**6)) if not sys.set_int_max_str_digits(0) else 0",
        "sorted(range(10**7), key=lambda n: -n)",
        "[].__class__(iter(int, 1))",
        "import select; select.select([], [], [], 100)",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire(timeout=100)",
        "time.sleep(100)",
        "import asyncio; asyncio.run(asyncio.sleep(100))",
        "import signal, os\ntry: signal.pause()\nexcept BaseException:\n    while True: time.sleep(0)",
        "class Sticky:\n    def __del__(self):\n        while True: pass\nSticky()",
        "sys.setswitchinterval(1e-9)\nwhile True: pass",
        "sys.settrace(lambda *a: None)\nwhile True:\n    try: exit()\n    except BaseException: pass",
        "import atexit; atexit.register(lambda: time.sleep(100)); time.sleep(100)",
    ],
)
def test_a_deadline_ends(attack, body):
    envelope, seconds = timed(attack, body, options="timeout='200ms', compute='HIGH', ram='512MB'")
    assert envelope.error is not None, envelope
    assert envelope.error["error_type"] in ("timeout", "out_of_memory", "task_error"), envelope
    assert envelope.execution["duration_ms"] < 200 + LATE * 1000
    assert seconds < 3


def test_a_result_whose_encoding_never_ends(attack):
    envelope, _ = timed(
        attack,
        """
        class Endless(dict):
            def items(self):
                while True: pass
            __iter__ = keys = values = items
        return Endless(a=1)
        """,
        options="timeout='200ms', compute='HIGH'",
    )
    assert envelope.success or envelope.error["error_type"] in ("timeout", "task_error")


def test_without_a_timeout_fuel_ends_it(attack):
    envelope, seconds = timed(attack, "while True: pass", options="compute='LOW'")
    assert envelope.error["error_type"] == "out_of_fuel"
    assert seconds < 5


def test_an_endless_top_level_ends_with_the_run(attack):
    envelope, seconds = timed(attack, "pass", top="while True: pass", limits={"total_timeout": "300ms"})
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 300 / 1000 + 2


def test_loading_and_running_together_end_with_the_run(attack):
    envelope, seconds = timed(
        attack, "time.sleep(100)", top="time.sleep(1)", limits={"total_timeout": "1200ms"}
    )
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 2


def test_retries_of_an_endless_loop_end_with_the_run(attack):
    envelope, seconds = timed(
        attack,
        "while True: pass",
        options="timeout='100ms', max_retries=100, compute='HIGH'",
        limits={"total_timeout": "500ms"},
    )
    assert envelope.error["error_type"] == "timeout"
    assert seconds < 2


POLL = {
    "imports": """
      (import "wasi:io/poll@0.2.0" (instance $poll
        (export "pollable" (type $p (sub resource)))
        (export "[method]pollable.block" (func (param "self" (borrow $p))))))
      (alias export $poll "pollable" (type $pollable))
      (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
        (alias outer 1 $pollable (type $outer))
        (export "pollable" (type $q (eq $outer)))
        (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
      (core func $block (canon lower (func $poll "[method]pollable.block")))
      (core func $subscribe (canon lower (func $clock "subscribe-duration")))""",
    "core_imports": """
      (import "host" "block" (func $block (param i32)))
      (import "host" "subscribe" (func $subscribe (param i64) (result i32)))""",
    "with_": """(with "host" (instance
        (export "block" (func $block)) (export "subscribe" (func $subscribe))))""",
}


def test_sleeping_in_a_raw_pollable(component, hostile, project):
    path = component(
        hostile.text("(call $block (call $subscribe (i64.const 3000000000)))", **POLL), timeout=0.2
    )
    envelope, seconds = timed(run_sync, path, cwd=project.root)
    assert envelope.error["error_type"] == "timeout"
    assert seconds < 0.2 + 0.25 + LATE


def test_a_flood_of_pollables(component, hostile, project, memory_grows_at_most):
    """Handles that are never dropped: wasmtime's table of them is bounded."""
    body = """(local.set 2 (i32.const 100000000))
      (loop (drop (call $subscribe (i64.const 1))) (local.set 2 (i32.sub (local.get 2) (i32.const 1)))
        (br_if 0 (local.get 2)))"""
    text = hostile.text(body, **POLL).replace(
        '(func (export "run") (param i32 i32) (result i32)',
        '(func (export "run") (param i32 i32) (result i32) (local i32)',
    )
    path = component(text, timeout=2.0, compute=10**12)
    with memory_grows_at_most(600 << 20):
        envelope, seconds = timed(run_sync, path, cwd=project.root)
    assert envelope.error["error_type"] in ("timeout", "crash"), envelope
    assert seconds < 4


def test_an_endless_start_function(component, hostile, project):
    text = hostile.text(functions="(func $begin (loop br 0)) (start $begin)")
    envelope, seconds = timed(
        run_sync, component(text, timeout=1.0), cwd=project.root, limits={"total_timeout": "300ms"}
    )
    assert envelope.error["error_type"] == "timeout", envelope
    assert seconds < 2


# Memory


@pytest.mark.parametrize(
    "body",
    [
        "x = bytearray(1 << 30)",
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "x = 'x'\nwhile True: x += x",
        "x = {}\nwhile True: x[len(x)] = [x]",
        "import decimal; decimal.getcontext().prec = 10**9; x = decimal.Decimal(1) / 3",
        "x = b'x' * (1 << 30)",
        "import zlib; z = zlib.compressobj(); x = zlib.decompress(zlib.compress(bytes(20 << 20)) ) * 60",
        "f = lambda: (yield from f())\nlist(f())",
    ],
)
def test_a_memory_hog_ends_at_its_ram(attack, memory_grows_at_most, body):
    with memory_grows_at_most(400 << 20):
        envelope = attack(body, options="ram='128MB', compute='HIGH', timeout='5s'")
    # An interpreter that can't allocate in the middle of something may break down: that is a crash.
    assert envelope.error["error_type"] in ("out_of_memory", "task_error", "stack_overflow", "crash"), (
        envelope
    )


def test_a_memory_hog_under_a_ceiling(attack, memory_grows_at_most):
    with memory_grows_at_most(400 << 20):
        envelope = attack("x = bytearray(1 << 30)", options="ram='4GB'", limits={"ram": "128MB"})
    assert envelope.error["error_type"] == "out_of_memory"


@pytest.mark.parametrize("many", [1 << 26, 1 << 30, 1 << 32, 1 << 40, (1 << 63) - 1])
def test_random_bytes_by_the_gigabyte(component, hostile, project, memory_grows_at_most, many):
    text = f"""
    (component
      (import "wasi:random/random@0.2.0" (instance $r
        (export "get-random-bytes" (func (param "len" u64) (result (list u8))))))
      (core module $libc (memory (export "memory") 4)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536))
      (core instance $c (instantiate $libc))
      (core func $random (canon lower (func $r "get-random-bytes")
        (memory (core memory $c "memory")) (realloc (core func $c "realloc"))))
      (core module $m
        (import "host" "random" (func $random (param i64 i32)))
        (func (export "run") (param i32 i32) (result i32)
          (call $random (i64.const {many}) (i32.const 128))
          i32.const 0))
      (core instance $i (instantiate $m (with "host" (instance (export "random" (func $random))))))
      (func $run (param "call" string) (result string)
        (canon lift (core func $i "run") (memory (core memory $c "memory"))
          (realloc (core func $c "realloc"))))
      (export "run" (func $run)))"""
    path = component(text, ram=1 << 27, timeout=5.0)
    with memory_grows_at_most(200 << 20):
        envelope = run_sync(path, cwd=project.root)
    assert envelope.error["error_type"] == "crash"


@pytest.mark.parametrize(
    "part",
    [
        "(memory 65536)",
        "(table 4294967295 funcref)",
        "(memory i64 281474976710655)",
        "(table 300000 funcref)",
    ],
)
def test_a_component_that_asks_for_everything_at_its_start(
    component, hostile, project, memory_grows_at_most, part
):
    path = component(hostile.text(functions=part), ram=1 << 27)
    with memory_grows_at_most(200 << 20):
        envelope = run_sync(path, cwd=project.root)
    assert envelope.error["error_type"] in ("out_of_memory", "load_error", "crash"), envelope


def test_arguments_of_a_sub_task_that_are_a_forest(attack, memory_grows_at_most):
    """75 MB of ``[],`` would be 2 GB of Python lists."""
    with memory_grows_at_most(1500 << 20):
        envelope, seconds = timed(
            attack,
            """
            try:
                return str(tasks.start("main", '{"args":[],"kwargs":{},"x":[' + "[]," * 25_000_000 + '1]}'))
            except Err as error:
                return error.value.reason.name
            """,
            top="from wit_world.imports import tasks\nfrom componentize_py_types import Err",
            options="timeout='20s'",
        )
    assert envelope.result == "BAD_ARGUMENTS", envelope
    assert seconds < 20


def test_requests_are_started_by_the_thousand(attack, server, threads_stay_below, memory_grows_at_most):
    with threads_stay_below(threading.active_count() + 16 * 2 + 10), memory_grows_at_most(300 << 20):
        envelope = attack(
            f"""
            from wit_world.imports import http
            text = json.dumps({{"method": "GET", "url": "{server.url}/sleep/30", "headers": [], "body": None,
                               "timeout": None, "redirects": True}})
            for _ in range(3000):
                http.start(text)
            """,
            options=f"allowed_hosts=['127.0.0.1:{server.port}'], timeout='5s'",
        )
    assert envelope.success, envelope
    assert len(server.asked) <= 16


def test_a_sandbox_that_has_ended_sends_no_more_requests(project, server):
    envelope = project.run(f"""
        import json, time
        from capsule import task

        @task(name="burst", allowed_hosts=["127.0.0.1:{server.port}"])
        def burst():
            from wit_world.imports import http
            text = json.dumps({{"method": "GET", "url": "{server.url}/sleep/0.2", "headers": [], "body": None,
                               "timeout": None, "redirects": True}})
            for _ in range(200):
                http.start(text)

        @task(name="main")
        def main():
            burst().unwrap()
            time.sleep(0.6)
    """)
    assert envelope.success
    assert len(server.asked) <= 16


def test_more_requests_than_a_sandbox_may_hold_are_refused(attack, memory_grows_at_most, monkeypatch):
    monkeypatch.setattr("capsule.runtime.host.http.MOST_STARTED", 500)
    with memory_grows_at_most(300 << 20):
        envelope = attack(
            """
            from wit_world.imports import http
            from componentize_py_types import Err
            for _ in range(550):
                last = http.start("{}")
            try:
                http.response(last)
            except Err as error:
                return error.value.reason.name
            """,
            options="timeout='10s', compute='HIGH'",
            isolation="thread",
        )
    assert envelope.result == "TOO_LARGE", envelope


# Stacks and depth


@pytest.mark.parametrize(
    "body",
    [
        "f = lambda: f()\nf()",
        "sys.setrecursionlimit(2**31 - 1)\nf = lambda: f()\nf()",
        "sys.setrecursionlimit(2**31 - 1)\nclass A:\n    __repr__ = lambda self: repr(self)\nrepr(A())",
        "sys.setrecursionlimit(2**31 - 1)\nclass A:\n  __getattr__ = lambda s, n: getattr(s, n + 'x')\nA().x",
        "json.loads('[' * 1_000_000)",
        "json.loads('{\"a\":' * 1_000_000)",
        "import ast; ast.parse('(' * 1_000_000)",
        "compile('-' * 1_000_000 + '1', 'x', 'eval')",
        "eval('[' * 100_000 + ']' * 100_000)",
        "x = ()\nfor _ in range(1_000_000): x = (x,)\nhash(x)",
        "x = []\nfor _ in range(100_000): x = [x]\nx == x[0]",
        "import copy\nx = []\nfor _ in range(100_000): x = [x]\ncopy.deepcopy(x)",
        "import pickle\nx = []\nfor _ in range(100_000): x = [x]\npickle.dumps(x)",
        "import re; re.compile('(' * 100_000 + ')' * 100_000)",
        "import xml.etree.ElementTree as e; e.fromstring('<a>' * 100_000)",
    ],
)
def test_a_stack_that_never_ends(attack, body):
    envelope = attack(body, options="compute='HIGH', timeout='5s', ram='512MB'")
    expected = ("task_error", "stack_overflow", "out_of_memory", "timeout", "crash")
    assert envelope.error is not None, envelope
    assert envelope.error["error_type"] in expected, envelope
    assert attack("return 1").result == 1


# Sub-tasks


def test_a_task_that_calls_itself(project):
    envelope = project.run("""
        from capsule import task

        @task(name="main")
        def main(depth=0):
            called = main(depth + 1)
            return called["result"] if called["success"] else [depth, called["error"]["error_type"]]
    """)
    assert envelope.unwrap() == [16, "limit_exceeded"]


def test_two_tasks_that_call_each_other(project):
    envelope = project.run(
        """
        from capsule import task

        @task(name="one")
        def one():
            return two().unwrap()

        @task(name="two")
        def two():
            return one().unwrap()

        @task(name="main")
        def main():
            return one().unwrap()
    """,
        limits={"depth": 6},
    )
    assert envelope.error["error_type"] == "task_error"
    assert "depth" in envelope.error["message"]


def test_a_bomb_that_forks_at_every_level(project, threads_stay_below, memory_grows_at_most):
    """Fifty to the power of eight tasks, of which the run may start a hundred: it ends, and is small."""
    with threads_stay_below(threading.active_count() + 60), memory_grows_at_most(1200 << 20):
        envelope, seconds = timed(
            project.run,
            """
            from capsule import task

            @task(name="main")
            def main(number=0):
                return [done.error["error_type"] for done in main.map(range(50)) if not done.success]
            """,
            limits={"tasks": 100, "depth": 8, "total_timeout": "10s"},
        )
    assert envelope.success or envelope.error["error_type"] == "timeout", envelope
    assert set(envelope.result or ()) <= {"limit_exceeded"}
    assert seconds < 12


def test_a_map_over_a_million_items(project, memory_grows_at_most):
    with memory_grows_at_most(700 << 20):
        envelope, seconds = timed(
            project.run,
            """
            from capsule import task

            @task(name="part", compute="LOW")
            def part(number):
                return number

            @task(name="main", compute="HIGH")
            def main():
                return part.map(range(1_000_000))[-1].error["error_type"]
        """,
            limits={"tasks": 50, "total_timeout": "2s"},
        )
    assert envelope.result == "limit_exceeded" or envelope.error["error_type"] == "timeout", envelope
    assert seconds < 5


def test_outcomes_that_nobody_takes(project, memory_grows_at_most, monkeypatch):
    monkeypatch.setattr("capsule.runtime.host.guest.MOST_HELD", 10 << 20)
    with memory_grows_at_most(400 << 20):
        envelope = project.run(
            """
            from capsule import task
            from wit_world.imports import tasks, pending
            import json

            @task(name="big", compute="HIGH")
            def big():
                return "x" * 1_500_000

            @task(name="main", compute="HIGH", ram="512MB")
            def main():
                handles = [tasks.start("big", '{"args": [], "kwargs": {}}') for _ in range(12)]
                while len(pending.wait_any(None)) < len(handles):
                    pass
                kinds = []
                for handle in handles:
                    text = tasks.outcome(handle)
                    kinds.append("kept" if len(text) > 1000 else json.loads(text)["error"]["error_type"])
                return sorted(set(kinds)), kinds.count("kept")
            """,
            isolation="thread",
        )
    kinds, kept = envelope.unwrap()
    assert kinds == ["kept", "result_too_large"]
    assert kept * 1_500_000 <= 10 << 20


# Output and results


@pytest.mark.parametrize(
    "body",
    [
        "while True: print('x' * 1_000_000)",
        "while True: print()",
        "while True: os.write(2, b'x' * 1_000_000)",
        "while True: sys.stdout.write('\\0' * 100_000)",
        "while True: os.write(1, b'\\xff' * 100_000)",
    ],
)
def test_endless_output(attack, memory_grows_at_most, body):
    kept = []
    with memory_grows_at_most(200 << 20):
        envelope = attack(
            body,
            options="timeout='500ms', compute='HIGH'",
            limits={"output_bytes": "1MB"},
            on_output=lambda stream, text: kept.append(len(text)),
        )
    assert envelope.error["error_type"] == "timeout", envelope
    assert sum(kept) < 1_200_000


def test_a_result_of_a_hundred_megabytes(attack, memory_grows_at_most):
    with memory_grows_at_most(900 << 20):
        envelope = attack("return 'x' * 100_000_000", options="compute='HIGH'")
    assert envelope.error["error_type"] == "result_too_large", envelope


def test_a_result_that_is_a_forest_of_empty_lists(attack, memory_grows_at_most):
    """JSON of 20 MB becomes some 25 times that in Python: the bound is ``result_bytes`` times 30."""
    with memory_grows_at_most(900 << 20):
        envelope, seconds = timed(
            attack,
            "return [[]] * 6_000_000",
            options="compute=100_000_000_000",
            limits={"result_bytes": "20MB"},
        )
    assert envelope.success or envelope.error["error_type"] == "result_too_large", envelope
    assert seconds < 15


def test_an_error_message_of_a_hundred_megabytes(attack):
    envelope = attack("raise ValueError('x' * 30_000_000)", options="compute='HIGH'")
    assert envelope.error["error_type"] in ("task_error", "result_too_large")
    assert len(envelope.error["message"]) <= 64 << 10


# Neighbours


def test_a_neighbour_goes_on_beside_everything_hostile(project):
    """While one run burns, fills and floods, another one's short tasks all come through."""
    project.write("good.py", "def main(n):\n    return n * 2\n")
    run_sync(project / "good.py", [1], cwd=project.root)
    bad = threading.Thread(
        target=project.run,
        args=(
            """
            from capsule import task

            @task(name="burn", timeout="300ms", compute="HIGH", ram="256MB")
            def burn(n):
                x = []
                while True:
                    x.append(bytearray(100_000)) if len(x) < 500 else print("x" * 10_000)

            @task(name="main")
            def main():
                burn.map(range(4))
            """,
        ),
        kwargs={"on_output": lambda stream, text: None},
    )
    bad.start()
    outcomes = []
    while bad.is_alive():
        outcomes.append(run_sync(project / "good.py", [21], cwd=project.root))
    bad.join()
    assert len(outcomes) >= 3
    assert all(envelope.result == 42 for envelope in outcomes)
