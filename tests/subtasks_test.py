"""Tasks that start tasks: side by side, bounded in depth and number, never left behind."""

from __future__ import annotations

import json
import time

import pytest


def test_map_runs_side_by_side_and_keeps_the_order(project):
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="nap")
        def nap(number):
            time.sleep(0.3)
            return number * 10

        @task(name="main")
        def main():
            started = time.monotonic()
            return [one.result for one in nap.map(range(12))], time.monotonic() - started
    """)
    results, seconds = envelope.unwrap()
    assert results == [number * 10 for number in range(12)]
    assert seconds < 12 * 0.3 / 2


def test_start_returns_at_once_and_outcome_waits(project):
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="nap")
        def nap(number):
            time.sleep(0.3)
            return number

        @task(name="main")
        def main():
            started = time.monotonic()
            pending = [nap.start(number) for number in range(3)]
            to_start = time.monotonic() - started
            return [to_start, [one.outcome().result for one in pending], time.monotonic() - started]
    """)
    to_start, results, total = envelope.unwrap()
    assert to_start < 0.2
    assert results == [0, 1, 2]
    assert total < 0.85


def test_async_tasks_gather_sub_tasks(project):
    envelope = project.run("""
        import asyncio, time
        from capsule import task

        @task(name="nap")
        async def nap(number):
            await asyncio.sleep(0.3)
            return number

        @task(name="main")
        async def main():
            started = time.monotonic()
            found = await asyncio.gather(*(nap(number) for number in range(4)))
            return [one.result for one in found], time.monotonic() - started
    """)
    results, seconds = envelope.unwrap()
    assert results == [0, 1, 2, 3]
    assert seconds < 1.0


def test_sub_tasks_that_are_left_behind_are_cancelled(project):
    (project / "out").mkdir()
    started = time.monotonic()
    envelope = project.run("""
        import time
        from capsule import task

        @task(name="late", allowed_files=["out"])
        def late():
            time.sleep(1.5)
            open("out/late", "w").close()

        @task(name="main")
        def main():
            late.start()
            time.sleep(0.2)
            return "gone"
    """)
    assert envelope.result == "gone"
    assert time.monotonic() - started < 1.4
    time.sleep(1.7)
    assert list((project / "out").iterdir()) == []


def test_a_sub_task_that_waits_for_its_turn_is_never_run_when_its_parent_has_ended(project):
    (project / "out").mkdir()
    project.run(
        """
        import time
        from capsule import task

        @task(name="busy", allowed_files=["out"])
        def busy(number):
            open(f"out/{number}", "w").close()
            end = time.monotonic() + 0.3
            while time.monotonic() < end:
                pass

        @task(name="main")
        def main():
            for number in range(20):
                busy.start(number)
            time.sleep(0.1)
        """,
        limits={"concurrency": 1},
    ).unwrap()
    time.sleep(0.5)
    assert len(list((project / "out").iterdir())) <= 2


RECURSION = """
    from capsule import task

    @task(name="main")
    def main(level=0):
        below = main(level + 1)
        if not below.success:
            return [level, below.error["error_type"], below.error["message"]]
        return below.result
"""


def test_endless_recursion_of_tasks_ends_at_the_depth_limit(project):
    level, error_type, message = project.run(RECURSION).unwrap()
    assert level == 16
    assert error_type == "limit_exceeded"
    assert "[limits] depth" in message


@pytest.mark.parametrize("depth", [0, 3])
def test_the_depth_limit_can_be_set(project, depth):
    assert project.run(RECURSION, limits={"depth": depth}).unwrap()[0] == depth


@pytest.mark.parametrize("count", [0, 5])
def test_the_number_of_sub_tasks_is_bounded(project, count):
    envelope = project.run(
        """
        from capsule import task

        @task(name="part")
        def part(number):
            return number

        @task(name="main")
        def main():
            found = [part(number) for number in range(8)]
            return [one.success for one in found], found[-1].error
        """,
        limits={"tasks": count},
    )
    successes, error = envelope.unwrap()
    assert successes == [True] * count + [False] * (8 - count)
    assert error["error_type"] == "limit_exceeded"


def test_more_sub_tasks_than_places_all_run(project):
    envelope = project.run(
        """
        from capsule import task

        @task(name="leaf")
        def leaf(number):
            return number

        @task(name="branch")
        def branch(number):
            return sum(one.result for one in leaf.map(range(number)))

        @task(name="main")
        def main():
            return sum(one.result for one in branch.map([5] * 10))
        """,
        limits={"concurrency": 2},
    )
    assert envelope.unwrap() == 100


def test_an_undeclared_task_is_refused(project):
    envelope = project.run("""
        import json
        from capsule import task
        from capsule._engine import host

        @task(name="main")
        def main():
            try:
                host.start_task("os.system", json.dumps({"args": ["true"], "kwargs": {}}))
            except host.Refused as refused:
                return [refused.reason, refused.message]
    """)
    reason, message = envelope.unwrap()
    assert reason == "unknown-task"
    assert "os.system" in message


def test_arguments_and_results_go_through_json_both_ways(project):
    envelope = project.run("""
        from capsule import task

        @task(name="part")
        def part(*args, **kwargs):
            return [args, kwargs]

        @task(name="main")
        def main():
            return part(1, "two", [3.5], four={"five": None}).unwrap()
    """)
    assert envelope.unwrap() == [[1, "two", [3.5]], {"four": {"five": None}}]


def test_unwrap_raises_the_sub_tasks_error_in_the_caller(project):
    envelope = project.run("""
        from capsule import task, TaskError

        @task(name="part")
        def part():
            raise ValueError("broken")

        @task(name="main")
        def main():
            try:
                part().unwrap()
            except TaskError as error:
                return [error.error_type, error.message, "main.py" in error.traceback]
    """)
    assert envelope.unwrap() == ["task_error", "ValueError: broken", True]


