"""Measures C tasks: CPU-bound work against the same C compiled for this machine, and against other tasks.

    python bench/compiled.py [--rounds N] [--no-others] [--json FILE]

Every kernel times itself, so that neither a process's nor a sandbox's start counts. The variants take
turns within a round. Python and TypeScript do less of the work, which is multiplied: their time
grows with it. "unmetered" is the task's own component under an engine without fuel and epochs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import wasmtime
import wasmtime.component

from capsule import run_sync
from capsule.artifact.sections import parse

HERE = Path(__file__).parent / "compiled"

SIZES = {"nbody": 1_000_000, "sha256": 500_000, "heapsort": 1_000_000}
"""Steps, blocks, numbers: a few tenths of a second of C."""

PARTS = {"python": {"nbody": 100, "heapsort": 20}, "typescript": {"nbody": 50, "heapsort": 10}}
"""What fraction of the work the slower languages do."""

Measure = Callable[[str, int], dict[str, Any]]


def zig() -> Path:
    """The compiler of the ``ziglang`` package."""
    spec = importlib.util.find_spec("ziglang")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "zig"


def native(folder: Path) -> Measure:
    """The kernels compiled for this very machine, with whatever instructions it has."""
    program = folder / "native"
    command = [str(zig()), "cc", "-O2", "-std=gnu23", "-o", str(program), str(HERE / "native.c"), "-lm"]
    subprocess.run(command, check=True)

    def measure(kernel: str, size: int) -> dict[str, Any]:
        done = subprocess.run([program, kernel, str(size)], check=True, capture_output=True)
        return dict(json.loads(done.stdout))

    return measure


def task(folder: Path, name: str) -> Measure:
    """A task in a sandbox, as anybody runs it."""
    for file in (name, "kernels.h"):
        (folder / file).write_bytes((HERE / file).read_bytes())

    def measure(kernel: str, size: int) -> dict[str, Any]:
        return dict(run_sync(folder / name, [kernel, size], cwd=folder, limits={"compute": 10**12}).unwrap())

    return measure


def unmetered(folder: Path) -> Measure:
    """The C task's component under an engine that counts nothing."""
    [artifact] = (folder / ".capsule" / "wasm").glob("task_*.wasm")
    config = wasmtime.Config()
    engine = wasmtime.Engine(config)
    component = wasmtime.component.Component(engine, parse(artifact.read_bytes(), name="task").component)
    linker = wasmtime.component.Linker(engine)
    linker.add_wasip2()
    linker.define_unknown_imports_as_traps(component)

    def measure(kernel: str, size: int) -> dict[str, Any]:
        store = wasmtime.Store(engine)
        store.set_wasi(wasmtime.WasiConfig())
        run = linker.instantiate(store, component).get_func(store, "run")
        call = {"task": "main", "args": [kernel, size], "kwargs": {}}
        return dict(json.loads(run(store, json.dumps(call)))["result"])

    return measure


def main() -> None:
    """Measures, prints a table, and writes the numbers when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-others", action="store_true", help="C alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    times: dict[str, dict[str, list[float]]] = {kernel: {} for kernel in SIZES}
    with tempfile.TemporaryDirectory(prefix="capsule-bench-") as name:
        folder = Path(name)
        variants: dict[str, Measure] = {"native": native(folder), "task": task(folder, "task.c")}
        started = time.monotonic()
        variants["task"]("nbody", 1)
        print(f"first run of the C task: {time.monotonic() - started:.2f} s")
        variants["unmetered"] = unmetered(folder)
        if not options.no_others:
            variants |= {"python": task(folder, "task.py"), "typescript": task(folder, "task.ts")}
        for turn in range(options.rounds + 1):  # the first round warms up, and is not counted
            for kernel, size in SIZES.items():
                results = []
                for variant, measure in variants.items():
                    part = PARTS.get(variant, dict.fromkeys(SIZES, 1)).get(kernel)
                    if part is None:
                        continue
                    found = measure(kernel, size // part)
                    if part == 1:
                        results.append(found["result"])
                    if turn > 0:
                        times[kernel].setdefault(variant, []).append(found["seconds"] * part)
                # Fused multiplication and addition, which only this machine may have, rounds otherwise.
                same = all(math.isclose(result, results[0], rel_tol=1e-6) for result in results)
                assert same, f"{kernel}: the variants differ: {results}"
    print("| kernel | " + " | ".join(variants) + " | task / native | metering |")
    print("|" + "---|" * (len(variants) + 3))
    for kernel, measured in times.items():
        middle = {variant: statistics.median(seconds) for variant, seconds in measured.items()}
        least = {variant: min(seconds) for variant, seconds in measured.items()}
        cells = [f"{middle[variant]:.3f} s" if variant in middle else "" for variant in variants]
        ratio = f"{middle['task'] / middle['native']:.2f} (min {least['task'] / least['native']:.2f})"
        metering = f"{middle['task'] / middle['unmetered']:.2f}"
        print(f"| {kernel} | " + " | ".join(cells) + f" | {ratio} | {metering} |")
    if options.json is not None:
        options.json.write_text(json.dumps(times, indent=1) + "\n")


if __name__ == "__main__":
    main()
