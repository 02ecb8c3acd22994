"""A child that runs `drive.py`, and is asked for so many runs at once."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

DRIVER = Path(__file__).parent / "drive.py"


@contextmanager
def driver(
    python: str | Path, source: Path, environment: Mapping[str, str], name: str
) -> Iterator[Callable[[int], float]]:
    """A child that calls ``run()``: a function that makes so many calls at once and gives the seconds."""
    child = subprocess.Popen(
        [python, DRIVER, source],
        cwd=source.parent,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    stdin, stdout = child.stdin, child.stdout

    def call(count: int) -> float:
        stdin.write(f"{count}\n")
        stdin.flush()
        return float(stdout.readline())

    try:
        if stdout.readline().strip() != "ready":
            raise SystemExit(f"{name}: run() failed")
        yield call
    finally:
        stdin.close()  # ends the child, and what it has started
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
