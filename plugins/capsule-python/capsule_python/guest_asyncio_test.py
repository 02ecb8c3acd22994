"""Waiting: asyncio, sleeping, threads."""

from __future__ import annotations

from capsule_python.harness_test import World, program, run


def test_sleeps_go_through_the_host_and_overlap() -> None:
    source = """
import asyncio, time
async def main():
    started = time.monotonic()
    await asyncio.gather(*(asyncio.sleep(0.2) for _ in range(10)))
    return time.monotonic() - started
"""
    world = World(program(source))
    assert 0.19 < world.run().result < 1
    assert any(line.startswith("sleep") for line in world.log)


def test_the_usual_tools_of_asyncio_work() -> None:
    source = """
import asyncio
async def main():
    queue = asyncio.Queue(1)
    async def produce():
        for n in range(3):
            await queue.put(n)
    async def consume():
        return [await queue.get() for _ in range(3)]
    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        consumed = group.create_task(consume())
    found = [consumed.result()]
    for waiting in (asyncio.wait_for(asyncio.sleep(9), 0.01), asyncio.wait_for(asyncio.Event().wait(), 0.01)):
        try:
            await waiting
        except TimeoutError:
            found.append("timeout")
    try:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(9)
    except TimeoutError:
        found.append("timeout")
    found.append(await asyncio.to_thread(sum, [1, 2]))
    found.append([await f for f in asyncio.as_completed([asyncio.sleep(0.02, "b"), asyncio.sleep(0, "a")])])
    lock = asyncio.Lock()
    async with lock:
        found.append(lock.locked())
    return found
"""
    assert run(source).result == [[0, 1, 2], "timeout", "timeout", "timeout", 3, ["a", "b"], True]


def test_waiting_for_nothing_is_an_error_and_no_hang() -> None:
    source = "import asyncio\nasync def main():\n    await asyncio.Event().wait()\n"
    error = run(source).error
    assert error["error_type"] == "task_error"
    assert "deadlock" in error["message"]


def test_an_exception_in_a_task_group_is_told() -> None:
    source = """
import asyncio
async def fail():
    raise ValueError("in the group")
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
"""
    assert "ValueError: in the group" in run(source).error["traceback"]


def test_asyncio_run_can_be_used_more_than_once() -> None:
    source = """
import asyncio
async def one():
    await asyncio.sleep(0)
    return 1
def main():
    return [asyncio.run(one()), asyncio.run(one()), asyncio.new_event_loop().run_until_complete(one())]
"""
    assert run(source).result == [1, 1, 1]


def test_time_sleep_and_select_go_through_the_host() -> None:
    source = """
import time, select
def main():
    time.sleep(0.01)
    select.select([], [], [], 0.02)
    time.sleep(0)
"""
    world = World(program(source))
    assert world.run().result is None
    assert [line for line in world.log if line.startswith("sleep")] == ["sleep 0.01", "sleep 0.02"]


def test_time_sleep_refuses_what_pythons_own_refuses() -> None:
    source = """
import time
def main():
    found = []
    for value in (-1, float("nan"), "x"):
        try:
            time.sleep(value)
        except (ValueError, TypeError) as error:
            found.append(type(error).__name__)
    return found
"""
    assert run(source).result == ["ValueError", "ValueError", "TypeError"]


def test_thread_pools_run_inline_and_threads_say_what_to_do() -> None:
    source = """
import concurrent.futures, threading
from concurrent.futures import ThreadPoolExecutor
def main():
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = [list(pool.map(abs, [-1, -2])), repr(pool.submit(int, "x").exception())]
        done = concurrent.futures.wait([pool.submit(abs, -3)])
    found.append([future.result() for future in done.done])
    try:
        threading.Thread(target=print).start()
    except RuntimeError as error:
        found.append("task.map()" in str(error))
    return found
"""
    assert run(source).result == [
        [1, 2],
        """ValueError("invalid literal for int() with base 10: 'x'")""",
        [3],
        True,
    ]


def test_clocks_are_sane() -> None:
    source = """
import time
def main():
    clocks = [time.monotonic, time.perf_counter, time.process_time, time.thread_time]
    before = [clock() for clock in clocks]
    time.sleep(0.01)
    return [time.time(), before, [clock() for clock in clocks]]
"""
    import time

    now, before, after = run(source).result
    assert abs(now - time.time()) < 60
    assert all(0 <= first < second < 3600 for first, second in zip(before, after, strict=True))


def test_a_lock_that_nobody_can_release_does_not_hang() -> None:
    source = """
import queue, threading
def main(kind):
    if kind == "lock":
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()
    if kind == "timed":
        lock = threading.Lock()
        lock.acquire()
        return lock.acquire(timeout=0.01)
    if kind == "queue":
        queue.Queue().get()
    if kind == "simple":
        queue.SimpleQueue().get()
    if kind == "event":
        event = threading.Event()
        return [event.wait(0.01), event.set(), event.wait()]
    if kind == "usual":
        condition = threading.Condition()
        with threading.Lock() as held, threading.RLock(), condition:
            condition.notify_all()
        work = queue.Queue()
        work.put(1)
        return [held, work.get(), work.empty(), threading.Lock().acquire(blocking=False)]
"""
    world = World(program(source), fuel=3_000_000_000)
    assert world.run("main", "timed").result is False
    assert world.run("main", "event").result == [False, None, True]
    assert world.run("main", "usual").result == [True, 1, True, True]
    for kind in ("lock", "queue", "simple"):
        assert "deadlock" in world.run("main", kind).error["message"]
