"""Deadlines, fuel, memory and retries, with real guests that run into them."""

from __future__ import annotations

import time

import pytest

from capsule import run_sync

WITH = """
    import time
    from capsule import task

    @task(name="main", {options})
    def main():
        {body}
"""


def run(project, body, options, **more):
    started = time.monotonic()
    envelope = project.run(WITH.format(options=options, body=body), **more)
    return envelope, time.monotonic() - started


# Time

LATENESS = 0.5
"""How much later than its deadline a task may end, on a busy machine."""


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "time.sleep(30)",
        "__import__('asyncio').run(__import__('asyncio').sleep(30))",
        "__import__('select').select([], [], [], 30)",
        "sum(range(10**12))",
        "__import__('re').match('(a*)*b', 'a' * 100)",
    ],
    ids=["loop", "sleep", "asyncio", "select", "in C", "regular expression"],
)
def test_a_deadline_is_a_deadline(project, body):
    run(project, "pass", "timeout='400ms', compute='HIGH'")
    envelope, _ = run(project, body, "timeout='400ms', compute='HIGH'")
    assert envelope.error["error_type"] == "timeout", envelope
    assert "0.4s" in envelope.error["message"]
    assert 350 <= envelope.execution["duration_ms"] < 400 + LATENESS * 1000


def test_a_guest_that_swallows_every_exception_is_ended_all_the_same(project):
    body = """while True:
            try:
                time.sleep(30)
            except BaseException:
                pass"""
    envelope, _ = run(project, body, "timeout='300ms'")
    assert envelope.error["error_type"] == "timeout"
    assert envelope.execution["duration_ms"] < 300 + LATENESS * 1000


def test_a_sub_tasks_deadline_leaves_its_caller_alone(project):
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="slow", timeout="200ms")
        def slow():
            time.sleep(30)

        @task(name="main", timeout="10s")
        def main():
            return slow().error["error_type"]
    """)
    assert envelope.result == "timeout"


def test_a_callers_deadline_ends_what_it_has_started(project):
    started = time.monotonic()
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="slow")
        def slow():
            time.sleep(30)

        @task(name="main", timeout="300ms")
        def main():
            slow()
    """)
    assert envelope.error["error_type"] == "timeout"
    assert time.monotonic() - started < 5


def test_the_modules_top_level_does_not_count_against_the_tasks_deadline(project):
    envelope = project.run("""
        import time
        from capsule import task
        time.sleep(0.4)

        @task(name="main", timeout="200ms")
        def main():
            return "in time"
    """)
    assert envelope.result == "in time"
    assert envelope.execution["load_ms"] >= 390


def test_total_timeout_bounds_the_run(project):
    envelope, seconds = run(
        project, "time.sleep(30)", "timeout='20s', max_retries=5", limits={"total_timeout": "400ms"}
    )
    assert envelope.error["error_type"] == "timeout"
    assert "total_timeout" in envelope.error["message"]
    assert seconds < 3


# Fuel


def test_fuel_runs_out_as_an_outcome(project):
    envelope, _ = run(project, "while True: pass", "compute='3000000'")
    assert envelope.error["error_type"] == "out_of_fuel"
    assert "main.py:4" in envelope.error["message"]


def test_importing_a_library_at_the_top_level_does_not_cost_the_task_its_fuel(project):
    envelope = project.run("""
        from capsule import task
        for number in range(2_000_000):
            pass

        @task(name="main", compute=3_000_000)
        def main():
            return "done"
    """)
    assert envelope.result == "done"
    assert envelope.execution["fuel_consumed"] < 3_000_000


def test_total_compute_bounds_the_run_with_its_sub_tasks_and_retries(project):
    envelope = project.run(
        """
        from capsule import task

        @task(name="burn", compute="MEDIUM", max_retries=3)
        def burn():
            while True:
                pass

        @task(name="main", compute="MEDIUM")
        def main():
            return burn()
        """,
        limits={"total_compute": 150_000_000},
    )
    burnt = envelope.result
    assert burnt["error"]["error_type"] == "out_of_fuel"
    assert "total_compute" in burnt["error"]["message"]
    total = burnt["execution"]["fuel_consumed"] + envelope.execution["fuel_consumed"]
    assert total <= 150_000_000


# Memory


@pytest.mark.parametrize("body", ["bytearray(200_000_000)", "x = ['x' * 1000]\n        while True: x += x"])
def test_ram_is_a_limit(project, body):
    envelope, _ = run(project, f"return len({body})" if "while" not in body else body, "ram='64MB'")
    assert envelope.error["error_type"] == "out_of_memory", envelope


def test_what_fits_into_ram_runs_and_unlimited_is_more(project):
    assert run(project, "return len(bytearray(20_000_000))", "ram='128MB'")[0].result == 20_000_000
    assert run(project, "return len(bytearray(200_000_000))", "compute='HIGH'")[0].result == 200_000_000