def test_tasks_cannot_be_started_while_the_program_is_loaded(project):
    envelope = project.run("""
        from capsule import task

        @task(name="part")
        def part():
            return 1

        try:
            part()
            said = "started"
        except RuntimeError as error:
            said = str(error)

        @task(name="main")
        def main():
            return said
    """)
    assert "loading" in envelope.unwrap()


def test_a_wrong_call_of_a_sub_task_names_the_argument(project):
    envelope = project.run("""
        from capsule import task

        @task(name="part")
        def part(one):
            return one

        @task(name="main")
        def main():
            return [part(), part(1, two=2), part(1)]
    """)
    missing, unknown, right = envelope.unwrap()
    assert missing["error"]["error_type"] == unknown["error"]["error_type"] == "invalid_call"
    assert "one" in missing["error"]["message"]
    assert "two" in unknown["error"]["message"]
    assert right["result"] == 1


CAUSES = """
    import json

    from capsule import task

    @task(name="boom")
    async def boom(number):
        raise ValueError("no such thing")

    @task(name="broken")
    def broken():
        return object()

    @task(name="middle")
    async def middle(how):
        if how == "index":
            return (await boom(1))["x"]
        if how == "truth":
            return "found" if await boom(1) else "not found"
        if how == "encoded":
            return json.loads(json.dumps([await boom(1)], indent=1))[0]["error"]["message"]
        if how == "await":
            return boom(1) + 1
        if how == "result":
            return boom(1)
        if how == "started":
            return boom.start(1)
        if how == "json":
            return broken().unwrap()
        return (await boom(1)).unwrap()

    @task(name="main")
    async def main(how="unwrap"):
        return (await middle(how)).unwrap()
"""


def test_the_places_of_all_failed_sub_tasks_are_shown_as_causes_with_their_names_and_numbers(project):
    error = project.run(CAUSES).error
    assert (
        error["message"]
        == "the task 'middle' (#2) failed: the task 'boom' (#3) failed: ValueError: no such thing"
    )
    lines = [line.strip() for line in error["traceback"].splitlines()]
    order = ["SubTask: 'middle' (#2)", "SubTask: 'boom' (#3)", 'raise ValueError("no such thing")']
    order += ["return (await boom(1)).unwrap()", "return (await middle(how)).unwrap()"]
    places = [lines.index(line) for line in order]
    assert places == sorted(places)
    assert all('File "main.py"' in line for line in lines if "File " in line)
    assert "_engine" not in error["traceback"]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (
            "index",
            "KeyError: ['x'] of an envelope: it is the outcome of task 'boom' (#3), "
            "which failed: ValueError: no such thing",
        ),
        (
            "truth",
            "TypeError: the truth of an envelope: it is the outcome of task 'boom' (#3), "
            "which failed: ValueError: no such thing",
        ),
        ("await", "TypeError: + with a call of the task 'boom'; write await in front of it"),
        ("result", "TypeError: result: capsule.Called can't become JSON; write await in front of it"),
        (
            "started",
            "TypeError: result: capsule.Pending can't become JSON; "
            "call .outcome() for its envelope, or await it",
        ),
        ("json", "the task 'broken' (#3) failed: TypeError: result: object can't become JSON"),
    ],
)
def test_what_is_not_a_result_says_what_it_is_in_a_sandbox(project, how, said):
    envelope = project.run(CAUSES, how)
    assert envelope.error["message"] == f"the task 'middle' (#2) failed: {said}"
    assert "_engine" not in envelope.error["traceback"]


def test_a_library_in_a_sandbox_that_is_given_an_envelope_has_a_dictionary(project):
    assert project.run(CAUSES, "encoded").unwrap() == "ValueError: no such thing"


def test_verbose_and_trace_show_each_failure_once_with_its_places(project, cli):
    project.write("main.py", CAUSES)
    told = cli("run", "main.py", "--verbose").stderr
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    for shown in (told, cli("trace", run["id"]).stdout):
        assert shown.count('raise ValueError("no such thing")') == 1
        assert shown.count("return (await boom(1)).unwrap()") == 1
        assert shown.count("return (await middle(how)).unwrap()") == 1
        assert shown.count("the task 'middle' (#2) failed") == 1
        assert "_engine" not in shown


PRINTED = """
    import logging
    import traceback
    import urllib.request

    from capsule import http, task

    @task(name="boom", allowed_hosts=[])
    def boom(number):
        raise ValueError("no such thing")

    def attempts():
        yield lambda: boom(1).unwrap()
        yield lambda: boom(1)["x"]
        yield lambda: boom(object())
        yield lambda: http.get("http://nowhere.example/")
        yield lambda: urllib.request.urlopen("http://nowhere.example/")
        yield lambda: open("data/there")
        yield lambda: task(name="boom")(print)
        yield traceback.print_stack
        yield lambda: logging.error("here", stack_info=True)

    @task(name="main", allowed_hosts=[])
    def main():
        for attempt in attempts():
            try:
                attempt()
            except Exception:
                traceback.print_exc()
        return traceback.extract_stack()[0].filename
"""


def test_what_a_task_prints_of_its_errors_and_calls_has_no_place_of_the_engine(project, cli):
    project.write("main.py", PRINTED)
    done = cli("run", "main.py")
    assert done.stdout.strip() == "main.py"
    assert done.stderr.count("Traceback (most recent call last)") == 9  # two of them are the sub-task's
    assert done.stderr.count("Stack (most recent call last)") == 1
    assert "_engine" not in done.stderr
    assert done.stderr.count("object can't become JSON") == 1
