"""How long the levels of compute last, in each language: the table in docs/guide.md.

``uv run python bench/levels.py`` runs three programs of each language until their fuel is used up, three
times each, and prints the seconds of each level, from the fastest to the slowest program's median.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from capsule import run_sync
from capsule.policy.sizes import LEVELS

FUEL = 5_000_000_000
ROUNDS = 3

PYTHON = """
import json, re
from capsule import task

def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@task(name="main")
def main():
    n = 0
    while True:
        n += 1

@task(name="calls")
def calls():
    while True:
        fib(20)

@task(name="text")
def text():
    while True:
        rows = json.loads(json.dumps([{"id": n, "name": f"item {n}"} for n in range(500)]))
        re.sub(r"[0-9]+", "x", str(sorted(rows, key=lambda row: -row["id"])))
"""

TYPESCRIPT = """
import { task } from "@capsule-run/sdk";

const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));

export const main = task({ name: "main" }, () => {
  let n = 0;
  for (;;) n += 1;
});
export const calls = task({ name: "calls" }, () => {
  for (;;) fib(20);
});
export const text = task({ name: "text" }, () => {
  for (;;) {
    const made = Array.from({ length: 500 }, (_, id) => ({ id, name: `item ${id}` }));
    const rows = JSON.parse(JSON.stringify(made)) as typeof made;
    JSON.stringify(rows.sort((one, other) => other.id - one.id)).replace(/[0-9]+/g, "x");
  }
});
"""

C = """
#include <capsule.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fib(uint64_t n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

CAPSULE_TASK(main) {
    volatile uint64_t n = 0;
    for (;;) n++;
    return capsule_return((int64_t)n);
}

CAPSULE_TASK(calls) {
    volatile uint64_t sum = 0;
    for (;;) sum += fib(20);
    return capsule_return((int64_t)sum);
}

CAPSULE_TASK(text) {
    volatile uint64_t sum = 0;
    char *text = malloc(1 << 16);
    for (;;) {
        for (size_t n = 0; n < 1 << 16; n++) text[n] = (char)('a' + n % 26);
        sum += (uint64_t)(memchr(text, 'z', 1 << 16) != NULL);
    }
    return capsule_return((int64_t)sum);
}
"""

PROGRAMS = {"Python": ("levels.py", PYTHON), "TypeScript": ("levels.ts", TYPESCRIPT), "C": ("levels.c", C)}


def main() -> None:
    """Measures and prints."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for language, (file, source) in PROGRAMS.items():
            (folder / file).write_text(source)
            rates = [_rate(folder / file, task) for task in ("main", "calls", "text")]
            for level, fuel in LEVELS.items():
                print(f"{language:12} {level:8} {fuel / max(rates):8.3g} to {fuel / min(rates):.3g} s")


def _rate(path: Path, task: str) -> float:
    """Units of fuel in a second, the median."""
    found = []
    for _ in range(ROUNDS):
        outcome = run_sync(path, task=task, cwd=path.parent, limits={"compute": FUEL, "timeout": "5m"})
        execution = outcome.execution
        seconds = (execution["duration_ms"] - execution["load_ms"]) / 1000
        found.append(execution["fuel_consumed"] / seconds)
    return float(statistics.median(found))


if __name__ == "__main__":
    main()
