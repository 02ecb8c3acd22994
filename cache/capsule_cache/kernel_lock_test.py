from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from capsule_cache import kernel_lock


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], int]:
    (tmp_path / "file").touch()
    return lambda: os.open(tmp_path / "file", os.O_RDWR)


def test_one_holder_at_a_time_in_one_process_too(opened: Callable[[], int]) -> None:
    one, other = opened(), opened()
    assert kernel_lock.take(one) is True
    assert kernel_lock.take(other) is False
    kernel_lock.drop(one)
    assert kernel_lock.take(other) is True
    kernel_lock.drop(other)


def test_dropping_unlocks_even_while_somebody_shares_the_descriptor(opened: Callable[[], int]) -> None:
    one, other = opened(), opened()
    assert kernel_lock.take(one) is True
    shared = os.dup(one)
    kernel_lock.drop(one)
    assert kernel_lock.take(other) is True
    kernel_lock.drop(other)
    os.close(shared)


def test_a_forked_child_does_not_keep_the_lock(opened: Callable[[], int]) -> None:
    one, other = opened(), opened()
    assert kernel_lock.take(one) is True
    pid = os.fork()
    if pid == 0:
        signal.pause()
    # Only closed here, as by a death: a child with the descriptor would go on holding the lock.
    os.close(one)
    kernel_lock._held.discard(one)
    try:
        for _ in range(1000):
            if taken := kernel_lock.take(other):
                break
            time.sleep(0.005)
        assert taken
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        kernel_lock.drop(other)
