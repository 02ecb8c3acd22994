"""Sealed sandboxes: for a frontend's questions to its engine, with no rights at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.artifact.sections import ProgramTable
from capsule.egress.wire import RequestFailure
from capsule.errors import BuildError
from capsule.runtime.host.guest import Guest, TaskRefused
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.preopens import PROGRAM_FILES, Preopen
from capsule.runtime.sandbox import LoadFailed, Sandbox, Setting
from capsule.runtime.threads import run_on_guest_thread
from capsule.runtime.traps import failure_of_trap

if TYPE_CHECKING:
    from wasmtime.component import Component

TAIL = 2000
"""Bytes of what a sealed sandbox writes to stderr that are kept, for the message of a trap."""

SEALED_FUEL = 500_000_000_000
SEALED_SECONDS = 300.0
SEALED_RAM = 2 << 30


class _Nothing:
    """Services that refuse everything."""

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Refuses."""
        raise TaskRefused("not-running", "tasks can't be started while a program is being built")

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Refuses."""
        raise RequestFailure("denied", "no host can be reached while a program is being built")

    def waiting(self) -> None:
        """Nothing waits for this sandbox's place."""

    def resumed(self) -> None:
        """Nothing waits for this sandbox's place."""


class _Watched:
    """A sealed call, for the clock to keep epochs going; giving up leaves its thread behind."""

    def __init__(self, interrupt: Interrupt, ended: threading.Event) -> None:
        self.interrupt = interrupt
        self._ended = ended

    def give_up(self) -> None:
        """The sandbox blocks: its caller goes on without it."""
        self._ended.set()


def call_sealed(
    component: Component,
    program: ProgramTable | None,
    export: str,
    arguments: tuple[str, ...],
    what: str,
    files: Path | None = None,
) -> str:
    """Calls an export in a sandbox without hosts, environment, tasks, or any files but the program's own.

    With ``program``, it is loaded first. Raises `BuildError` when that fails or the sandbox traps,
    and `LookupError` when the component has no such export.
    """
    answer: list[str] = []
    error: list[Exception] = []
    ended = threading.Event()
    watched = _Watched(Interrupt(), ended)

    def work() -> None:
        clock.watch(watched)
        try:
            answer.append(_call(component, program, export, arguments, watched.interrupt, what, files))
        except Exception as failed:
            error.append(failed)
        finally:
            clock.forget(watched)
            ended.set()

    run_on_guest_thread(work, name=f"capsule-sealed-{export}")
    ended.wait()
    if error:
        raise error[0]
    if not answer:
        raise BuildError(f"{what} took longer than it may, and blocks")
    return answer[0]


def _call(
    component: Component,
    program: ProgramTable | None,
    export: str,
    arguments: tuple[str, ...],
    interrupt: Interrupt,
    what: str,
    files: Path | None,
) -> str:
    import wasmtime

    tail = bytearray()

    def keep_tail(data: bytes) -> None:
        tail.extend(data[-TAIL:])
        del tail[:-TAIL]

    preopens = () if files is None else (Preopen(files, PROGRAM_FILES, writable=False),)
    setting = Setting(component, preopens, {}, SEALED_RAM, lambda data: None, keep_tail)
    sandbox: Sandbox | None = None
    try:
        sandbox = Sandbox(setting, Guest(interrupt, _Nothing(), program))
        if program is not None:
            sandbox.load()
        return str(sandbox.call(export, *arguments, fuel=SEALED_FUEL, seconds=SEALED_SECONDS))
    except LoadFailed as failed:
        details: Any = failed.details
        traceback = details.get("traceback")
        raise BuildError(
            str(details.get("message"))[:10_000],
            traceback=traceback if isinstance(traceback, str) else None,
        ) from None
    except wasmtime.WasmtimeError as error:
        words = {
            "compute": "the fuel for building",
            "timeout": "building may take",
            "ram": "building may take",
        }
        said = tail.decode("utf-8", "replace")
        raise BuildError(
            f"{what} failed: {failure_of_trap(error, stderr_tail=said, limits=words).message}"
        ) from None
    finally:
        if sandbox is not None:
            sandbox.close()
