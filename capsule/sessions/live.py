"""The worker of a session, as its broker sees it, and the turns that run in it.

A turn is an attempt at the task of the session's program, in a sandbox that stays. When it leaves that
sandbox of no use, the session goes on in the copy that was made before the turn.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from capsule.egress.wire import MAX_REQUEST_TEXT
from capsule.errors import CapsuleError
from capsule.runtime.attempt import Assignment, AttemptResult, Report, broken, result_of
from capsule.runtime.host.guest import Services
from capsule.runtime.output import Capture
from capsule.runtime.traps import Failure
from capsule.workers.attempt import SMALL, UTF8, Watch, WorkerAttempt, number_of, numbers
from capsule.workers.desk import Desk
from capsule.workers.frames import Kind
from capsule.workers.messages import Here, Loaded, Result
from capsule.workers.pool import pool
from capsule.workers.process import WorkerDied, WorkerProcess, how_it_ended

COPIES = sys.platform == "linux"
"""Whether processes can be copied here: elsewhere a fork leaves system libraries in a state of no use."""

PATIENCE = 10.0
"""Seconds until a copy has said that it goes on."""


@dataclass(frozen=True, slots=True)
class Place:
    """Which of a session's folders is its workspace: the ``family`` that holds it and those of its forks."""

    family: str
    name: str


class LiveWorker:
    """The process that has a session's sandbox. One turn at a time."""

    def __init__(self, place: Place | None, *, checkpoints: bool = True) -> None:
        self.place = place
        self.lost: str | None = None
        """Why there is no sandbox any more; None while there is one, or before the first turn."""
        self.went_back = False
        """Whether the last turn ended where it had begun."""
        self.loaded = False
        self._checkpoints = checkpoints and COPIES
        self._process: WorkerProcess | None = None
        self._copy: socket.socket | None = None
        """The channel of the copy that was made after the last turn, to go back to in the next."""

    def attempt(self, report: Report) -> TurnAttempt:
        """An attempt that runs in this worker: what a run makes its attempts with."""
        return TurnAttempt(self, report)

    def process(self, assignment: Assignment) -> WorkerProcess:
        """The process, started if need be. Raises `CapsuleError`."""
        if self._process is None:
            self._process = pool().hold(assignment.loaded.code, assignment.preopens)
        return self._process

    def send_turn(
        self, process: WorkerProcess, head: Mapping[str, Any], call: str
    ) -> tuple[bool, socket.socket | None]:
        """Sends a turn. Returns whether it was sent, and the channel of the copy to go back to."""
        copy, self._copy = self._copy, None
        if copy is not None or not self._checkpoints:
            return process.send(Kind.TURN, {**head, "checkpoint": False}, call.encode()), copy
        ours, theirs = socket.socketpair()
        with theirs:
            sent = process.send_with(
                Kind.TURN, {**head, "checkpoint": True}, call.encode(), [theirs.fileno()]
            )
        return sent, ours

    def went_well(self, process: WorkerProcess, copy: socket.socket | None) -> None:
        """The turn is over: lets its copy go, and has one made for the next, while nobody waits for it."""
        self.loaded = True
        if copy is not None:
            copy.close()
        if self._checkpoints:
            ours, theirs = socket.socketpair()
            with theirs:
                sent = process.send_with(Kind.COPY, {}, b"", [theirs.fileno()])
            if sent:
                self._copy = ours
            else:
                ours.close()

    def go_back(self, copy: socket.socket | None, why: str) -> str:
        """Goes on where the session was before the turn. Returns how the worker ended, in words."""
        process, self._process = self._process, None
        ended = "in a way that could not be found out" if process is None else how_it_ended(process.end())
        self.went_back = copy is not None
        if copy is None:
            self.lost = why
            return ended
        restored = WorkerProcess(pool().spawner, 0, copy)
        if _goes_on(restored):
            self._process = restored
        else:
            restored.end()
            self.lost = f"{why}, and its copy did not go on"
        return ended

    def fork(self, place: Place | None) -> LiveWorker:
        """A worker with the same sandbox, from here on on its own. Raises `CapsuleError`."""
        made = LiveWorker(place, checkpoints=self._checkpoints)
        made.loaded = self.loaded
        if self._process is None:
            return made
        if not COPIES:
            raise CapsuleError("sessions can't be forked on this system: a copied process is of no use here")
        ours, theirs = socket.socketpair()
        with theirs:
            head = {"workspace": None if place is None else place.name}
            sent = self._process.send_with(Kind.FORK, head, b"", [theirs.fileno()])
        copy = WorkerProcess(self._process.spawner, 0, ours)
        if not sent or not _goes_on(copy):
            copy.end()
            raise CapsuleError("the session's worker could not be copied")
        made._process = copy
        return made

    def memory(self) -> int:
        """Bytes of memory that are the worker's own; 0 where that can't be told."""
        return 0 if self._process is None else self._process.memory()

    def close(self) -> None:
        """Ends the worker."""
        process, self._process = self._process, None
        copy, self._copy = self._copy, None
        if copy is not None:
            copy.close()  # so that it ends when it takes over
        self.lost = self.lost or "it was closed"
        if process is not None:
            process.end()


