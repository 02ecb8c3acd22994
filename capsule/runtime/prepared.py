"""Sandboxes that are made ahead: instantiated, the program's top level run, and then used for one task.

Making a sandbox and loading its program takes several times as long as a small task does. A process
that runs the same file again and again (`capsule.run`) therefore keeps one or two ready. A prepared
sandbox is fresh: nothing but the program's own top level has run in it, and it is used once.

Running a top level that nobody may ever need must not be noticed by anyone. So only programs without
folders are prepared, whatever they print is kept until the sandbox is used, and one that asks for a
request while it loads is thrown away, and its like are not prepared again.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from capsule.runtime.host.guest import Guest, TaskRefused
from capsule.runtime.interrupt import Interrupt, Interrupted, clock
from capsule.runtime.preopens import PROGRAM_FILES
from capsule.runtime.sandbox import Sandbox, Setting
from capsule.runtime.threads import run_on_guest_thread

if TYPE_CHECKING:
    from capsule.artifact.sections import ProgramTable
    from capsule.runtime.denials import PathUse

READY = 2
"""Sandboxes that are kept ready for one kind of task."""

KINDS = 8
"""Kinds of task for which sandboxes are kept ready, the latest ones."""

KEEP_SECONDS = 5.0
"""How long a prepared sandbox waits to be used: at least this, and less than twice this."""

MOST_OUTPUT = 64 << 10
"""Bytes that a program's top level may print and still be prepared."""

Kind = tuple[object, ...]


class Tap:
    """Holds what a sandbox writes before anyone uses it, then passes it on."""

    def __init__(self) -> None:
        self._held: list[tuple[bool, bytes]] = []
        self.size = 0
        self._out: Callable[[bytes], None] | None = None
        self._err: Callable[[bytes], None] | None = None

    def stdout(self, data: bytes) -> None:
        """Takes what was written to standard output."""
        if self._out is not None:
            self._out(data)
        else:
            self._hold(False, data)

    def stderr(self, data: bytes) -> None:
        """Takes what was written to standard error."""
        if self._err is not None:
            self._err(data)
        else:
            self._hold(True, data)

    def _hold(self, is_error: bool, data: bytes) -> None:
        self.size += len(data)
        if self.size <= MOST_OUTPUT:
            self._held.append((is_error, data))

    def connect(self, setting: Setting) -> None:
        """Passes on what is held, and everything from now on."""
        self._out, self._err = setting.on_stdout, setting.on_stderr
        for is_error, data in self._held:
            (self._err if is_error else self._out)(data)
        self._held.clear()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A sandbox that waits for its task."""

    sandbox: Sandbox
    guest: Guest
    tap: Tap
    made: float


class _NobodysServices:
    """What a sandbox gets that belongs to no run yet: nothing, and whoever asks is given up."""

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Refuses, as for any program that is being loaded."""
        raise TaskRefused("not-running", "tasks can't be started while a program is being loaded")

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Ends the sandbox: its program does something that must not happen ahead of a run."""
        raise Interrupted("cancelled")

    def denial(self, asked: PathUse) -> str | None:
        """Ends the sandbox, as `request` does: what a run's tasks are denied is that run's to record."""
        raise Interrupted("cancelled")

    def waiting(self) -> None:
        """Nothing waits for this sandbox's place."""

    def resumed(self) -> None:
        """Nothing waits for this sandbox's place."""


class _Preparation:
    """One preparation, watched by the clock."""

    def __init__(self) -> None:
        self.interrupt = Interrupt()

    def give_up(self) -> None:
        """It blocks: its thread is left behind, and its sandbox is not used."""
        self.interrupt.cancel()


