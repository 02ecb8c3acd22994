"""Worker processes: where `run` has its sandboxes by default, and what happens when one goes wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from capsule import CapsuleError, run, run_sync
from capsule.workers import pool as pools
from capsule.workers.pool import MOST_ALIKE, MOST_IDLE, pool

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

BUSY = """
    import time
    from capsule import task

    @task(name="main", compute="HIGH", timeout="60s")
    def main(what="return"):
        print("started", flush=True)
        if what == "spin":
            while True: pass
        if what == "sleep":
            time.sleep(60)
        return what
"""

BLOCKS = """
    from capsule import task

    @task(name="main", allowed_files=["data"], timeout="500ms")
    def main():
        open("data/fifo").read()  # blocks in the system: no epoch reaches it
"""


def children(parent):
    """Process ids of the living children of a process."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(ppid) == parent and state not in "ZX":
            found.add(int(folder.name))
    return found


def workers():
    """Process ids of this process's workers."""
    process = pool().spawner._process
    return set() if process is None else children(process.pid)


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


class Running:
    """A run on a thread of its own, and the worker that has it."""

    def __init__(self, path, *args, **options):
        before = workers() - {worker.pid for worker in pool().idle}
        self.outcome = None
        started = threading.Event()
        options["on_output"] = lambda stream, text: started.set()
        self.thread = threading.Thread(target=self._run, args=(path, args, options))
        self.thread.start()
        assert started.wait(30)
        [self.worker] = workers() - {worker.pid for worker in pool().idle} - before

    def _run(self, path, args, options):
        self.outcome = run_sync(path, args, **options)

    def wait(self, seconds=30):
        self.thread.join(seconds)
        assert self.outcome is not None
        return self.outcome


@pytest.fixture(autouse=True)
def no_idle_workers():
    pool().clear()  # of another test


@pytest.fixture
def busy(project):
    return project.write("busy.py", BUSY)


@linux
def test_a_run_has_its_sandbox_in_a_process_of_its_own(busy):
    running = Running(busy, "sleep")
    assert running.worker != os.getpid()
    os.kill(running.worker, signal.SIGKILL)
    running.wait()


def test_isolation_is_chosen_by_the_caller_and_else_by_the_environment(busy, monkeypatch):
    used = []
    acquire = pools.Pool.acquire
    monkeypatch.setattr(pools.Pool, "acquire", lambda *args: used.append(1) or acquire(*args))
    for asked, variable, in_process in (
        (None, None, True),
        (None, "process", True),
        (None, "thread", False),
        ("process", "thread", True),
        ("thread", "process", False),
        ("thread", None, False),
    ):
        used.clear()
        if variable is None:
            monkeypatch.delenv("CAPSULE_ISOLATION", raising=False)
        else:
            monkeypatch.setenv("CAPSULE_ISOLATION", variable)
        assert run_sync(busy, isolation=asked).result == "return"
        assert bool(used) == in_process, (asked, variable)


def test_an_isolation_that_is_none_is_refused(busy, monkeypatch, cli, said):
    with pytest.raises(CapsuleError, match="isolation is 'proces'") as caught:
        run_sync(busy, isolation="proces")
    assert "process" in caught.value.hint
    said(cli("run", "busy.py", env={"CAPSULE_ISOLATION": "docker"}), "CAPSULE_ISOLATION", status=2)


@linux
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGBUS])
def test_a_worker_that_dies_is_a_crash_and_its_neighbours_finish(busy, number):
    victim = Running(busy, "spin")

    async def neighbours():
        return await asyncio.gather(*(run(busy) for _ in range(20)))

    kill = threading.Thread(target=lambda: kill_until_dead(victim.worker, number))
    kill.start()
    outcomes = asyncio.run(neighbours())
    kill.join()
    error = victim.wait().error
    assert error["error_type"] == "crash"
    assert number.name in error["message"]
    assert [outcome.result for outcome in outcomes] == ["return"] * 20


def kill_until_dead(pid, number):
    """wasmtime's handler lets the first SIGSEGV pass: it expects the instruction to fault again."""
    while pid in workers():
        os.kill(pid, number)
        time.sleep(0.02)


