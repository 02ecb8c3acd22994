from __future__ import annotations

import os
import queue
from pathlib import Path

import pytest

from capsule.runtime.foreign.standard_streams import Kept, OutputPipe


def write(pipe: OutputPipe, data: bytes) -> None:
    with Path(pipe.path).open("wb") as file:
        file.write(data)


def test_everything_that_was_written_is_there_when_the_writer_has_ended():
    for size in (0, 1, 70_000, 1_000_000):
        taken: list[bytes] = []
        pipe = OutputPipe(taken.append)
        write(pipe, b"x" * size)
        pipe.drain()
        assert b"".join(taken) == b"x" * size


def test_it_is_taken_while_the_writer_goes_on():
    taken = queue.Queue[bytes]()
    pipe = OutputPipe(taken.put)
    with Path(pipe.path).open("wb", buffering=0) as file:
        for piece in (b"one", b"two"):
            file.write(piece)
            assert taken.get(timeout=60) == piece
    pipe.drain()


def test_no_more_is_kept_than_may_be_and_one_byte_that_tells():
    kept = Kept(10)
    pipe = OutputPipe(kept.take)
    write(pipe, b"x" * 5_000_000)
    pipe.drain()
    assert kept.data == b"x" * 11


def test_a_process_that_inherited_the_pipe_holds_nothing_up():
    kept = Kept(100)
    pipe = OutputPipe(kept.take)
    held = os.open(pipe.path, os.O_WRONLY)
    try:
        write(pipe, b"all")
        pipe.drain()
        assert kept.data == b"all"
    finally:
        os.close(held)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_nothing_stays_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(200):
        kept = Kept(100)
        pipe = OutputPipe(kept.take)
        write(pipe, b"all")
        pipe.drain()
        pipe.drain()
        assert kept.data == b"all"
    # Other threads of this process may open some of their own meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 100