class Shelf:
    """The prepared sandboxes of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ready: OrderedDict[Kind, list[Prepared]] = OrderedDict()
        self._making: dict[Kind, int] = {}
        self._unfit: set[Kind] = set()
        self._sweep: threading.Timer | None = None

    def take(self, setting: Setting, program: ProgramTable | None) -> Prepared | None:
        """A sandbox for this setting, connected to its output; None when there is none."""
        with self._lock:
            waiting = self._ready.get(_kind(setting, program))
            found = waiting.pop() if waiting else None
        if found is not None:
            found.tap.connect(setting)
        return found

    def restock(self, setting: Setting, program: ProgramTable | None) -> None:
        """Prepares a sandbox for this setting, on another thread, if it may be and there are too few."""
        if any(preopen.guest != PROGRAM_FILES for preopen in setting.preopens):
            return
        kind = _kind(setting, program)
        with self._lock:
            there = len(self._ready.get(kind, ())) + self._making.get(kind, 0)
            if kind in self._unfit or there >= READY:
                return
            self._making[kind] = self._making.get(kind, 0) + 1
        run_on_guest_thread(lambda: self._prepare(kind, setting, program), name="capsule-prepare")

    def clear(self) -> None:
        """Throws every prepared sandbox away."""
        with self._lock:
            thrown = [prepared for waiting in self._ready.values() for prepared in waiting]
            self._ready.clear()
        for prepared in thrown:
            prepared.sandbox.close()

    def _prepare(self, kind: Kind, setting: Setting, program: ProgramTable | None) -> None:
        prepared = None
        try:
            prepared = make_prepared(setting, program)
        except Exception:  # whatever is wrong with it, the next run meets it and says so
            prepared = None
        thrown: list[Prepared] = []
        with self._lock:
            self._making[kind] -= 1
            if not self._making[kind]:
                del self._making[kind]
            if prepared is None:
                if len(self._unfit) > 1000:
                    self._unfit.clear()
                self._unfit.add(kind)
            else:
                self._ready.setdefault(kind, []).append(prepared)
                self._ready.move_to_end(kind)
                while len(self._ready) > KINDS:
                    thrown += self._ready.popitem(last=False)[1]
                if self._sweep is None:
                    self._start_sweep()
        for old in thrown:
            old.sandbox.close()

    def _start_sweep(self) -> None:
        self._sweep = threading.Timer(KEEP_SECONDS, self._sweep_old)
        self._sweep.daemon = True
        self._sweep.start()

    def _sweep_old(self) -> None:
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            thrown = []
            for kind, waiting in list(self._ready.items()):
                thrown += [prepared for prepared in waiting if prepared.made <= oldest]
                self._ready[kind] = [prepared for prepared in waiting if prepared.made > oldest]
                if not self._ready[kind]:
                    del self._ready[kind]
            self._sweep = None
            if self._ready:
                self._start_sweep()
        for prepared in thrown:
            prepared.sandbox.close()


def make_prepared(setting: Setting, program: ProgramTable | None) -> Prepared:
    """Prepares a sandbox on this thread. Raises whatever keeps its program from being loaded ahead."""
    tap = Tap()
    preparation = _Preparation()
    guest = Guest(preparation.interrupt, _NobodysServices(), program, ahead=True)
    clock.watch(preparation)
    sandbox: Sandbox | None = None
    try:
        sandbox = Sandbox(
            replace(setting, on_stdout=tap.stdout, on_stderr=tap.stderr, until=None, ahead=False), guest
        )
        sandbox.load()
        if tap.size > MOST_OUTPUT or guest.ledger.outstanding:
            raise Interrupted("cancelled")
    except BaseException:
        if sandbox is not None:
            sandbox.close()
        raise
    finally:
        clock.forget(preparation)
    return Prepared(sandbox, guest, tap, time.monotonic())


def _kind(setting: Setting, program: ProgramTable | None) -> Kind:
    """What two tasks must have in common for one's sandbox to do for the other."""
    return (
        id(setting.component),
        id(program),
        setting.ram,
        setting.preopens,
        tuple(sorted(setting.environment.items())),
    )


shelf = Shelf()
atexit.register(shelf.clear)