@linux
def test_a_worker_that_blocks_past_its_deadline_is_killed_and_the_others_go_on(project, busy):
    (project / "data").mkdir()
    os.mkfifo(project / "data/fifo")
    path = project.write("blocks.py", BLOCKS)

    async def together():
        return await asyncio.gather(*(run(path) for _ in range(4)), *(run(busy) for _ in range(20)))

    started = time.monotonic()
    outcomes = asyncio.run(together())
    assert [outcome.error["error_type"] for outcome in outcomes[:4]] == ["timeout"] * 4
    assert all(outcome.result == "return" for outcome in outcomes[4:])
    assert time.monotonic() - started < 20
    idle = {worker.pid for worker in pool().idle}
    wait_until(lambda: workers() <= idle)


def test_a_retry_after_a_crash_has_a_fresh_sandbox(project):
    path = project.write(
        "main.py",
        """
        import os
        from capsule import task

        @task(name="main", allowed_files=["out"], max_retries=2)
        def main():
            with open("out/tries", "a") as file:
                file.write("x")
            if os.path.getsize("out/tries") < 3:
                os.abort()
            return "third"
    """,
    )
    envelope = run_sync(path)
    assert envelope.result == "third"
    assert envelope.execution["retries"] == 2


@linux
@pytest.mark.parametrize("what", ["spin", "sleep"])
def test_a_cancelled_run_leaves_no_worker_busy(busy, what):
    started = threading.Event()

    async def program():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(busy, [what], on_output=lambda stream, text: started.set()), 1)

    asyncio.run(program())
    assert started.is_set()
    wait_until(lambda: not pool()._active)
    assert workers() <= {worker.pid for worker in pool().idle}


@linux
def test_a_blocked_worker_is_killed_when_its_run_is_cancelled(project):
    (project / "data").mkdir()
    os.mkfifo(project / "data/fifo")
    path = project.write("blocks.py", BLOCKS.replace("500ms", "60s"))

    async def program():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(run(path), 1)

    asyncio.run(program())
    wait_until(lambda: not pool()._active)
    assert workers() <= {worker.pid for worker in pool().idle}


def test_a_folder_that_was_replaced_is_the_new_one(project):
    path = project.write(
        "main.py",
        """
        import os
        from capsule import task

        @task(name="main", allowed_files=["data"])
        def main():
            return sorted(os.listdir("data"))
    """,
    )
    (project / "data").mkdir()
    (project / "data/old").write_text("")
    assert run_sync(path).result == ["old"]
    (project / "data").rename(project / "elsewhere")
    (project / "data").mkdir()
    (project / "data/new").write_text("")
    assert run_sync(path).result == ["new"]


def test_sub_tasks_have_workers_of_their_own_and_answer_by_their_numbers(project):
    path = project.write(
        "main.py",
        """
        from capsule import task

        @task
        def double(x): return 2 * x

        @task(name="main")
        def main(): return [outcome.result for outcome in double.map(range(40))]
    """,
    )
    for _ in range(2):
        assert run_sync(path).result == [2 * number for number in range(40)]


def test_loading_counts_against_the_fuel_of_the_run(project):
    path = project.write(
        "main.py",
        """
        from capsule import task
        for number in range(1_000_000):
            pass

        @task(name="main", compute="LOW")
        def main():
            return 1
    """,
    )
    for isolation in ("process", "thread"):
        options = {"isolation": isolation}
        assert run_sync(path, limits={"total_compute": "HIGH"}, **options).result == 1
        for _ in range(2):  # the second one has its sandbox prepared ahead, which costs the same
            error = run_sync(path, limits={"total_compute": 5_000_000}, **options).error
            assert error["error_type"] == "out_of_fuel"
            assert "total_compute" in error["message"]


@linux
def test_after_three_hundred_runs_no_process_and_no_descriptor_is_left(busy, monkeypatch):
    monkeypatch.setattr(pools, "KEEP_SECONDS", 0.2)

    async def many():
        gate = asyncio.Semaphore(8)

        async def one():
            async with gate:
                return await run(busy)

        return await asyncio.gather(*(one() for _ in range(300)))

    run_sync(busy)
    wait_until(lambda: not workers() and not pool()._kinds)
    before = descriptors()
    assert all(outcome.result == "return" for outcome in asyncio.run(many()))
    wait_until(lambda: not workers() and not pool().idle and not pool()._kinds)
    wait_until(lambda: descriptors() <= before)


