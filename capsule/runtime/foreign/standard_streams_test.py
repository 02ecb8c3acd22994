from __future__ import annotations

import os
from pathlib import Path

import pytest

from capsule.runtime.foreign.standard_streams import OutputPipe


def write(pipe: OutputPipe, data: bytes) -> None:
    with Path(pipe.path).open("wb") as file:
        file.write(data)


def test_everything_that_was_written_is_there_when_the_writer_has_ended():
    for size in (0, 1, 70_000, 1_000_000):
        pipe = OutputPipe(10_000_000)
        write(pipe, b"x" * size)
        assert pipe.drain() == b"x" * size


def test_no_more_is_kept_than_may_be_and_one_byte_that_tells():
    pipe = OutputPipe(10)
    write(pipe, b"x" * 5_000_000)
    assert pipe.drain() == b"x" * 11


def test_a_process_that_inherited_the_pipe_holds_nothing_up():
    pipe = OutputPipe(100)
    held = os.open(pipe.path, os.O_WRONLY)
    try:
        write(pipe, b"all")
        assert pipe.drain() == b"all"
    finally:
        os.close(held)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")
def test_nothing_stays_open():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(200):
        pipe = OutputPipe(100)
        write(pipe, b"all")
        assert pipe.drain() == pipe.drain() == b"all"
    # Other threads of this process may open some of their own meanwhile.
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 100
