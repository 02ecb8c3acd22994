"""One attempt at a task, in a worker: started, served, watched, and ended in time whatever it does."""

from __future__ import annotations

import itertools
import threading
import time
from weakref import WeakKeyDictionary

from capsule.artifact.sections import ProgramTable
from capsule.egress.wire import MAX_REQUEST_TEXT
from capsule.errors import CapsuleError
from capsule.runtime.attempt import (
    Answered,
    Assignment,
    AttemptResult,
    Report,
    broken,
    late_loading,
    result_for,
    result_of,
    too_large,
)
from capsule.runtime.host.guest import Services
from capsule.runtime.interrupt import GRACE, Interrupt
from capsule.runtime.output import Capture
from capsule.runtime.preopens import PROGRAM_FILES
from capsule.runtime.sandbox import LOAD_FUEL, LOAD_SECONDS
from capsule.runtime.traps import Failure
from capsule.workers.desk import Desk
from capsule.workers.frames import Kind
from capsule.workers.messages import Loaded, Result
from capsule.workers.pool import pool
from capsule.workers.process import WorkerDied, WorkerMisbehaved, WorkerProcess, how_it_ended

LOOK = 0.05
"""Seconds between two looks at a worker's memory."""

CANCEL_GRACE = 0.75
"""Seconds that a worker gets to end a cancelled sandbox: three times what a guest that computes needs."""

CLOCKS_DIFFER = 0.1
"""Seconds by which a worker may find a deadline passed before we do: its time began when it said so."""

UTF8 = 4
"""Bytes that one character takes at most."""

SMALL = 64 << 10

numbers = itertools.count(1)
"""For attempts and programs: no two have the same."""
_numbering = threading.Lock()
_programs: WeakKeyDictionary[ProgramTable, int] = WeakKeyDictionary()


class WorkerAttempt:
    """An attempt in a worker process: how it is cancelled, killed, and found to be overdue."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._interrupt = Interrupt()
        self._lock = threading.Lock()
        self._worker: WorkerProcess | None = None
        self._cancelled_at: float | None = None
        self._killed = False

    def cancel(self) -> None:
        """Asks the worker to end the sandbox; it is killed when it doesn't."""
        with self._lock:
            if self._cancelled_at is None:
                self._cancelled_at = time.monotonic()
            worker = self._worker
        self._interrupt.cancel()
        if worker is not None:
            worker.send(Kind.CANCEL, {})
            worker.wake()

    def kill(self) -> None:
        """Ends it at once, as cancelled."""
        self._killed = True
        self.cancel()

    def _serves(self, worker: WorkerProcess) -> None:
        """The attempt is in this worker from now on."""
        with self._lock:
            self._worker = worker
            cancelled = self._cancelled_at is not None
        if cancelled:
            worker.send(Kind.CANCEL, {})

    def _is_over(self) -> None:
        with self._lock:
            self._worker = None

    def _died(self, died: WorkerDied, what: str, ended: str) -> Failure:
        """The failure that the worker's end is; ``what`` it was the worker of, and how it ``ended``."""
        if self._cancelled_at is not None:
            return cancelled_failure()
        wrong = isinstance(died, WorkerMisbehaved)
        how = f", as it does not keep to its protocol: {died}" if wrong else f" {ended}"
        return Failure("crash", f"the {what}'s worker process was ended{how}")

    def _overdue(self, watch: Watch, worker: WorkerProcess) -> Failure | None:
        """Why the worker has to be killed now; None while it may go on."""
        now = time.monotonic()
        if self._killed or (self._cancelled_at is not None and now > self._cancelled_at + CANCEL_GRACE):
            return cancelled_failure()
        if watch.deadline is not None and now > watch.deadline + GRACE:
            return watch.late()
        return watch.too_much_memory(worker)