def _goes_on(process: WorkerProcess) -> bool:
    """Waits until a copy has said which process it is, and the zygote has found it to be one."""
    process.bound_body(SMALL)
    end = time.monotonic() + PATIENCE
    while (left := end - time.monotonic()) > 0:
        try:
            for _attempt, message in process.receive(left):
                if isinstance(message, Here):
                    if not pool().spawner.adopt(message.pid):
                        return False
                    process.pid = message.pid
                    return True
        except WorkerDied:
            return False
    return False


class TurnAttempt(WorkerAttempt):
    """Runs one turn, and reports once."""

    def __init__(self, live: LiveWorker, report: Report) -> None:
        super().__init__(report)
        self._live = live

    def run(self, assignment: Assignment, services: Services, capture: Capture) -> bool:
        """Runs the turn; this thread waits and serves it meanwhile."""
        workers = pool()
        workers.begin(self)
        live = self._live
        live.went_back = False
        try:
            if live.lost is not None:
                result = _failed(f"the session is over: {live.lost}")
            else:
                try:
                    process = live.process(assignment)
                except CapsuleError as error:
                    result = _failed(str(error))
                else:
                    result = self._hold(process, assignment, services, capture)
            self._report(result, False)
        finally:
            workers.finish(self)
        return True

    def _hold(
        self, process: WorkerProcess, assignment: Assignment, services: Services, capture: Capture
    ) -> AttemptResult:
        live, number = self._live, next(numbers)
        watch = Watch(assignment, self._interrupt)
        desk = Desk(process, number, services, capture, self._interrupt)
        budget, program = assignment.budget, assignment.loaded.program
        process.bound(assignment.ram, max(UTF8 * max(budget.result_bytes, MAX_REQUEST_TEXT), SMALL))
        if program is not None:
            process.send_program(number_of(program), program.section)
        sent, copy = live.send_turn(
            process, _head(assignment, number, capture.left, live.place), assignment.call
        )
        if live.loaded:
            watch.loaded()
        self._serves(process)
        failure: Failure | None = None
        try:
            if not sent:
                raise WorkerDied("it takes no more")
            while (failure := self._overdue(watch, process)) is None:
                for spoken_of, message in process.receive(watch.patience()):
                    if spoken_of != number:
                        continue
                    if isinstance(message, Result):
                        result = watch.believe(message, self._cancelled_at is not None)
                        if message.failure is not None:
                            live.go_back(copy, "a turn left its sandbox of no use")
                        else:
                            live.went_well(process, copy)
                        return result
                    if isinstance(message, Loaded):
                        watch.loaded()
                    else:
                        desk.take(message)
        except WorkerDied as died:
            failure = self._died(died, "session", live.go_back(copy, "its worker process has ended"))
        else:
            live.go_back(copy, "a turn had to be ended from outside")
        finally:
            self._is_over()
            desk.close()
        assert failure is not None
        return watch.lost(failure)


def _failed(why: str) -> AttemptResult:
    return result_of(broken(why), 0)


def _head(assignment: Assignment, attempt: int, output_bytes: int, place: Place | None) -> dict[str, Any]:
    budget, program = assignment.budget, assignment.loaded.program
    workspace = None
    if place is not None:
        hosts = [str(each.host) for each in assignment.preopens]
        workspace = [hosts.index(place.family), place.name]
    return {
        "attempt": attempt,
        "program": None if program is None else number_of(program),
        "contract": assignment.contract.value,
        "preopens": [(str(each.host), each.guest, each.writable) for each in assignment.preopens],
        "environment": dict(assignment.environment),
        "ram": assignment.ram,
        "until": assignment.until,
        "fuel": budget.fuel,
        "seconds": budget.seconds,
        "result_bytes": budget.result_bytes,
        "words": dict(budget.words),
        "output_bytes": output_bytes,
        "workspace": workspace,
    }