@linux
def test_idle_workers_are_few(busy):
    async def many():
        return await asyncio.gather(*(run(busy) for _ in range(60)))

    asyncio.run(many())
    wait_until(lambda: len(workers()) <= MOST_ALIKE)


@linux
def test_idle_workers_of_many_programs_are_few_together(project):
    async def many():
        files = [project.write(f"p{each}.py", f"def main(): return {each}") for each in range(MOST_IDLE + 4)]
        return await asyncio.gather(*map(run, files))

    outcomes = asyncio.run(many())
    assert [outcome.result for outcome in outcomes] == list(range(MOST_IDLE + 4))
    wait_until(lambda: len(workers()) <= MOST_IDLE)


PROGRAM = """
import os, sys, threading
from capsule import run_sync

def tell(stream, text):
    print("started", flush=True)

threading.Thread(target=run_sync, args=["busy.py", ["spin"]], kwargs={"on_output": tell}).start()
threading.Thread(target=run_sync, args=["busy.py", ["sleep"]], kwargs={"on_output": tell}).start()
"""


def session_of(pid):
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == pid and fields[0] not in "ZX":
            found.add(int(folder.name))
    return found


@linux
@pytest.mark.skipif(
    sys.version_info[:3] in ((3, 12, 0), (3, 12, 1)),
    reason="this Python starts no threads once the main one has ended, though others go on",
)
def test_no_worker_outlives_a_caller_that_is_killed(project, busy):
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=project.root,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert [child.stdout.readline() for _ in range(2)] == ["started\n"] * 2
        assert len(session_of(child.pid)) >= 4  # itself, what starts workers, and two of those
        child.kill()
        child.wait()
        wait_until(lambda: not session_of(child.pid))
    finally:
        for pid in session_of(child.pid):
            os.kill(pid, signal.SIGKILL)
        child.stdout.close()


@linux
def test_workers_end_when_what_starts_them_is_killed_and_the_next_run_works(busy):
    running = Running(busy, "spin")
    os.kill(pool().spawner._process.pid, signal.SIGKILL)
    assert running.wait().error["error_type"] == "crash"
    assert run_sync(busy).result == "return"


def test_a_program_that_forks_has_workers_of_its_own_in_the_child(project, busy, python):
    done = python(
        """
        import os
        from capsule import run_sync
        print(run_sync("busy.py", on_output=print).result, flush=True)
        child = os.fork()
        print(run_sync("busy.py", on_output=print).result, flush=True)
        if child:
            print(os.waitpid(child, 0)[1], flush=True)
        """
    )
    assert done.status == 0, done
    assert (
        sorted(line for line in done.stdout.splitlines() if line in ("0", "return")) == ["0"] + ["return"] * 3
    )


def test_many_threads_can_be_the_first_to_run_something(project, busy, python):
    done = python(
        """
        import sys, threading
        sys.setswitchinterval(1e-6)
        from capsule import run_sync
        from capsule.workers import pool

        pools, together = set(), threading.Barrier(16)

        def one():
            together.wait()
            pools.add(pool.pool())

        threads = [threading.Thread(target=one) for _ in range(16)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(len(pools), run_sync("busy.py", on_output=lambda *said: None).result)
        """
    )
    assert done.stdout == "1 return\n", done


def test_a_module_beside_the_program_is_not_imported_by_workers(project, busy, python):
    for name in ("json.py", "wasmtime.py", "sitecustomize.py", "capsule.py"):
        project.write(name, "open('planted', 'w').close()")
    text = "import sys; sys.path[:] = [p for p in sys.path if p]; from capsule import run_sync\n"
    done = python(textwrap.dedent(text) + "print(run_sync('busy.py', on_output=lambda *_: None).result)")
    assert (done.status, done.stdout) == (0, "return\n"), done
    assert not (project / "planted").exists()


def test_without_an_interpreter_the_error_says_what_to_do(project, busy, python):
    done = python(
        """
        import sys
        from capsule import run_sync
        sys.executable = "/nonexistent/python"
        try:
            print(run_sync("busy.py"))
        except Exception as error:
            print(type(error).__name__, error)
        """
    )
    assert "SpawnError" in done.stdout, done
    assert "CAPSULE_ISOLATION" in done.stdout
