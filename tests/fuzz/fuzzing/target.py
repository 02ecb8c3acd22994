"""What a fuzz target is, and what every run of one is held to."""

from __future__ import annotations

import signal
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

SEEDS = Path(__file__).parent.parent / "seeds"

LARGEST_INPUT = 1 << 16
"""Bytes: what is superlinear shows in these, and the alarm then rings."""

HANGS_AFTER = 30
"""Seconds. An input takes milliseconds; this is for a machine that does much else."""

MEMORY = 8 << 20
MEMORY_PER_BYTE = 4096
"""Bytes of Python's memory that a parser may take at its highest: some, and so many for each byte of input.
A parser that lays out what an input only claims (a length, a count) takes gigabytes."""

JSON = (
    *(b"null", b"true", b"-1", b"1e999", b"NaN", b"9" * 5000, b'"\\ud800"', b"[" * 3000, b"{}"),
    *(b'"', b",", b":", b"["),
)
"""Pieces of JSON that its readers trip over."""


class Hang(BaseException):
    """A parser took longer than `HANGS_AFTER`. No handler of ours for errors takes it for one."""


class Greedy(AssertionError):
    """A parser took more memory than its input is worth."""


@dataclass(frozen=True)
class Target:
    """A parser under attack.

    ``check`` gives it an input and asserts what must hold of the answer; only ``raises`` may come out of it.
    ``tokens`` are pieces that inputs are made of, for mutations that stay near the format. ``cost`` is how
    many times dearer an input is than most targets'.
    """

    name: str
    check: Callable[[bytes], object]
    raises: tuple[type[Exception], ...]
    tokens: tuple[bytes, ...]
    cost: int = 1

    @cached_property
    def seeds(self) -> tuple[bytes, ...]:
        """The committed inputs, in the order of their names."""
        return tuple(file.read_bytes() for file in sorted((SEEDS / self.name).iterdir()))

    def run(self, data: bytes) -> bool:
        """Gives one input. Returns whether the parser took it.

        What breaks a promise comes out: any exception but ``raises``, `Hang`, `Greedy`.
        """
        try:
            with _bounded(len(data)):
                self.check(data)
        except self.raises:
            return False
        return True

    def warm_up(self) -> None:
        """Has the parser import what it imports on its first use, so that this counts for no input."""
        for seed in self.seeds:
            with suppress(*self.raises):
                self.check(seed)


TARGETS: dict[str, Target] = {}


def target(
    *raises: type[Exception], tokens: tuple[bytes, ...] = (), cost: int = 1
) -> Callable[[Callable[[bytes], object]], Callable[[bytes], object]]:
    """Registers a function as the target of its name."""

    def register(check: Callable[[bytes], object]) -> Callable[[bytes], object]:
        TARGETS[check.__name__] = Target(check.__name__, check, raises, tokens, cost)
        return check

    return register


@contextmanager
def scratch(data: bytes, name: str) -> Iterator[Path]:
    """A file with this content, alone in a folder, for parsers that take a path."""
    with tempfile.TemporaryDirectory(prefix="capsule-fuzz-") as folder:
        file = Path(folder).resolve() / name
        file.write_bytes(data)
        file.chmod(0o600)
        yield file


def text(data: bytes) -> str:
    """The input as text, as a sandbox or a JSON document could bring it: surrogates included."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace")


@contextmanager
def _bounded(size: int) -> Iterator[None]:
    def ring(number: int, frame: object) -> None:
        raise Hang(f"longer than {HANGS_AFTER} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER)
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        # Also of an input that is refused: refusing may cost no more than reading.
        if peak > MEMORY + MEMORY_PER_BYTE * size:
            raise Greedy(f"{peak >> 20} MiB for {size} bytes")
