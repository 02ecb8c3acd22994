import sys
import threading
import time

from capsule.runtime import threads
from capsule.runtime.threads import run_on_guest_thread


def wait_for(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_thread_is_used_again():
    seen = []
    for number in range(3):
        done = threading.Event()

        def job(done=done):
            seen.append(threading.get_ident())
            done.set()

        run_on_guest_thread(job, name=f"guest-{number}")
        assert done.wait(5)
        wait_for(lambda: threads._idle)
    assert len(set(seen)) == 1


def test_jobs_run_side_by_side():
    barrier = threading.Barrier(4, timeout=5)
    passed = []
    for _ in range(4):
        run_on_guest_thread(lambda: passed.append(barrier.wait()), name="guest")
    wait_for(lambda: len(passed) == 4)


def test_the_stack_is_deep_enough_for_a_guest():
    depth = 150_000
    result = []

    def job():
        def nest(left):
            return 0 if left == 0 else 1 + sorted([left], key=lambda _: nest(left - 1))[0] * 0

        before = sys.getrecursionlimit()
        sys.setrecursionlimit(depth)
        try:
            nest(20_000)  # through C code each time: an ordinary thread's 8 MiB end before
            result.append("deep")
        except RecursionError:
            result.append("limited")  # later Pythons bound nesting through C by count
        finally:
            sys.setrecursionlimit(before)

    run_on_guest_thread(job, name="guest")
    wait_for(lambda: result, 20)


def test_an_idle_thread_ends(monkeypatch):
    monkeypatch.setattr(threads, "IDLE_SECONDS", 0.05)
    done = threading.Event()
    run_on_guest_thread(done.set, name="short-lived-guest")
    assert done.wait(5)
    wait_for(lambda: not any(thread.name == "short-lived-guest" for thread in threading.enumerate()), 10)
