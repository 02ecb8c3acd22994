"""One task of a run, from its first attempt to its envelope."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from capsule import events
from capsule.artifact.foreign import Contract
from capsule.egress.secrets.masking import NOTHING
from capsule.policy.model import MOST_FUEL, TaskPolicy
from capsule.policy.sizes import more_compute
from capsule.runtime.attempt import (
    Assignment,
    Attempt,
    AttemptResult,
    Budget,
)
from capsule.runtime.disk import DiskQuota
from capsule.runtime.foreign.calls import call_text
from capsule.runtime.fuel import FuelBudget
from capsule.runtime.loaded import Loaded
from capsule.runtime.output import Capture
from capsule.runtime.preopens import PROGRAM_FILES, Preopen, grant_preopens
from capsule.runtime.services import AttemptServices, Provider
from capsule.runtime.settings import RunSettings
from capsule.runtime.traps import Failure
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.egress.fetch import Credentials
    from capsule.egress.secrets.vault import Vault
    from capsule.runtime.host_tools import ToolExecution

NOT_RETRIED = frozenset({"invalid_call", "limit_exceeded", "cancelled"})
"""Failures that another attempt can't mend."""

RESERVED = "\0"
"""How the names of tasks begin that are no tasks, but what `RunView.call_tool` knows."""

MOST_BLOCKED = 16
"""Given-up sandboxes of one run that still block in the operating system, each with its thread and memory."""

FAREWELL = 1.0
"""Seconds that a task waits for the sub-tasks it leaves behind to be cancelled."""


class RunView(Provider, Protocol):
    """The run, as its executions see it, and whoever holds one of them."""

    blocked: bool

    loaded: Loaded
    settings: RunSettings
    vault: Vault | None
    disk: DiskQuota | None
    fuel: FuelBudget
    deadline: float | None

    @property
    def clogged(self) -> bool:
        """Whether so many sandboxes were given up and are still there that no more may start."""

    def start_child(
        self, parent: Execution, task: str, arguments: str, ended: Callable[[Envelope], None]
    ) -> Execution:
        """Starts a sub-task. Raises `TaskRefused`."""

    def call_tool(
        self, parent: Execution, task: str, arguments: str, ended: Callable[[Envelope], None]
    ) -> ToolExecution | None:
        """Calls a host tool. Raises `TaskRefused`."""

    def given_up(self) -> None:
        """A sandbox was given up: it keeps its thread until its system call returns, if ever."""

    def came_back(self) -> None:
        """A sandbox that was given up has ended."""

    def cancel(self) -> None:
        """Ends everything that the run has started."""


