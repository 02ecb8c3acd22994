"""Runs: a task that a caller asked for, and everything that it starts, under one budget."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from capsule import events
from capsule.artifact.foreign import ASKED, MAIN_TASK, is_task_name
from capsule.artifact.foreign_policy import under_ceilings
from capsule.egress.secrets.masking import NOTHING, Masker
from capsule.errors import CapsuleError, PolicyError, UsageError
from capsule.policy.grants import is_tool_name
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.model import TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.serial import to_json
from capsule.runtime.disk import DiskQuota
from capsule.runtime.execution import MOST_BLOCKED, Execution
from capsule.runtime.foreign.calls import check_arguments
from capsule.runtime.fuel import FuelBudget
from capsule.runtime.host.guest import TaskRefused
from capsule.runtime.hostile_json import read_json
from capsule.runtime.loaded import Loaded
from capsule.runtime.requests import Requests
from capsule.runtime.scheduler import MACHINE, Scheduler
from capsule.runtime.settings import RunSettings
from capsule.runtime.traps import Failure
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.egress.secrets.vault import Vault
    from capsule.runtime.host_tools import ToolExecution

LONGEST_ARGUMENTS_IN_JOURNAL = 4096


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
        self.requests = Requests(
            limits.http_requests, limits.http_bytes, limits.allowed_hosts, limits.origin, settings.dress
        )
        limit = settings.limits.disk
        self.disk = None if limit is None else DiskQuota(limit)
        self._lock = threading.Lock()
        self._tasks = 0
        self._blocked = 0
        self.fuel = FuelBudget(settings.limits.total_compute)
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

    def call_tool(
        self, parent: Execution, task: str, arguments: str, ended: Callable[[Envelope], None]
    ) -> ToolExecution | None:
        """Calls a host tool, or tells of those that there are. Raises `TaskRefused`."""
        from capsule.runtime.host_tools import LIST, PREFIX, ToolExecution

        tools, allowed = self.settings.tools, parent.policy.policy.tools
        if task == LIST:
            told = "[]" if tools is None else tools.described(allowed)
            ended(Envelope(success=True, result=json.loads(told), error=None, execution={}))
            return None
        name = task.removeprefix(PREFIX)
        if not is_tool_name(name):
            self._refuse(parent, "unknown-task", name, f"no tool can be named {name[:200]!r}")
        if name not in allowed:
            why = f"the tool {name!r} is not among the tools {parent.described('tools')}"
            self.emit(events.Refused(self.id, parent.number, time.time(), "tools", why))
            raise TaskRefused("unknown-task", f"{why}; declare tools=[{name!r}]")
        if tools is None or name not in tools.tools:
            self._refuse(
                parent, "unknown-task", name, f"whoever started this run has handed over no tool {name!r}"
            )
        parsed = self._arguments(parent, task, arguments)
        if parsed is None:
            self._refuse(parent, "bad-arguments", name, "the arguments are not as the contract has them")
        limits = self.settings.limits
        with self._lock:
            full = self._tasks - 1 >= limits.tasks
            if not full:
                self._tasks += 1
                number = self._tasks
        if full:
            message = (
                f"a run may call and start {limits.tasks} tools and sub-tasks ({_rule(limits, 'tasks')})"
            )
            self._refuse(parent, "task-limit", name, message)
        self.emit(
            events.TaskStarted(self.id, number, parent.number, f"tools.{name}", time.time(), '{"tool":true}')
        )
        call = ToolExecution(self.emit, self.id, number, name, limits.result_bytes, ended)
        given = json.loads(parsed)
        call.start(tools, given["args"], given["kwargs"])
        return call

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
        from capsule.egress.secrets.vault import open_vault

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
        from capsule.egress.secrets.redaction import RedactedSink, variables_masker

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


def _rule(limits: Limits, name: str) -> str:
    """A limit, and where it was set."""
    origin = limits.origin(name)
    return origin if name in origin else f"[limits] {name}, {origin}"