def test_too_little_ram_to_start_is_said_to_be_that(project):
    envelope, _ = run(project, "return 1", "ram='1MB'")
    assert envelope.error["error_type"] == "out_of_memory"
    assert "main.py:4" in envelope.error["message"]


def test_after_running_out_of_memory_a_task_may_go_on(project):
    body = """try:
            bytearray(200_000_000)
        except MemoryError:
            return "went on" """
    assert run(project, body, "ram='64MB'")[0].result == "went on"


# Stack


@pytest.mark.parametrize(
    "body",
    [
        "f = lambda n: f(n + 1)\n        f(0)",
        "__import__('json').loads('[' * 200_000)",
        "x = []\n        for _ in range(200_000): x = [x]\n        repr(x)",
    ],
    ids=["python", "json", "repr"],
)
def test_endless_recursion_is_an_outcome(project, body):
    envelope, _ = run(project, body, "compute='HIGH'")
    assert envelope.error["error_type"] in ("task_error", "stack_overflow"), envelope
    assert project.run(WITH.format(options="compute='LOW'", body="return 1")).result == 1


# Retries


@pytest.fixture
def flaky(project):
    """A main task that fails until its file has as many lines as it was told."""
    (project / "count").mkdir()
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main", allowed_files=["count"], max_retries=3)
        def main(fail):
            with open("count/n", "a") as file:
                file.write("x")
            tries = len(open("count/n").read())
            if tries <= fail:
                raise RuntimeError(f"try {tries}")
            return tries
    """,
    )
    return lambda fail: run_sync(project / "main.py", [fail], cwd=project.root)


@pytest.mark.parametrize("fail", [0, 1, 3])
def test_main_is_retried_until_it_returns_and_retries_is_what_happened(flaky, fail):
    envelope = flaky(fail)
    assert envelope.result == fail + 1
    assert envelope.execution["retries"] == fail


def test_after_max_retries_the_last_failure_is_the_outcome(flaky, project):
    envelope = flaky(99)
    assert "try 4" in envelope.error["message"]
    assert envelope.execution["retries"] == 3
    assert (project / "count/n").read_text().count("x") == 4


def test_sub_tasks_are_retried_in_fresh_sandboxes(project):
    (project / "count").mkdir()
    envelope = project.run("""
        from capsule import task
        here = []

        @task(name="part", allowed_files=["count"], max_retries=2)
        def part():
            here.append(1)
            with open("count/n", "a") as file:
                file.write("x")
            if len(open("count/n").read()) < 3:
                raise RuntimeError
            return len(here)

        @task(name="main")
        def main():
            return part()
    """)
    assert envelope.result["result"] == 1
    assert envelope.result["execution"]["retries"] == 2
    assert envelope.execution["retries"] == 0


def test_a_timeout_is_retried_with_a_deadline_of_its_own(project):
    envelope, seconds = run(project, "time.sleep(30)", "timeout='200ms', max_retries=2")
    assert envelope.error["error_type"] == "timeout"
    assert envelope.execution["retries"] == 2
    assert 0.55 < seconds < 4


def test_a_wrong_call_is_not_retried(project):
    envelope = project.run(WITH.format(options="max_retries=3", body="return 1"), "too", "many")
    assert envelope.error["error_type"] == "invalid_call"
    assert envelope.execution["retries"] == 0


# Ceilings


@pytest.mark.parametrize(
    ("limits", "body", "error_type"),
    [
        ({"compute": 3_000_000}, "while True: pass", "out_of_fuel"),
        ({"ram": "64MB"}, "return len(bytearray(200_000_000))", "out_of_memory"),
        ({"timeout": "300ms"}, "time.sleep(30)", "timeout"),
        ({"result_bytes": 100}, "return 'x' * 200", "result_too_large"),
    ],
)
def test_ceilings_bound_what_a_source_declares(project, limits, body, error_type):
    options = "compute='HIGH', ram='1GB', timeout='1h', max_retries=0"
    envelope, _ = run(project, body, options, limits=limits)
    assert envelope.error["error_type"] == error_type
    name = next(iter(limits))
    if name not in ("ram", "result_bytes"):
        assert f"limits= {name}" in envelope.error["message"]


def test_ceilings_of_capsule_toml_hold_too_and_arguments_only_tighten_them(project):
    project.write("capsule.toml", '[limits]\ntimeout = "300ms"\n')
    options = "compute='HIGH', timeout='1h'"
    assert run(project, "time.sleep(30)", options)[0].error["error_type"] == "timeout"
    envelope, seconds = run(project, "time.sleep(30)", options, limits={"timeout": "1h"})
    assert envelope.error["error_type"] == "timeout"
    assert seconds < 5


def test_output_is_bounded(project):
    written = []
    project.run(
        WITH.format(options="compute='LOW'", body="print('x' * 100_000)"),
        limits={"output_bytes": 1000},
        on_output=lambda stream, text: written.append(text),
    ).unwrap()
    text = "".join(written)
    assert text.count("x") < 1100
    assert "1000 bytes" in text
