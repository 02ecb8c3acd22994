"""The user guide's in-code usage: ``run`` and ``run_sync``."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from capsule import CapsuleError, Envelope, run, run_sync

SANDBOX = """
    from capsule import task

    @task(name="main", compute="LOW", ram="64MB")
    def main(code: str) -> str:
        return exec(code)
"""


@pytest.fixture
def nap(project):
    return project.write(
        "nap.py",
        """
        import time
        from capsule import task

        @task(name="main", compute="HIGH")
        def main(seconds=0.0, spin=False):
            end = time.monotonic() + seconds
            while spin and time.monotonic() < end:
                pass
            if not spin:
                time.sleep(seconds)
            return seconds
    """,
    )


def test_the_example_of_the_guide_works(project):
    path = project.write("sandbox.py", SANDBOX)

    async def program():
        return await run(
            file=path, args=["print('from inside')"], on_output=lambda stream, text: told.append(text)
        )

    told = []
    result = asyncio.run(program())
    assert result["success"] is True
    assert result["result"] is None  # what exec() returns
    assert "".join(told) == "from inside\n"


def test_untrusted_code_that_is_executed_stays_in_the_sandbox(project):
    (project / "secret.txt").write_text("secret")
    path = project.write("sandbox.py", SANDBOX)
    for code in (
        "open('secret.txt')",
        "import os; os.environ['PATH']",
        "import subprocess; subprocess.run(['true'])",
        "import ctypes; ctypes.CDLL(None)",
        "while True: pass",
        "raise SystemExit(3)",
        "import os; os._exit(4)",
        "import os; os.abort()",
    ):
        envelope = run_sync(path, [code])
        assert envelope.success is False, code
        assert envelope.error["message"]


def test_code_under_exec_can_import_the_standard_library(project):
    path = project.write("sandbox.py", SANDBOX)
    modules = (
        "statistics decimal csv html.parser json re datetime zoneinfo email.message xml.etree.ElementTree"
    )
    for module in modules.split():
        envelope = run_sync(path, [f"import {module}"])
        assert envelope.success, (module, envelope.error)


def test_args_and_kwargs_are_forwarded_to_main(project):
    path = project.write("main.py", "def main(*args, **kwargs):\n    return [list(args), kwargs]\n")
    assert run_sync(path, ["a", 1], {"key": [None]}).result == [["a", 1], {"key": [None]}]


def test_the_envelope_is_the_guides_dictionary_and_has_attributes(nap):
    envelope = run_sync(nap)
    assert isinstance(envelope, dict)
    assert isinstance(envelope, Envelope)
    assert envelope.result == envelope["result"] == envelope.unwrap() == 0.0


def test_a_wasm_file_runs_like_its_source(project, cli):
    project.write("main.py", "def main(word):\n    return word * 2\n")
    assert cli("build", "main.py", "--export").status == 0
    (project / "main.py").unlink()
    assert run_sync(project / "main.wasm", ["ab"]).result == "abab"
    assert asyncio.run(run(str(project / "main.wasm"), ["cd"])).result == "cdcd"


def test_cwd_is_where_relative_paths_start(project):
    project.write("deep/main.py", "def main():\n    return 1\n")
    assert run_sync("main.py", cwd=project / "deep").result == 1
    assert run_sync("deep/main.py", cwd=project.root).result == 1
    with pytest.raises(CapsuleError, match="no such file"):
        run_sync("main.py", cwd=project.root)


def test_a_running_event_loop_is_not_blocked(nap):
    async def program():
        await run(nap)
        gaps, last, over = [], time.monotonic(), False

        async def tick():
            nonlocal last
            while not over:
                await asyncio.sleep(0.01)
                now = time.monotonic()
                gaps.append(now - last)
                last = now

        ticking = asyncio.create_task(tick())
        await run(nap, [0.5, True])
        over = True
        await ticking
        return gaps

    gaps = asyncio.run(program())
    assert len(gaps) > 15
    assert max(gaps) < 0.3


def test_many_runs_are_under_way_at_once(nap):
    async def program():
        await run(nap)
        started = time.monotonic()
        envelopes = await asyncio.gather(*(run(nap, [0.3 + number / 1000]) for number in range(50)))
        return envelopes, time.monotonic() - started

    envelopes, seconds = asyncio.run(program())
    assert [one.result for one in envelopes] == [0.3 + number / 1000 for number in range(50)]
    assert seconds < 50 * 0.3 / 3


def test_run_sync_works_on_many_threads(nap):
    results = []
    threads = [
        threading.Thread(target=lambda number=number: results.append(run_sync(nap, [number / 100]).result))
        for number in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == [number / 100 for number in range(12)]


def test_cancelling_the_caller_cancels_the_run(project):
    (project / "out").mkdir()
    path = project.write(
        "main.py",
        """
        import time
        from capsule import task

        @task(name="main", allowed_files=["out"])
        def main():
            open("out/started", "w").close()
            time.sleep(1)
            open("out/late", "w").close()
    """,
    )

    async def program():
        running = asyncio.create_task(run(path))
        while not (project / "out/started").exists():
            await asyncio.sleep(0.01)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(program())
    time.sleep(1.3)
    assert not (project / "out/late").exists()


def test_wait_for_gives_a_run_a_time_limit(nap):
    async def program():
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(nap, [30, True]), 0.5)
        return time.monotonic() - started

    assert asyncio.run(program()) < 2


def test_limits_bound_a_run(nap):
    envelope = run_sync(nap, [30, True], limits={"timeout": "300ms"})
    assert envelope.error["error_type"] == "timeout"
    with pytest.raises(CapsuleError, match="timeot") as caught:
        run_sync(nap, limits={"timeot": "300ms"})
    assert "timeout" in caught.value.hint


def test_on_output_gets_what_the_guest_writes_by_stream(project):
    path = project.write(
        "main.py",
        """
        import sys

        def main():
            print("out \\u00e9")
            print("err", file=sys.stderr)
    """,
    )
    told = []
    run_sync(path, on_output=lambda stream, text: told.append((stream, text)))
    assert "".join(text for stream, text in told if stream == "stdout") == "out \u00e9\n"
    assert "".join(text for stream, text in told if stream == "stderr") == "err\n"


def test_without_on_output_the_guests_output_goes_to_stderr(project, python):
    project.write("main.py", "def main():\n    print('hello')\n")
    done = python("from capsule import run_sync; run_sync('main.py')")
    assert (done.stdout, done.stderr) == ("", "hello\n")


def test_an_on_output_that_raises_does_not_end_the_run(project, capsys):
    path = project.write("main.py", "def main():\n    print('hello')\n    return 1\n")
    assert run_sync(path, on_output=lambda stream, text: 1 / 0).result == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("args", ["text", b"bytes", 5, {"a": 1}])
def test_args_that_are_no_list_are_refused(nap, args):
    with pytest.raises(CapsuleError, match="args has to be a list"):
        run_sync(nap, args)


def test_arguments_that_cannot_become_json_are_refused(nap):
    with pytest.raises(CapsuleError, match="JSON") as caught:
        run_sync(nap, [object()])
    assert "pass strings" in caught.value.hint


def test_nan_infinity_and_large_integers_survive_both_ways(project):
    path = project.write("main.py", "def main(*values):\n    return list(values)\n")
    first, *rest = run_sync(path, [float("nan"), float("inf"), -float("inf"), 2**53 + 1, 2**200]).unwrap()
    assert first != first
    assert rest == [float("inf"), -float("inf"), 2**53 + 1, 2**200]


def test_a_failed_task_is_an_outcome_and_not_an_exception(project):
    path = project.write("main.py", "def main():\n    return 1 / 0\n")
    envelope = run_sync(path)
    assert envelope.error["error_type"] == "task_error"
    assert "ZeroDivisionError" in envelope.error["message"]


def test_another_task_of_the_file_can_be_run(project):
    path = project.write(
        "main.py",
        """
        from capsule import task

        @task(name="other")
        def other():
            return "other"

        @task(name="main")
        def main():
            return "main"
    """,
    )
    assert run_sync(path, task="other").result == "other"
    with pytest.raises(CapsuleError, match="nobody"):
        run_sync(path, task="nobody")


def test_an_edit_between_two_runs_of_a_process_takes_effect(project):
    path = project.write("main.py", "def main():\n    return 1\n")
    assert run_sync(path).result == 1
    project.write("main.py", "def main():\n    return 2\n")
    assert run_sync(path).result == 2


def test_a_program_ends_while_nothing_runs_any_more(project, python):
    project.write("main.py", "def main():\n    return 1\n")
    started = time.monotonic()
    done = python("from capsule import run_sync; print(run_sync('main.py').result)")
    assert (done.status, done.stdout, done.stderr) == (0, "1\n", "")
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("body", ["while True: print(1)", "while True: pass", "import time; time.sleep(60)"])
def test_a_program_that_ends_while_runs_are_under_way_ends_cleanly(project, python, body):
    """Sandboxes call back on threads: into an interpreter that is taken down, that would be an abort."""
    project.write(
        "main.py",
        f"""
        from capsule import task

        @task(name="main", compute="HIGH")
        def main():
            print("started", flush=True)
            {body}
    """,
    )
    done = python("""
        import threading
        from capsule import run_sync
        started = threading.Semaphore(0)

        def tell(stream, text):
            started.release()

        for _ in range(3):
            options = {"on_output": tell}
            threading.Thread(target=run_sync, args=["main.py"], kwargs=options, daemon=True).start()
        for _ in range(3):
            started.acquire()
        print("over")
    """)
    assert (done.status, done.stdout, done.stderr) == (0, "over\n", "")
