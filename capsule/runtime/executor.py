"""From a request to an outcome: runs, their tasks, attempts, budgets and sub-tasks."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from capsule.errors import CapsuleError, PolicyError, UsageError
from capsule.foreign.calls import call_text, check_arguments
from capsule.foreign.contract import ASKED, MAIN_TASK, Contract, is_task_name
from capsule.foreign.policy import under_ceilings
from capsule.outcome import Envelope
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.model import OPTIONS, TaskPolicy
from capsule.policy.serial import to_json
from capsule.runtime import events
from capsule.runtime.attempt import (
    Assignment,
    Attempt,
    AttemptResult,
    Budget,
    ThreadAttempt,
    outcome_not_kept,
)
from capsule.runtime.disk import DiskQuota
from capsule.runtime.host.guest import TaskRefused
from capsule.runtime.hostile_json import read_json
from capsule.runtime.interrupt import Interrupt
from capsule.runtime.isolation import Isolation
from capsule.runtime.loaded import Loaded
from capsule.runtime.output import Capture
from capsule.runtime.preopens import PROGRAM_FILES, Preopen, Protected, grant_preopens
from capsule.runtime.requests import Requests
from capsule.runtime.scheduler import MACHINE, Scheduler
from capsule.runtime.traps import Failure
from capsule.secrets.masking import NOTHING, Masker

if TYPE_CHECKING:
    from capsule.runtime.host.http_fetch import Credentials
    from capsule.secrets.declaration import Secret
    from capsule.secrets.vault import Vault

NOT_RETRIED = frozenset({"invalid_call", "limit_exceeded", "cancelled"})
"""Failures that another attempt can't mend."""

LONGEST_ARGUMENTS_IN_JOURNAL = 4096

MOST_BLOCKED = 16
"""Given-up sandboxes of one run that still block in the operating system, each with its thread and memory."""

FAREWELL = 1.0
"""Seconds that a task waits for the sub-tasks it leaves behind to be cancelled."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Everything about a run that isn't in the artifact.

    ``mounts`` are the operator's own folders, seen by every task of the run. ``environment`` gives the
    values of declared variables. ``protected`` is what no writable folder may cover. ``ahead`` is whether
    sandboxes may be prepared for the next run of the same file. ``isolation`` says where sandboxes are:
    in worker processes, or on threads of this one. ``journal`` gets the events without the values of
    declared variables, ``sinks`` get them as they are, both without secrets. ``secrets`` are the project's.
    """

    root: Path
    limits: Limits
    protected: Protected
    environment: Callable[[tuple[str, ...]], Mapping[str, str]]
    mounts: tuple[Preopen, ...] = ()
    sinks: tuple[events.Sink, ...] = ()
    journal: events.Sink | None = None
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    ahead: bool = False
    isolation: Isolation = "thread"


