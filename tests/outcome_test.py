"""Each error type of the closed set comes about, with a message that says what happened."""

from __future__ import annotations

import threading
import time

import pytest

from capsule.sdk.outcome import ERROR_TYPES

SOURCES = {
    "task_error": ("", "raise ValueError('no')", "ValueError: no"),
    "timeout": ("timeout='200ms'", "import time; time.sleep(9)", "0.2s (main.py:3)"),
    "out_of_fuel": ("compute=3_000_000", "while True: pass", "3,000,000 fuel (main.py:3)"),
    "out_of_memory": ("ram='64MB'", "return len(bytearray(10**9))", "MemoryError"),
    "permission_denied": ("", "open('data/in', 'w')", "data/in"),
    "invalid_call": ("", "return 1", "too many positional arguments"),
    "result_too_large": ("", "return 'x' * 2_000_000", "1048576"),
    "exit": ("", "import sys; sys.exit(3)", "3"),
}


@pytest.mark.parametrize("error_type", SOURCES)
def test_what_a_task_does_wrong_has_its_error_type(project, error_type):
    options, body, words = SOURCES[error_type]
    project.write("data/in", "x")
    if error_type == "permission_denied":
        options = "allowed_files=[{'path': 'data', 'mode': 'ro'}]"
    args = ["a"] if error_type == "invalid_call" else []
    envelope = project.run(
        f"""
        from capsule import task

        @task(name="main", {options})
        def main():
            {body}
        """,
        *args,
        limits={"result_bytes": "1MB"},
    )
    assert envelope.error["error_type"] == error_type, envelope
    assert words in envelope.error["message"]


def test_a_top_level_that_fails_is_a_load_error_with_its_place(project):
    envelope = project.run("""
        from capsule import task

        @task(name="main")
        def main():
            return 1

        1 / 0
    """)
    assert envelope.error["error_type"] == "load_error"
    assert "ZeroDivisionError" in envelope.error["message"]
    assert "line 7" in envelope.error["traceback"]


def test_endless_recursion_has_an_error_type_of_its_own_or_is_the_languages_error(project):
    envelope = project.run("def main():\n    return main()\n")
    assert envelope.error["error_type"] in ("task_error", "stack_overflow")


def test_a_sub_task_over_a_limit_of_the_run_is_limit_exceeded(project):
    envelope = project.run(
        """
        from capsule import task

        @task(name="part")
        def part(): pass

        @task(name="main")
        def main():
            return part()
        """,
        limits={"tasks": 0},
    )
    assert envelope.result["error"]["error_type"] == "limit_exceeded"


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(30)"])
def test_a_run_that_is_cancelled_says_so(project, body):
    from capsule.frontend.manager import plugins
    from capsule.launch.prepare import prepare
    from capsule.launch.start import start

    path = project.write(
        "main.py",
        f"""
        from capsule import task

        @task(name="main", compute="HIGH")
        def main():
            {body}
    """,
    )
    prepared = prepare(path, project.root, plugins(), progress=lambda message: None)
    execution = start(prepared, "main", [], {}, cwd=project.root, on_problem=print)
    threading.Timer(0.3, execution.run.cancel).start()
    started = time.monotonic()
    assert execution.done.wait(10)
    assert execution.envelope.error["error_type"] == "cancelled"
    assert time.monotonic() - started < 1.5


def test_abort_is_a_crash_or_an_exit(project):
    envelope = project.run("import os\ndef main():\n    os.abort()\n")
    assert envelope.error["error_type"] in ("crash", "exit")


def test_what_a_task_prints_cannot_choose_its_error_type(project):
    """A runtime out of memory says so on stderr before it aborts: the words alone must not do."""
    envelope = project.run("""
        import sys

        def main():
            print("memory allocation of 64 bytes failed", file=sys.stderr, flush=True)
            raise ValueError("a lie")
    """)
    assert envelope.error["error_type"] == "task_error"


def test_the_set_of_error_types_is_closed():
    tested = {*SOURCES, "load_error", "stack_overflow", "limit_exceeded", "cancelled", "crash"}
    assert set(ERROR_TYPES) == tested