class ProcessAttempt(WorkerAttempt):
    """Runs a task once, in a worker process, and reports once."""

    def run(self, assignment: Assignment, services: Services, capture: Capture) -> bool:
        """Runs the task; this thread waits and serves it meanwhile."""
        workers = pool()
        workers.begin(self)
        try:
            wanted, program = _likeness(assignment), _program_of(assignment)
            try:
                worker = workers.acquire(assignment.loaded.code, program, assignment.preopens, wanted)
            except CapsuleError as error:
                self._report(result_of(broken(str(error)), 0), False)
                return True
            result, alive = self._hold(worker, assignment, services, capture, wanted)
            if alive and program is not None:
                workers.release(worker)
            elif alive:
                workers.discard(worker)
            self._report(result, False)
            workers.trim()
        finally:
            workers.finish(self)
        return True

    def _hold(
        self,
        worker: WorkerProcess,
        assignment: Assignment,
        services: Services,
        capture: Capture,
        wanted: object | None,
    ) -> tuple[AttemptResult, bool]:
        """What came of it, and whether the worker can be used again."""
        number = next(numbers)
        watch = Watch(assignment, self._interrupt)
        desk = Desk(worker, number, services, capture, self._interrupt)
        alike = wanted is not None and worker.preparing == wanted
        ready = alike and worker.ready
        ahead = assignment.ahead and wanted is not None
        _start(worker, assignment, number, capture.left, alike=alike, ready=ready, ahead=ahead)
        if ready:
            watch.loaded()
        worker.preparing, worker.ready = None, False
        self._serves(worker)
        try:
            while (failure := self._overdue(watch, worker)) is None:
                news = worker.receive(watch.patience())
                for place, (spoken_of, message) in enumerate(news, 1):
                    if spoken_of != number:
                        continue
                    if isinstance(message, Result):
                        worker.preparing = wanted if ahead and message.answer is not None else None
                        worker.note(news[place:])  # it may have gone on before we read
                        return watch.believe(message, self._cancelled_at is not None), True
                    if isinstance(message, Loaded):
                        watch.loaded()
                    else:
                        desk.take(message)
        except WorkerDied as died:
            failure = self._died(died, "task", how_it_ended(pool().discard(worker)))
        else:
            pool().discard(worker)
        finally:
            self._is_over()
            desk.close()
        return watch.lost(failure), False


class Watch:
    """The broker's own account of an attempt: its deadline, and what a worker's report may say."""

    def __init__(self, assignment: Assignment, interrupt: Interrupt) -> None:
        self.assignment = assignment
        self.next_look = time.monotonic() + LOOK
        self._interrupt = interrupt
        self._started = time.monotonic()
        self._loaded_at: float | None = None
        self.deadline: float | None = self._sooner(self._started + LOAD_SECONDS)
        interrupt.deadline = self.deadline

    def loaded(self) -> None:
        """The task's own time begins; it begins once."""
        if self._loaded_at is None:
            self._loaded_at = time.monotonic()
            seconds = self.assignment.budget.seconds
            self.deadline = self._sooner(None if seconds is None else self._loaded_at + seconds)
            self._interrupt.deadline = self.deadline

    def late(self) -> Failure:
        """The words for a deadline that has passed."""
        if self._loaded_at is None:
            return late_loading(self.assignment.until)
        return Failure("timeout", f"the task ran longer than {self.assignment.budget.words['timeout']}")

    def patience(self) -> float:
        """Seconds until the next look."""
        until = self.next_look
        if self.deadline is not None:
            until = min(until, self.deadline + GRACE)
        return max(0.001, until - time.monotonic())

    def too_much_memory(self, worker: WorkerProcess) -> Failure | None:
        """What a worker that takes too much ends with; looked at every `LOOK` seconds."""
        now = time.monotonic()
        if now < self.next_look:
            return None
        self.next_look = now + LOOK
        if worker.memory() <= worker.most:
            return None
        return Failure(
            "out_of_memory",
            f"the sandbox and what the host does for it took more than {worker.most:,} bytes, "
            f"which is {self.assignment.budget.words['ram']} and an allowance",
        )

    def believe(self, said: Result, cancelled: bool) -> AttemptResult:
        """A worker's report, as far as it can be true."""
        budget = self.assignment.budget
        failure = said.failure
        if said.too_large is not None:
            failure = too_large(said.too_large, budget.result_bytes)
        elif failure is not None and failure.error_type == "cancelled" and not cancelled:
            failure = Failure("crash", "the task's worker process says that it was cancelled, and it was not")
        elif failure is not None and failure.error_type == "timeout" and self._early():
            failure = Failure("crash", "the task's worker process says that it is late, and it was not")
        fuel = min(said.fuel, budget.fuel)
        load_fuel = min(said.load_fuel, LOAD_FUEL)
        elapsed = time.monotonic() - self._started
        return result_for(
            self.assignment,
            Answered(
                said.answer if failure is None else None,
                failure,
                fuel,
                load_fuel,
                min(said.load_seconds, max(elapsed, LOAD_SECONDS)),
                min(said.seconds, elapsed),
            ),
        )

    def _early(self) -> bool:
        return self.deadline is None or time.monotonic() < self.deadline - CLOCKS_DIFFER

    def lost(self, failure: Failure) -> AttemptResult:
        """An attempt whose worker is gone: what it used is not known, so that it may have been everything."""
        budget = self.assignment.budget
        elapsed = time.monotonic() - self._started
        loading = elapsed if self._loaded_at is None else self._loaded_at - self._started
        return AttemptResult(None, failure, budget.fuel, 0, loading, elapsed - loading)

    def _sooner(self, deadline: float | None) -> float | None:
        until = self.assignment.until
        if deadline is None or until is None:
            return until if deadline is None else deadline
        return min(deadline, until)


