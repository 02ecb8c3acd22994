"""Sealed sandboxes: for a frontend's questions to its engine, with no rights at all.

A program's top level runs in there while its tasks are found, before anybody has seen its policy. So the
sandbox is in a confined worker process like every other, unless the operator keeps sandboxes in threads.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.artifact.manifest import Manifest
from capsule.artifact.sections import ProgramTable
from capsule.egress.wire import RequestFailure
from capsule.errors import BuildError
from capsule.runtime.attempt import Assignment, AttemptResult, Budget
from capsule.runtime.host.guest import TaskRefused
from capsule.runtime.interrupt import Interrupt
from capsule.runtime.loaded import Loaded
from capsule.runtime.output import Capture
from capsule.runtime.preopens import PROGRAM_FILES, Preopen
from capsule.runtime.sandbox import no_export
from capsule.runtime.threads import run_on_guest_thread
from capsule.runtime.traps import Failure
from capsule.workers.attempts import attempts
from capsule.workers.isolation import chosen_isolation

if TYPE_CHECKING:
    from capsule.build.compiled import CompiledCode
    from capsule.runtime.denials import PathUse

SEALED_FUEL = 500_000_000_000
SEALED_SECONDS = 300.0
SEALED_RAM = 2 << 30

LARGEST_ANSWER = 256 << 20
"""Characters of an answer."""

LONGEST_MESSAGE = 10_000

_KEPT_OUTPUT = 1 << 20
_WORDS = {"compute": "the fuel for building", "timeout": "building may take", "ram": "building may take"}


class _Nothing:
    """Services that refuse everything."""

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Refuses."""
        raise TaskRefused("not-running", "tasks can't be started while a program is being built")

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Refuses."""
        raise RequestFailure("denied", "no host can be reached while a program is being built")

    def denial(self, asked: PathUse) -> str | None:
        """None: no task is running whose policy could be the reason."""
        return None

    def waiting(self) -> None:
        """Nothing waits for this sandbox's place."""

    def resumed(self) -> None:
        """Nothing waits for this sandbox's place."""


def call_sealed(
    code: CompiledCode,
    program: ProgramTable | None,
    export: str,
    arguments: tuple[str, ...],
    what: str,
    files: Path | None = None,
    ram: int = SEALED_RAM,
) -> str:
    """Calls an export in a sandbox without hosts, environment, tasks, or any files but the program's own.

    With ``program``, it is loaded first. ``ram`` is in bytes. Raises `BuildError` when that fails or the
    sandbox traps, and `LookupError` when the component has no such export.
    """
    results: list[AttemptResult] = []
    ended = threading.Event()

    def report(result: AttemptResult, given_up: bool) -> None:
        results.append(result)
        ended.set()

    nobody = Manifest(source=what, key="", frontend="", frontend_version="", tasks={}, workflow={})
    assignment = Assignment(
        Loaded(nobody, code, program, files),
        () if files is None else (Preopen(files, PROGRAM_FILES, writable=False),),
        environment={},
        ram=min(ram, SEALED_RAM),
        until=None,
        ahead=False,
        call=json.dumps(arguments),
        budget=Budget(SEALED_FUEL, SEALED_SECONDS, LARGEST_ANSWER, _WORDS),
        export=export,
    )
    attempt = attempts(chosen_isolation(None))(report)
    unheard = Capture(_KEPT_OUTPUT, lambda stream, text: None)
    faults: list[BaseException] = []

    def work() -> None:
        try:
            attempt.run(assignment, _Nothing(), unheard)
        except BaseException as fault:
            faults.append(fault)
        finally:
            ended.set()

    run_on_guest_thread(work, name=f"capsule-sealed-{export}")
    try:
        ended.wait()
    except BaseException:  # the user has had enough
        attempt.cancel()
        raise
    if not results:
        raise faults[0] if faults else BuildError(f"{what} has no answer")
    failure = results[0].failure
    if failure is not None:
        raise _error_of(failure, export, what)
    return str(results[0].value)


def _error_of(failure: Failure, export: str, what: str) -> Exception:
    message = failure.message[:LONGEST_MESSAGE]
    if failure.message == no_export(export):
        return LookupError(message)
    if failure.error_type == "load_error":
        return BuildError(message, traceback=failure.traceback)
    return BuildError(f"{what} failed: {message}")