class Run:
    """One run: a task that a caller asked for, and everything that it starts."""

    def __init__(self, loaded: Loaded, settings: RunSettings) -> None:
        self.id = uuid.uuid4().hex[:16]
        self.loaded = loaded
        self.settings = settings
        self.blocked = False
        """Whether a sandbox was given up and its thread is still there."""
        # A declaration over a ceiling is refused here, before anything runs.
        self._policies: dict[str, TaskPolicy] = {
            name: apply_limits(task.declared, settings.limits, task=name, location=task.location)
            for name, task in under_ceilings(loaded.manifest, settings.limits).tasks.items()
        }
        self._told_of_asking = False
        self.vault = self._open_vault()
        self._recorded, self._sinks = self._redacted_sinks()
        self.scheduler = Scheduler(settings.limits.concurrency, MACHINE)
        limits = settings.limits
        self.requests = Requests(limits.http_requests, limits.http_bytes, limits.allowed_hosts, limits.origin)
        limit = settings.limits.disk
        self.disk = None if limit is None else DiskQuota(limit)
        self._lock = threading.Lock()
        self._tasks = 0
        self._blocked = 0
        self._fuel_left = settings.limits.total_compute
        seconds = settings.limits.total_timeout
        self.deadline = None if seconds is None else time.monotonic() + seconds
        self.root: Execution | None = None

    def start(
        self,
        task: str,
        args: list[Any],
        kwargs: dict[str, Any],
        *,
        begun: Callable[[Execution], None] | None = None,
        here: bool = False,
    ) -> Execution:
        """Starts the run.

        ``begun`` is called before the task runs. With ``here``, it runs on this thread, which must be a
        guest thread with a place of the machine's, and has ended or been given up when this returns.

        Raises `UsageError` for a task that isn't declared, and `PolicyError` or `ConfigError` for a grant
        that can't be made.
        """
        if self._policy(task) is None:
            names = ", ".join(sorted(self._policies)[:20])
            raise UsageError(f"{self.loaded.manifest.source} declares no task {task!r}; it declares: {names}")
        check_arguments(self.loaded.manifest.contract, args, kwargs)
        try:
            arguments = json.dumps({"args": args, "kwargs": kwargs})
        except (TypeError, ValueError, RecursionError) as error:
            raise UsageError(
                f"the arguments can't become JSON: {error}",
                hint="pass strings, numbers, booleans, None, lists and dictionaries",
            ) from None
        manifest = self.loaded.manifest
        self.emit(
            events.RunStarted(
                self.id,
                time.time(),
                manifest.source,
                manifest.key,
                task,
                self._recorded.text(arguments)[:LONGEST_ARGUMENTS_IN_JOURNAL],
                os.getpid(),
            )
        )
        self.root = self._execution(task, arguments, None, None)
        try:
            self.root.prepare()
        except CapsuleError:
            self.emit(events.RunEnded(self.id, time.time(), "failed", 0.0))
            raise
        if begun is not None:
            begun(self.root)
        if here:
            self.scheduler.run_here(self.root.work)
        else:
            self.root.submit()
        return self.root

    def start_child(
        self, parent: Execution, task: str, arguments: str, ended: Callable[[Envelope], None]
    ) -> Execution:
        """Starts a sub-task. Raises `TaskRefused`."""
        if self._policy(task) is None:
            self._refuse(parent, "unknown-task", task, f"no task named {task[:200]!r} is declared")
        parsed = self._arguments(parent, task, arguments)
        if parsed is None:
            self._refuse(parent, "bad-arguments", task, "the arguments are not as the contract has them")
        limits = self.settings.limits
        if parent.depth >= limits.depth:
            self._refuse(
                parent,
                "depth-limit",
                task,
                f"tasks may start tasks {limits.depth} deep ({_rule(limits, 'depth')})",
            )
        with self._lock:
            full = self._tasks - 1 >= limits.tasks
        if full:
            self._refuse(
                parent,
                "task-limit",
                task,
                f"a run may start {limits.tasks} sub-tasks ({_rule(limits, 'tasks')})",
            )
        child = self._execution(task, parsed, parent, ended)
        try:
            child.prepare()
        except CapsuleError as error:
            rule = "allowed_files" if isinstance(error, PolicyError) else "env_variables"
            self.emit(events.Refused(self.id, child.number, time.time(), rule, str(error)))
            child.end_unstarted(Failure("permission_denied", str(error)))
        else:
            child.submit()
        return child

    def _arguments(self, parent: Execution, task: str, text: str) -> str | None:
        """A sub-task's arguments, written anew; None when they are not what the contract says."""
        if len(text) > self.settings.limits.result_bytes:
            return None
        try:
            parsed = read_json(text)
            args, kwargs = parsed["args"], parsed["kwargs"]
            if isinstance(args, list) and isinstance(kwargs, dict):
                self._tell_of_asking(parent, task, parsed.get(ASKED))
                # Nothing else goes on: another "task" in here would be that of the call.
                return json.dumps({"args": args, "kwargs": kwargs})
        except (ValueError, RecursionError, TypeError, KeyError):
            pass
        return None

    def _tell_of_asking(self, parent: Execution, task: str, asked: object) -> None:
        """Records once for each run that a foreign component's own policy for its tasks has no effect."""
        named = [option for option in OPTIONS if isinstance(asked, list) and option in asked]
        if not named or not self.loaded.manifest.contract.foreign or self._told_of_asking:
            return
        self._told_of_asking = True
        message = f"asks for {', '.join(named)}; only ceilings and flags decide what a foreign component gets"
        subject = f"{task[:200]}: {message}"
        self.emit(events.Refused(self.id, parent.number, time.time(), "foreign-policy", subject))

    def _policy(self, task: str) -> TaskPolicy | None:
        """The policy of a task; None when there is no such task."""
        if task not in self._policies and self.loaded.manifest.contract.names_tasks_freely:
            return self._policies[MAIN_TASK] if is_task_name(task) else None
        return self._policies.get(task)

    def _execution(
        self, task: str, arguments: str, parent: Execution | None, ended: Callable[[Envelope], None] | None
    ) -> Execution:
        with self._lock:
            self._tasks += 1
            number = self._tasks
        policy = self._policy(task)
        assert policy is not None
        execution = Execution(self, number, task, arguments, policy, parent, ended)
        self.emit(
            events.TaskStarted(
                self.id,
                number,
                None if parent is None else parent.number,
                task,
                time.time(),
                json.dumps(to_json(execution.policy), sort_keys=True),
            )
        )
        return execution

    def _refuse(self, parent: Execution, rule: str, subject: str, message: str) -> NoReturn:
        self.emit(events.Refused(self.id, parent.number, time.time(), rule, f"{subject[:200]}: {message}"))
        raise TaskRefused(rule, message)

    def reserve_fuel(self, wanted: int) -> int:
        """Takes fuel from the run's budget: what is left, at most ``wanted``."""
        with self._lock:
            if self._fuel_left is None:
                return wanted
            granted = max(0, min(wanted, self._fuel_left))
            self._fuel_left -= granted
            return granted

    @property
    def fuel_left(self) -> int | None:
        """What is left of the run's budget, None without one."""
        with self._lock:
            return self._fuel_left

    def return_fuel(self, unused: int) -> None:
        """Gives back what an attempt did not use; takes it, when loading took more than was left over."""
        with self._lock:
            if self._fuel_left is not None:
                self._fuel_left += unused

    def given_up(self) -> None:
        """A sandbox was given up: it keeps its thread until its system call returns, if ever."""
        self.blocked = True
        with self._lock:
            self._blocked += 1
        self.scheduler.waiting()

    def came_back(self) -> None:
        """A sandbox that was given up has ended."""
        with self._lock:
            self._blocked -= 1
        self.scheduler.resumed()

    @property
    def clogged(self) -> bool:
        """Whether so many sandboxes were given up and are still there that no more may start."""
        with self._lock:
            return self._blocked >= MOST_BLOCKED

    def emit(self, event: events.Event) -> None:
        """Hands an event to every sink."""
        for sink in self._sinks:
            sink(event)

    def _open_vault(self) -> Vault | None:
        """The run's secrets. Raises `PolicyError` for one that can't be used, before anything runs."""
        declared = self.settings.secrets
        if not declared and not any(policy.policy.secrets for policy in self._policies.values()):
            return None
        from capsule.secrets.vault import open_vault

        tasks = self.loaded.manifest.tasks
        places = {name: (policy, tasks[name].location) for name, policy in self._policies.items()}
        return open_vault(declared, places, self.settings.environment)

    def _redacted_sinks(self) -> tuple[Masker, tuple[events.Sink, ...]]:
        """What masks values in the journal, and the sinks behind their masks."""
        settings = self.settings
        names = tuple(
            dict.fromkeys(name for task in self._policies.values() for name in task.policy.env_variables)
        )
        journal = () if settings.journal is None else (settings.journal,)
        if self.vault is None and not names:
            return NOTHING, (*journal, *settings.sinks)
        from capsule.secrets.redaction import RedactedSink, variables_masker

        try:
            values = settings.environment(names)
        except CapsuleError:
            values = {}  # the task that needs them says what is wrong with them
        secrets = NOTHING if self.vault is None else self.vault.shown
        recorded = variables_masker(values, secrets)
        sinks = settings.sinks
        if sinks and secrets:
            sinks = (RedactedSink(secrets, sinks),)
        return recorded, (*((RedactedSink(recorded, journal),) if recorded else journal), *sinks)

    def cancel(self) -> None:
        """Ends everything that the run has started."""
        if self.root is not None:
            self.root.cancel()
            self.requests.close()


