"""Four CPU-bound programs, the same as in cpu.js; ``main`` gives milliseconds."""

import json
import time
from collections.abc import Iterator
from itertools import islice

from capsule import task


def fib(n: int) -> int:
    """The slow way."""
    return n if n < 2 else fib(n - 1) + fib(n - 2)


def numbers() -> Iterator[int]:
    """The same numbers everywhere."""
    state = 12345
    while True:
        state = (state * 16807) % 2147483647
        yield state


def sort() -> int:
    """Numbers, in order."""
    return len(sorted(islice(numbers(), 20000)))


def round_trips() -> int:
    """JSON, both ways."""
    data = [{"id": n, "name": f"item {n}", "tags": ["a", "b"], "price": n / 3} for n in range(500)]
    for _ in range(10):
        data = json.loads(json.dumps(data))
    return len(data)


def text() -> int:
    """Built piece by piece, and taken apart."""
    built = ""
    for n in range(50000):
        built += f"{n},"
    return len("-".join(part.upper() for part in built.split(",")))


KERNELS = {"fib": lambda: fib(24), "sort": sort, "json": round_trips, "text": text}


@task(name="main", compute="HIGH")
def main(name: str) -> float:
    """Runs one of them."""
    started = time.perf_counter()
    KERNELS[name]()
    return (time.perf_counter() - started) * 1000
