"""Starts the compiling process, waits for it, and says what became of it.

The process gets nothing but the component and its bounds: no environment, no folder of the project on its
path, no code of anybody's but Python's, wasmtime's and ours.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Final

from capsule.build.compiling.bounds import LARGEST_CODE, MEMORY_VARIABLE, TIMEOUT_VARIABLE, Bounds
from capsule.build.compiling.child import NO_MEMORY, REFUSED
from capsule.errors import ArtifactError

MOST_THREADS: Final = 8
"""Threads of one compilation, each with the memory for a function of its own."""

AT_ONCE: Final = 4
"""Compilations of this process at the same time; others wait. Each has its own bounds."""

LONGEST_REASON: Final = 500

# The packages are found where this process found them, after Python's own, whatever else lies there.
_CHILD: Final = "capsule.build.compiling.child"
_START: Final = f"import sys; sys.path += sys.argv[1:3]; from {_CHILD} import main; main(sys.argv[3:])"

_places = threading.BoundedSemaphore(AT_ONCE)


def compile_component(wasm: bytes, name: str) -> bytes:
    """The native code of a component, as wasmtime keeps it, for the settings of `capsule.runtime.engine`.

    Raises `ArtifactError` for what is no component, or takes more than its bounds, which the message names.
    """
    bounds = Bounds.of(len(wasm), name)
    with _places, ExitStack() as open_files:
        try:
            source = open_files.enter_context(tempfile.TemporaryFile())
            target = open_files.enter_context(tempfile.TemporaryFile())
            source.write(wasm)
            source.seek(0)
            status, said = _run(source, target, bounds)
        except OSError as error:
            raise ArtifactError(
                f"{name} can't be compiled: {error.strerror or error}",
                hint="compiling takes a process of its own, and room for temporary files",
            ) from None
        if status != 0:
            reason = os.pread(target.fileno(), 10_000, 0).decode("utf-8", "replace")
            raise _failure(status, reason, said, name, bounds)
        target.seek(0)
        return target.read()


def _run(source: IO[bytes], target: IO[bytes], bounds: Bounds) -> tuple[int | None, str]:
    """The exit status, None when time was up, and what the process said."""
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    here, lifeline = os.pipe()
    descriptors = (source.fileno(), target.fileno(), here)
    numbers = (*descriptors, os.getpid(), bounds.memory, int(bounds.seconds * threads) + 1, LARGEST_CODE)
    try:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START, *_roots(), *map(str, numbers)],
            cwd="/",
            env=_environment(threads),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            start_new_session=True,
        )
        with child:
            try:
                _, said = child.communicate(timeout=bounds.seconds)
            except subprocess.TimeoutExpired:
                return None, ""
            finally:
                child.kill()
        return child.returncode, said.decode("utf-8", "replace")
    finally:
        os.close(here)
        os.close(lifeline)


def _roots() -> tuple[str, str]:
    import wasmtime

    import capsule

    return str(Path(wasmtime.__file__).parent.parent), str(Path(capsule.__file__).parent.parent)


def _environment(threads: int) -> dict[str, str]:
    kept = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TMPDIR")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return environment | {"RAYON_NUM_THREADS": str(threads)}


def _failure(status: int | None, reason: str, said: str, name: str, bounds: Bounds) -> ArtifactError:
    if status == REFUSED:
        lines = "; ".join(line.strip() for line in reason.splitlines() if line.strip())
        return ArtifactError(f"{name} is not a component that can be compiled: {lines[:LONGEST_REASON]}")
    if status is None or status == -signal.SIGXCPU:
        return ArtifactError(
            f"{name} takes longer to compile than {round(bounds.seconds, 1):g} seconds",
            hint=f"if you trust it, set {TIMEOUT_VARIABLE}, such as {TIMEOUT_VARIABLE}=10m",
        )
    if status == NO_MEMORY or "memory allocation of" in said or "Cannot allocate memory" in said:
        return ArtifactError(
            f"{name} takes more memory to compile than {bounds.memory >> 20} MiB",
            hint=f"if you trust it, set {MEMORY_VARIABLE}, such as {MEMORY_VARIABLE}=8GB",
        )
    last = (said.strip().splitlines() or [f"status {status}"])[-1]
    return ArtifactError(f"{name} can't be compiled: the compiler broke down ({last[:LONGEST_REASON]})")
