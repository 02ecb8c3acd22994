"""The workers of this process: which are there, which are idle, and which one an attempt gets.

Workers are kept by kind: compiled code, folders and a program are what one is confined to, for good. The
number of workers is that of live sandboxes, which the scheduler bounds, and a few that idle for some seconds.
"""

from __future__ import annotations

import atexit
import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

from capsule.runtime.loaded import Code
from capsule.runtime.preopens import Preopen, held
from capsule.workers.passing import MOST_DESCRIPTORS
from capsule.workers.process import WorkerProcess
from capsule.workers.spawner import SpawnError, spawner

KEEP_SECONDS = 5.0
"""How long a worker idles before it is ended: at least this, and less than twice this."""

PROCESSORS = max(2, os.cpu_count() or 1)

MOST_ALIKE = 2 * PROCESSORS
"""Idle workers of one kind, those that prepare a sandbox included."""

MOST_IDLE = max(16, MOST_ALIKE)
"""Idle workers together. One with a sandbox that is ready has some 7 MB of its own; starting one takes longer
than all else of a small run."""

MOST_FOLDERS = MOST_DESCRIPTORS - 2

FAREWELL = 1.0
"""Seconds that attempts get to report, at the end of the process, after their workers were killed."""

Folders = tuple[tuple[int, int, bool], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """What a worker is confined to: code, and folders by device, inode and whether they can be written.

    ``program`` is a number for what an engine runs, 0 for a component that is a program of its own. A sandbox
    that was broken out of may have changed its worker, which therefore meets no other program.
    """

    code: str
    folders: Folders
    program: int = 0


@dataclass(slots=True)
class _Idle:
    worker: WorkerProcess
    kind: Kind
    since: float


class Stoppable(Protocol):
    """An attempt that is under way."""

    def kill(self) -> None:
        """Ends it at once, as cancelled."""


class Pool:
    """All workers of this process. Safe to use from any thread."""

    def __init__(self) -> None:
        self.spawner = spawner()
        self._lock = threading.Condition()
        self._idle: list[_Idle] = []
        self._kinds: dict[int, Kind] = {}
        self._sweep: threading.Timer | None = None
        self._active: set[Stoppable] = set()

    def acquire(
        self, code: Code, program: int | None, preopens: Sequence[Preopen], wanted: object | None
    ) -> WorkerProcess:
        """A worker for one attempt: best one that has a sandbox like ``wanted`` ready.

        ``program`` is that of `Kind`; None asks for a worker that nobody had, and that is not to be released.
        Raises `SpawnError`, and `PolicyError` for a folder that isn't one any more.
        """
        if len(preopens) > MOST_FOLDERS:
            raise SpawnError(f"a task can have {MOST_FOLDERS} folders, not {len(preopens)}")
        with ExitStack() as stack:
            folders = [(stack.enter_context(held(each.host)), each.writable) for each in preopens]
            facts = [(os.fstat(descriptor), writable) for descriptor, writable in folders]
            kind = Kind(
                _identity(code),
                tuple((stat.st_dev, stat.st_ino, writable) for stat, writable in facts),
                program or 0,
            )
            worker = None if program is None else self._take(kind, wanted)
            if worker is None:
                worker = self._spawn(code, kind, folders)
            return worker

    def hold(self, code: Code, preopens: Sequence[Preopen]) -> WorkerProcess:
        """A worker for one session, that keeps its sandbox. Whoever holds it ends it.

        Raises `SpawnError`, and `PolicyError` for a folder that isn't one any more.
        """
        with ExitStack() as stack:
            folders = [(stack.enter_context(held(each.host)), each.writable) for each in preopens]
            return self._spawn(code, Kind(_identity(code), (), 0), folders, holds=True)

    def release(self, worker: WorkerProcess) -> None:
        """The attempt is over, and the worker can have another one."""
        with self._lock:
            self._idle.append(_Idle(worker, self._kinds[worker.pid], time.monotonic()))
            if self._sweep is None:
                self._start_sweep()

    def trim(self) -> None:
        """Ends workers that are too many."""
        surplus: list[_Idle] = []
        kept: list[_Idle] = []
        with self._lock:
            alike: Counter[Kind] = Counter()
            for each in reversed(self._idle):
                alike[each.kind] += 1
                few = alike[each.kind] <= MOST_ALIKE and len(kept) < MOST_IDLE
                (kept if few else surplus).append(each)
            self._idle = kept[::-1]
        for idle in surplus:
            self.discard(idle.worker)

    def discard(self, worker: WorkerProcess) -> int | None:
        """Kills a worker. Returns how it ended, None when that is not known."""
        status = worker.end()
        with self._lock:
            self._kinds.pop(worker.pid, None)
        return status

    def begin(self, attempt: Stoppable) -> None:
        """An attempt is under way."""
        with self._lock:
            self._active.add(attempt)

    def finish(self, attempt: Stoppable) -> None:
        """An attempt has reported."""
        with self._lock:
            self._active.discard(attempt)
            self._lock.notify_all()

    def close(self) -> None:
        """Ends all workers; attempts that are under way are cancelled."""
        with self._lock:
            active = list(self._active)
        for attempt in active:
            attempt.kill()
        with self._lock:
            self._lock.wait_for(lambda: not self._active, FAREWELL)
        self.clear()
        self.spawner.close()

    def clear(self) -> None:
        """Ends the workers that idle."""
        with self._lock:
            idle, self._idle = self._idle, []
            if self._sweep is not None:
                self._sweep.cancel()
                self._sweep = None
        for each in idle:
            self.discard(each.worker)

    @property
    def idle(self) -> list[WorkerProcess]:
        """The workers that have nothing to do, the latest last."""
        with self._lock:
            return [each.worker for each in self._idle]

    def _take(self, kind: Kind, wanted: object | None) -> WorkerProcess | None:
        dead: list[WorkerProcess] = []
        found = None
        with self._lock:
            fitting = [each for each in reversed(self._idle) if each.kind == kind]
            for each in list(fitting):
                if not each.worker.settle():
                    dead.append(each.worker)
                    fitting.remove(each)
                    self._idle.remove(each)
            found = _choose(fitting, wanted)
            if found is not None:
                self._idle.remove(found)
        for worker in dead:
            self.discard(worker)
        return None if found is None else found.worker

    def _spawn(
        self, code: Code, kind: Kind, folders: Sequence[tuple[int, bool]], *, holds: bool = False
    ) -> WorkerProcess:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                try:
                    pid = self._fork(code, kind, theirs, folders, holds)
                except SpawnError:
                    code.component()  # makes it anew, if it is for another machine's CPU
                    pid = self._fork(code, kind, theirs, folders, holds)
            except BaseException:
                ours.close()
                raise
        if not holds:
            with self._lock:
                self._kinds[pid] = kind
        return WorkerProcess(self.spawner, pid, ours)

    def _fork(
        self,
        code: Code,
        kind: Kind,
        channel: socket.socket,
        folders: Sequence[tuple[int, bool]],
        holds: bool,
    ) -> int:
        file = _open_code(code)
        try:
            return self.spawner.spawn(channel, kind.code, file, folders, holds=holds)
        finally:
            os.close(file)

    def _start_sweep(self) -> None:
        self._sweep = threading.Timer(KEEP_SECONDS, self._sweep_old)
        self._sweep.daemon = True
        self._sweep.start()

    def _sweep_old(self) -> None:
        oldest = time.monotonic() - KEEP_SECONDS
        with self._lock:
            old = [each for each in self._idle if each.since <= oldest]
            self._idle = [each for each in self._idle if each.since > oldest]
            self._sweep = None
            if self._idle:
                self._start_sweep()
        for each in old:
            self.discard(each.worker)


def _identity(code: Code) -> str:
    """What compiled code is called among workers: another name when its file was replaced."""
    try:
        facts = None if code.file is None else code.file.stat()
    except OSError:  # removed since it was found
        facts = None
    return str(code.key) if facts is None else f"{code.key} {facts.st_ino} {facts.st_mtime_ns}"


def _open_code(code: Code) -> int:
    """A descriptor of compiled code."""
    if code.file is not None:
        with suppress(OSError):  # removed since it was found
            return os.open(code.file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    if sys.platform == "linux":
        descriptor = os.memfd_create("capsule-code", os.MFD_CLOEXEC)
    else:
        descriptor, name = tempfile.mkstemp(prefix="capsule-code-")
        os.unlink(name)  # noqa: PTH108
    with open(descriptor, "wb", closefd=False) as file:
        file.write(code.data())
    return descriptor


def _choose(fitting: Sequence[_Idle], wanted: object | None) -> _Idle | None:
    """The best of the idle workers of the right kind; None when a new one is better than any."""
    alike = [each for each in fitting if wanted is not None and each.worker.preparing == wanted]
    for each in alike:
        if each.worker.ready:
            return each
    for each in fitting:
        if each.worker.preparing is None:
            return each
    if len(alike) >= PROCESSORS:
        return alike[-1]  # it was the first to begin, and starting one more would take no less
    if len(fitting) >= MOST_ALIKE:
        ready = [each for each in fitting if each.worker.ready]
        return ready[-1] if ready else None
    return None


_making = threading.Lock()


def pool() -> Pool:
    """The pool of this process. A process that is forked from it gets a pool of its own."""
    with _making:  # many threads may be the first
        return _pool()


@lru_cache(maxsize=1)
def _pool() -> Pool:
    made = Pool()
    atexit.register(made.close)
    os.register_at_fork(after_in_child=lambda: _forget(made))
    return made


def _forget(inherited: Pool) -> None:
    global _making
    _making = threading.Lock()
    atexit.unregister(inherited.close)
    _pool.cache_clear()