class Execution:
    """One task of a run: all its attempts, until it has its envelope."""

    def __init__(
        self,
        run: Run,
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
        self._children: set[Execution] = set()
        self._cancelled = False
        self._fuel = 0
        self._load_seconds = 0.0
        self._first_start = 0.0
        self._preopens: tuple[Preopen, ...] = ()
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
        )
        if self.run.loaded.files is not None:
            preopens.append(Preopen(self.run.loaded.files, PROGRAM_FILES, writable=False))
        self._preopens = (*preopens, *settings.mounts)
        if self.run.disk is not None:
            self.run.disk.grant(preopen.host for preopen in self._preopens if preopen.writable)
        self._environment = settings.environment(policy.env_variables)
        if policy.secrets and self.run.vault is not None:
            self._environment = {**self._environment, **self.run.vault.placeholders(policy.secrets)}

    def described(self, option: str) -> str:
        """Words for denials: the task, and where an option of its was set."""
        return f"of task {self.name} ({self.policy.origins.get(option, 'built-in')})"

    @property
    def credentials(self) -> Credentials | None:
        """What puts the task's secrets into its requests; None when the run has no secrets."""
        if self.run.vault is None:
            return None
        from capsule.secrets.credentials import TaskCredentials

        whose = self.described("secrets").removeprefix("of ")
        return TaskCredentials(self.run.vault, self.policy.policy.secrets, whose)

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
            attempt = self._attempt = self._new_attempt()
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
        disk = run.disk if any(preopen.writable for preopen in self._preopens) else None
        if disk is not None and disk.exceeded:
            self._finish(None, Failure("limit_exceeded", disk.words))
            return
        seconds, words = self._seconds_and_words()
        if seconds is not None and seconds <= 0:
            self._finish(None, Failure("timeout", f"the task ran longer than {words['timeout']}"))
            return
        total = run.fuel_left
        fuel = run.reserve_fuel(policy.compute)
        if fuel <= 0:
            self._finish(
                None, Failure("out_of_fuel", "the run has used up its fuel ([limits] total_compute)")
            )
            return
        if fuel < policy.compute:
            words["compute"] = "what was left of the run's fuel ([limits] total_compute)"
        self._granted = fuel
        contract = run.loaded.manifest.contract
        run.emit(events.AttemptStarted(run.id, self.number, number, time.time()))
        assignment = Assignment(
            run.loaded,
            self._preopens,
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
        if not attempt.run(assignment, AttemptServices(self), self._capture):
            run.came_back()

    def _new_attempt(self) -> Attempt:
        if self.run.settings.isolation == "process":
            from capsule.workers.attempt import ProcessAttempt

            return ProcessAttempt(self._attempt_ended)
        return ThreadAttempt(self._attempt_ended)

    def _seconds_and_words(self) -> tuple[float | None, dict[str, str]]:
        policy, origins = self.policy.policy, self.policy.origins
        seconds = policy.timeout
        words = {
            "compute": f"its compute of {policy.compute:,} fuel ({origins.get('compute', 'built-in')})",
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
        run.return_fuel(self._granted - result.fuel - result.load_fuel)
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
            if child.depth and child._attempt is not None:
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

    def adopt(self, child: Execution) -> None:
        """Remembers a sub-task, to end it when this task ends; not for longer than it runs."""
        with self._lock:
            self._children.add(child)
        child.on_end(lambda _: self._release(child))

    def _release(self, child: Execution) -> None:
        with self._lock:
            self._children.discard(child)

    def _emit_output(self, stream: Any, text: str) -> None:
        self.run.emit(events.Output(self.run.id, self.number, time.time(), stream, text))


class AttemptServices:
    """What a sandbox of an execution may ask for."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Starts a sub-task. Raises `TaskRefused`."""
        execution = self._execution

        def deliver(envelope: Envelope) -> None:
            if not ended(json.dumps(envelope)):
                ended(outcome_not_kept(envelope))

        child = execution.run.start_child(execution, name, arguments, deliver)
        execution.adopt(child)

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Makes an HTTP request as the task's policy allows. Raises `RequestFailure`."""
        execution = self._execution
        return execution.run.requests.make(
            text,
            execution.policy.policy.allowed_hosts,
            interrupt,
            run=execution.run.id,
            task=execution.number,
            emit=execution.run.emit,
            whose=execution.described("allowed_hosts"),
            credentials=execution.credentials,
        )

    def waiting(self) -> None:
        """The sandbox's place is free."""
        self._execution.run.scheduler.waiting()

    def resumed(self) -> None:
        """The sandbox goes on."""
        self._execution.run.scheduler.resumed()


def _rule(limits: Limits, name: str) -> str:
    """A limit, and where it was set."""
    origin = limits.origin(name)
    return origin if name in origin else f"[limits] {name}, {origin}"


def _number(execution: Execution) -> int:
    return execution.number


def _type_of(failure: Failure | None) -> str | None:
    return None if failure is None else failure.error_type


def _message_of(failure: Failure | None) -> str | None:
    return None if failure is None else failure.message
