"""What a process has one of is made once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from capsule.runtime.once import once


def test_threads_that_ask_at_the_same_moment_get_the_same():
    together = threading.Barrier(8)
    made = []

    @once
    def thing() -> object:
        # Whoever is in here gives the others time to come in, too.
        made.append(threading.Event().wait(0.02))
        return object()

    def ask(_: int) -> object:
        together.wait(10)
        return thing()

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(ask, range(8)))) == 1
    assert len(made) == 1


def test_a_failure_is_not_kept():
    answers = iter([ValueError("first"), "second"])

    @once
    def thing() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with pytest.raises(ValueError, match="first"):
        thing()
    assert thing() == "second"
    assert thing() == "second"