def _start(
    worker: WorkerProcess,
    assignment: Assignment,
    attempt: int,
    output_bytes: int,
    *,
    alike: bool,
    ready: bool,
    ahead: bool,
) -> None:
    budget, program = assignment.budget, assignment.loaded.program
    worker.bound(assignment.ram, max(UTF8 * max(budget.result_bytes, MAX_REQUEST_TEXT), SMALL))
    number = None
    if program is not None:
        number = number_of(program)
        worker.send_program(number, program.section)
    worker.send(
        Kind.START,
        {
            "attempt": attempt,
            "program": number,
            "contract": assignment.contract.value,
            "export": assignment.export,
            "preopens": [(str(each.host), each.guest, each.writable) for each in assignment.preopens],
            "environment": dict(assignment.environment),
            "ram": assignment.ram,
            "until": assignment.until,
            "fuel": budget.fuel,
            "seconds": budget.seconds,
            "result_bytes": budget.result_bytes,
            "words": dict(budget.words),
            "total": budget.total,
            "output_bytes": output_bytes,
            "use_prepared": alike,
            "ready": ready,
            "ahead": ahead,
        },
        assignment.call.encode(),
    )


def _likeness(assignment: Assignment) -> object | None:
    """What two attempts must have in common for one's prepared sandbox to do for the other.

    None for a task with folders, where a top level that nobody asked for must not be noticed, and for what is
    no task.
    """
    if assignment.export is not None or any(
        preopen.guest != PROGRAM_FILES for preopen in assignment.preopens
    ):
        return None
    program = assignment.loaded.program
    return (
        assignment.loaded.code.key,
        None if program is None else number_of(program),
        assignment.ram,
        assignment.preopens,
        tuple(sorted(assignment.environment.items())),
    )


def _program_of(assignment: Assignment) -> int | None:
    """What `Kind.program` is; None for what an engine is asked without one, which may be about any."""
    program = assignment.loaded.program
    if program is not None:
        return number_of(program)
    return 0 if assignment.export is None else None


def number_of(program: ProgramTable) -> int:
    """A number for a program, never given to another one."""
    with _numbering:
        number = _programs.get(program)
        if number is None:
            number = _programs[program] = next(numbers)
        return number


def cancelled_failure() -> Failure:
    """What a task that was cancelled ends with."""
    return Failure("cancelled", "the task was cancelled")