class Execution:
    """One task of a run: all its attempts, until it has its envelope."""

    def __init__(
        self,
        run: RunView,
        number: int,
        name: str,
        arguments: str,
        policy: TaskPolicy,
        parent: Execution | None,
        ended: Callable[[Envelope], None] | None,
    ) -> None:
        self.run = run
        self.number = number
        self.name = name
        self.policy = policy
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.envelope: Envelope | None = None
        self.done = threading.Event()
        self._arguments = arguments
        self._listeners = [] if ended is None else [ended]
        self._lock = threading.Lock()
        self._attempts = 0
        self._attempt: Attempt | None = None
        self._children: set[Execution | ToolExecution] = set()
        self._cancelled = False
        self._fuel = 0
        self._load_seconds = 0.0
        self._first_start = 0.0
        self.preopens: tuple[Preopen, ...] = ()
        self._environment: Mapping[str, str] = {}
        self._capture = Capture(run.settings.limits.output_bytes, self._emit_output)

    def on_end(self, listener: Callable[[Envelope], None]) -> None:
        """Calls ``listener`` with the envelope, on whatever thread ends the task."""
        with self._lock:
            if not self.done.is_set():
                self._listeners.append(listener)
                return
        assert self.envelope is not None
        listener(self.envelope)

    def prepare(self) -> None:
        """Checks and gathers what the task may use. Raises `PolicyError` and `ConfigError`."""
        settings, policy = self.run.settings, self.policy.policy
        preopens = grant_preopens(
            policy.allowed_files,
            settings.root,
            settings.protected,
            origin=self.policy.origins.get("allowed_files", "built-in"),
            tell=settings.tell,
        )
        if self.run.loaded.files is not None:
            preopens.append(Preopen(self.run.loaded.files, PROGRAM_FILES, writable=False))
        self.preopens = (*preopens, *settings.mounts)
        if self.run.disk is not None:
            self.run.disk.grant(preopen.host for preopen in self.preopens if preopen.writable)
        self._environment = settings.environment(policy.env_variables)
        if policy.secrets and self.run.vault is not None:
            self._environment = {**self._environment, **self.run.vault.placeholders(policy.secrets)}

    def described(self, option: str) -> str:
        """Words for denials: the task, and where an option of its was set, or could be."""
        origin = self.policy.origins.get(option, "built-in")
        declared = self.run.loaded.manifest.tasks.get(self.name)
        if declared is not None and str(declared.location) not in origin:
            origin = "by default" if origin == "built-in" else origin
            origin = f"{declared.location}, {origin}"
        return f"of task {self.name} ({origin})"

    @property
    def credentials(self) -> Credentials | None:
        """What puts the task's secrets into its requests; None when the run has no secrets."""
        if self.run.vault is None:
            return None
        from capsule.egress.secrets.credentials import TaskCredentials

        whose = self.described("secrets").removeprefix("of ")
        return TaskCredentials(self.run.vault, self.policy.policy.secrets, whose)

    def start_child(self, task: str, arguments: str, ended: Callable[[Envelope], None]) -> None:
        """Starts a sub-task, to end it when this task ends. Raises `TaskRefused`."""
        child: Execution | ToolExecution | None
        if task.startswith(RESERVED):
            child = self.run.call_tool(self, task, arguments, ended)
            if child is None:
                return
        else:
            child = self.run.start_child(self, task, arguments, ended)
        with self._lock:
            self._children.add(child)
        child.on_end(lambda _: self._release(child))  # not remembered for longer than it runs

    def submit(self) -> None:
        """Hands the task to the scheduler."""
        self.run.scheduler.submit(self.work, depth=self.depth, name=f"capsule-{self.name}-{self.number}")

    def cancel(self) -> None:
        """Ends the task: at once while it waits for a place, else when its sandbox can be interrupted."""
        with self._lock:
            self._cancelled = True
            attempt = self._attempt
        if attempt is not None:
            attempt.cancel()

    def end_unstarted(self, failure: Failure) -> None:
        """Ends a task that never had a sandbox."""
        self._finish(None, failure)

    def work(self) -> None:
        """One attempt, on a thread with a deep stack."""
        with self._lock:
            self._attempts += 1
            number = self._attempts
            attempt = self._attempt = self.run.settings.attempts(self._attempt_ended)
            cancelled = self._cancelled
        if self._first_start == 0.0:
            self._first_start = time.monotonic()
        if cancelled:
            self._finish(None, Failure("cancelled", "the task was cancelled"))
            return
        run, policy = self.run, self.policy.policy
        if run.clogged:
            message = f"{MOST_BLOCKED} sandboxes of this run block in the system, past their deadlines"
            self._finish(None, Failure("limit_exceeded", message))
            return
        disk = run.disk if any(preopen.writable for preopen in self.preopens) else None
        if disk is not None and disk.exceeded:
            self._finish(None, Failure("limit_exceeded", disk.words))
            return
        seconds, words = self._seconds_and_words()
        if seconds is not None and seconds <= 0:
            self._finish(None, Failure("timeout", f"the task ran longer than {words['timeout']}"))
            return
        total = run.fuel.left
        wanted = MOST_FUEL if policy.compute is None else policy.compute
        fuel = run.fuel.reserve(wanted)
        if fuel <= 0:
            self._finish(
                None, Failure("out_of_fuel", "the run has used up its fuel ([limits] total_compute)")
            )
            return
        if fuel < wanted:
            words["compute"] = "what was left of the run's fuel ([limits] total_compute)"
        self._granted = fuel
        contract = run.loaded.manifest.contract
        run.emit(events.AttemptStarted(run.id, self.number, number, time.time()))
        assignment = Assignment(
            run.loaded,
            self.preopens,
            self._environment,
            policy.ram,
            run.deadline,
            # A placeholder is one run's: a sandbox that knows one is of no use to the next run.
            # A command's arguments are there from the start, so that no sandbox waits for them.
            run.settings.ahead
            and self.depth == 0
            and not policy.secrets
            and contract is not Contract.COMMAND,
            call_text(contract, self.name, self._arguments, program=run.loaded.manifest.source),
            Budget(fuel, seconds, run.settings.limits.result_bytes, words, total),
        )
        if disk is not None:
            disk.enter(self, attempt.cancel)
        if not attempt.run(assignment, AttemptServices(self, run), self._capture):
            run.came_back()

    def _seconds_and_words(self) -> tuple[float | None, dict[str, str]]:
        policy, origins = self.policy.policy, self.policy.origins
        seconds = policy.timeout
        words = {
            "compute": _compute_words(policy.compute, origins.get("compute", "built-in")),
            "timeout": f"its timeout of {policy.timeout:g}s ({origins.get('timeout', 'built-in')})"
            if policy.timeout is not None
            else "it may",
            "ram": f"its ram of {policy.ram:,} bytes ({origins.get('ram', 'built-in')})"
            if policy.ram is not None
            else "the 4 GiB that WebAssembly can address",
        }
        if self.run.deadline is not None:
            left = self.run.deadline - time.monotonic()
            if seconds is None or left < seconds:
                seconds = left
                words["timeout"] = "the run may take ([limits] total_timeout)"
        return seconds, words

    def _attempt_ended(self, result: AttemptResult, given_up: bool) -> None:
        run = self.run
        if given_up:
            run.given_up()
        # Loading is paid for when it is over: what it takes is not known before.
        run.fuel.give_back(self._granted - result.fuel - result.load_fuel)
        self._fuel += result.fuel
        self._load_seconds += result.load_seconds
        failure = result.failure
        if run.disk is not None and run.disk.leave(self):
            failure = Failure("limit_exceeded", run.disk.words)
        run.emit(
            events.AttemptEnded(
                run.id,
                self.number,
                self._attempts,
                time.time(),
                result.seconds,
                result.load_seconds,
                result.fuel,
                _type_of(failure),
                _message_of(failure),
                None if failure is None else failure.own or failure.traceback,
            )
        )
        self._leave_children()
        if (
            failure is not None
            and failure.error_type not in NOT_RETRIED
            and self._attempts <= self.policy.policy.max_retries
            and not self._cancelled
        ):
            self.submit()
            return
        self._finish(result.value if failure is None else None, failure)

    def _leave_children(self) -> None:
        """Cancels the sub-tasks that the attempt started and did not wait for."""
        with self._lock:
            children, self._children = self._children, set()
        left = sorted((child for child in children if not child.done.is_set()), key=_number)
        for child in left:
            child.cancel()
        end = time.monotonic() + FAREWELL
        for child in left:
            if isinstance(child, Execution) and child.depth and child._attempt is not None:
                child.done.wait(max(0.0, end - time.monotonic()))

    def _finish(self, value: Any, failure: Failure | None) -> None:
        run = self.run
        seconds = time.monotonic() - self._first_start if self._first_start else 0.0
        retries = max(0, self._attempts - 1)
        error = None
        if failure is not None:
            shown = NOTHING if run.vault is None else run.vault.shown
            error = {"error_type": failure.error_type, "message": shown.text(failure.message)}
            if failure.traceback is not None:
                error["traceback"] = shown.text(failure.traceback)
        envelope = Envelope(
            success=failure is None,
            result=value,
            error=error,
            execution={
                "task_name": self.name,
                "duration_ms": round(seconds * 1000),
                "retries": retries,
                "fuel_consumed": self._fuel,
                "load_ms": round(self._load_seconds * 1000),
                "task_number": self.number,
            },
        )
        state: Any = "succeeded"
        if failure is not None:
            state = "cancelled" if failure.error_type == "cancelled" else "failed"
        with self._lock:
            if self.done.is_set():
                return
            self.envelope = envelope
            self._attempt = None
        run.emit(
            events.TaskEnded(
                run.id,
                self.number,
                time.time(),
                state,
                seconds,
                retries,
                self._fuel,
                _type_of(failure),
                _message_of(failure),
            )
        )
        if self.depth == 0:
            run.emit(events.RunEnded(run.id, time.time(), state, seconds))
            run.requests.close()
        with self._lock:
            listeners, self._listeners = self._listeners, []
            self.done.set()
        for listener in listeners:
            listener(envelope)

    def _release(self, child: Execution | ToolExecution) -> None:
        with self._lock:
            self._children.discard(child)

    def _emit_output(self, stream: Any, text: str) -> None:
        self.run.emit(events.Output(self.run.id, self.number, time.time(), stream, text))


def _compute_words(compute: int | None, origin: str) -> str:
    """A task's compute, as what it has used up, and what to do about it."""
    if compute is None:
        return f"all the fuel that a task can have ({origin})"
    had = f"its compute of {compute:,} fuel ({origin})"
    # Under a ceiling there is nothing that the task could write.
    return had if ", capped by " in origin else f"{had}; {more_compute(compute)}"


def _number(execution: Execution | ToolExecution) -> int:
    return execution.number


def _type_of(failure: Failure | None) -> str | None:
    return None if failure is None else failure.error_type


def _message_of(failure: Failure | None) -> str | None:
    return None if failure is None else failure.message
