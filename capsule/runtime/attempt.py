"""One attempt at a task: one sandbox, from its making to what came of it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from capsule.artifact.foreign import Contract
from capsule.errors import CapsuleError
from capsule.runtime.foreign.calls import command_line
from capsule.runtime.host.guest import Guest, Services
from capsule.runtime.hostile_json import TooManyValues, read_json
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.loaded import Loaded
from capsule.runtime.output import Capture
from capsule.runtime.preopens import Preopen
from capsule.runtime.prepared import shelf
from capsule.runtime.sandbox import LOAD_FUEL, LoadFailed, Sandbox, Setting
from capsule.runtime.traps import Failure, failure_of_trap

CLAIMABLE = frozenset(
    {"task_error", "invalid_call", "out_of_memory", "stack_overflow", "permission_denied", "exit"}
)
"""What a guest may say of its own failure; the other error types are for the host to find."""

LONGEST_MESSAGE = 64 << 10


@dataclass(frozen=True, slots=True)
class Budget:
    """What an attempt may use, and the words for it: ``compute``, ``timeout``, ``ram``.

    ``fuel`` is for the task; ``total`` is what is left of the run's own fuel, for loading and the task
    together, None when the run has no such budget.
    """

    fuel: int
    seconds: float | None
    result_bytes: int
    words: Mapping[str, str]
    total: int | None = None

    @property
    def load_fuel(self) -> int:
        """Fuel for instantiating the sandbox and running the program's top level."""
        return LOAD_FUEL if self.total is None else min(LOAD_FUEL, self.total)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Everything that one attempt needs, wherever its sandbox will be.

    ``ram``, ``until`` and ``ahead`` are those of `Setting`; ``call`` is the JSON for the guest's ``run``.
    With ``export`` that export is called instead, with the texts of which ``call`` is a list; its answer is
    the value, as it is, and only a program is loaded before.
    """

    loaded: Loaded
    preopens: tuple[Preopen, ...]
    environment: Mapping[str, str]
    ram: int | None
    until: float | None
    ahead: bool
    call: str
    budget: Budget
    export: str | None = None

    @property
    def contract(self) -> Contract:
        """How the component is called."""
        return self.loaded.manifest.contract


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt: ``failure`` is None when the task returned ``value``.

    ``load_fuel`` is what loading took, besides the ``fuel`` of the task.
    """

    value: Any
    failure: Failure | None
    fuel: int
    load_fuel: int
    load_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What a sandbox did, with its ``answer`` not read yet; None when there is a ``failure``."""

    answer: str | None
    failure: Failure | None
    fuel: int
    load_fuel: int
    load_seconds: float
    seconds: float


class Attempt(Protocol):
    """One attempt at a task, wherever its sandbox is."""

    def run(self, assignment: Assignment, services: Services, capture: Capture) -> bool:
        """Runs the task, on a thread with a deep stack, and reports once.

        Returns whether the sandbox is gone; False when it had been given up before it came back.
        """

    def cancel(self) -> None:
        """Ends it, on any thread."""


Report = Callable[[AttemptResult, bool], None]
"""Takes what came of an attempt, and whether its sandbox was given up and is still there."""

MakeAttempt = Callable[[Report], Attempt]
"""Makes an attempt that reports to somebody; where its sandbox will be is the maker's matter."""


class ThreadAttempt:
    """Runs a task once in this process, and reports once: also when the sandbox blocks past its deadline."""

    def __init__(self, report: Report) -> None:
        self.interrupt = Interrupt()
        self._report = report
        self._lock = threading.Lock()
        self._reported = False
        self._started = time.monotonic()
        self._timeout_words = ""

    def cancel(self) -> None:
        """Ends the sandbox as soon as it can be interrupted."""
        self.interrupt.cancel()

    def run(self, assignment: Assignment, services: Services, capture: Capture) -> bool:
        """Runs the task on this thread."""
        budget, program = assignment.budget, assignment.loaded.program
        self._timeout_words = budget.words["timeout"]
        guest = Guest(self.interrupt, services, program)
        setting: Setting | None = None
        sandbox: Sandbox | None = None
        clock.watch(self)
        try:
            try:
                setting = Setting(
                    assignment.loaded.code.component(),
                    assignment.preopens,
                    assignment.environment,
                    assignment.ram,
                    capture.stdout,
                    capture.stderr,
                    assignment.until,
                    assignment.ahead,
                    contract=assignment.contract,
                    command=command_line(assignment.contract, assignment.call, budget.result_bytes),
                )
                sandbox = self._prepared(setting, guest) or Sandbox(
                    setting, guest, load_fuel=budget.load_fuel
                )
                answered = execute(
                    sandbox,
                    guest,
                    assignment.call,
                    budget,
                    lambda: capture.stderr_tail,
                    until=assignment.until,
                    export=assignment.export,
                )
            except CapsuleError as error:
                answered = broken(str(error))
            except Exception as error:  # a fault of ours must be an outcome too, or the caller waits for ever
                answered = broken(f"the host failed: {type(error).__name__}: {error}")
            finally:
                clock.forget(self)
            came_back = self._once(result_for(assignment, answered), given_up=False)
        finally:
            # Freeing the memory takes as long as a small task: nobody has to wait for it.
            if sandbox is not None:
                sandbox.close()
        if assignment.ahead and setting is not None and answered.failure is None:
            shelf.restock(setting, program)
        return came_back

    def give_up(self) -> None:
        """The sandbox blocks where no epoch reaches: report without it. Its thread ends when it can."""
        self.interrupt.cancel()
        message = f"the task ran longer than {self._timeout_words}"
        seconds = time.monotonic() - self._started
        self._once(AttemptResult(None, Failure("timeout", message), 0, 0, 0.0, seconds), given_up=True)

    def _once(self, result: AttemptResult, *, given_up: bool) -> bool:
        with self._lock:
            if self._reported:
                return False
            self._reported = True
        self._report(result, given_up)
        return True

    def _prepared(self, setting: Setting, guest: Guest) -> Sandbox | None:
        found = shelf.take(setting, guest.program) if setting.ahead else None
        if found is None:
            return None
        found.sandbox.adopt(guest, setting.until)
        return found.sandbox


def execute(
    sandbox: Sandbox,
    guest: Guest,
    call: str,
    budget: Budget,
    stderr_tail: Callable[[], str],
    *,
    until: float | None,
    loaded: Callable[[], None] | None = None,
    export: str | None = None,
) -> Answered:
    """Loads a sandbox, unless it was loaded ahead, and calls the task in it; tells ``loaded`` in between.

    ``call`` and ``export`` are those of `Assignment`.
    """
    import wasmtime

    answer: str | None = None
    failure: Failure | None = None
    fuel: int | None = None
    started = time.monotonic()
    try:
        if not sandbox.loaded and (export is None or guest.program is not None):
            sandbox.load()
        if loaded is not None:
            loaded()
        guest.loading = False
        started = time.monotonic()
        fuel = budget.fuel if budget.total is None else min(budget.fuel, budget.total - sandbox.load_fuel)
        if fuel <= 0:
            failure = _no_fuel_left()
        else:
            if export is None:
                answer = sandbox.run(call, fuel=fuel, seconds=budget.seconds)
            else:
                answer = str(sandbox.call(export, *json.loads(call), fuel=fuel, seconds=budget.seconds))
    except LoadFailed as failed:
        failure = _load_failure(failed)
    except wasmtime.WasmtimeError as error:
        failure = failure_of_trap(error, stderr_tail=stderr_tail(), limits=dict(budget.words))
        if guest.fault is not None:
            failure = Failure("crash", f"a function of the host failed: {guest.fault}")
        elif fuel is None:
            failure = _trap_while_loading(failure, until, budget)
    except LookupError as error:
        failure = Failure("crash", str(error.args[0]) if error.args else str(error))
    except CapsuleError as error:
        failure = Failure("crash", str(error))
    except Exception as error:  # a fault of ours must be an outcome too, or the caller waits for ever
        failure = Failure("crash", f"the host failed: {type(error).__name__}: {error}")
    finally:
        ended = time.monotonic()
        guest.requests.clear()
    used = sandbox.fuel_consumed() if fuel is not None and fuel > 0 else 0
    return Answered(answer, failure, used, sandbox.load_fuel, sandbox.load_seconds, ended - started)


def broken(message: str) -> Answered:
    """An attempt that never had a sandbox, or whose host is at fault."""
    return Answered(None, Failure("crash", message), 0, 0, 0.0, 0.0)


def result_for(assignment: Assignment, answered: Answered) -> AttemptResult:
    """What came of an assignment: the answer read, if it is a task's."""
    if assignment.export is None or answered.answer is None:
        return result_of(answered, assignment.budget.result_bytes)
    fuel, load_fuel = answered.fuel, answered.load_fuel
    return AttemptResult(answered.answer, None, fuel, load_fuel, answered.load_seconds, answered.seconds)


def result_of(answered: Answered, result_bytes: int) -> AttemptResult:
    """Reads the answer, of at most ``result_bytes`` characters."""
    value, failure = None, answered.failure
    if answered.answer is not None:
        value, failure = read_answer(answered.answer, result_bytes)
    return AttemptResult(
        value, failure, answered.fuel, answered.load_fuel, answered.load_seconds, answered.seconds
    )


def outcome_not_kept(envelope: Mapping[str, Any]) -> str:
    """A sub-task's outcome, as JSON, for a caller who leaves too many of them untaken."""
    message = "the sub-tasks' results that its caller has not taken yet hold too much already"
    error = {"error_type": "result_too_large", "message": message}
    return json.dumps({**envelope, "success": False, "result": None, "error": error})


def too_large(size: int, most: int) -> Failure:
    """The failure for a result that takes ``size`` bytes."""
    message = f"the result takes {size} bytes as JSON; at most {most} are allowed ([limits] result_bytes)"
    return Failure("result_too_large", message)


def read_answer(answer: str, result_bytes: int) -> tuple[Any, Failure | None]:
    """Reads what a guest's ``run`` returned: hostile text, that says at most how the guest failed."""
    if len(answer) > result_bytes:
        return None, too_large(len(answer), result_bytes)
    try:
        parsed = read_json(answer)
    except TooManyValues as error:
        return None, Failure("result_too_large", f"the result can't be taken: {error}")
    except (ValueError, RecursionError) as error:
        return None, Failure("task_error", f"the result can't be read: {str(error)[:200]}")
    if isinstance(parsed, dict):
        if "error" in parsed and isinstance(parsed["error"], dict):
            return None, claimed_failure(parsed["error"])
        if "result" in parsed:
            return parsed["result"], None
    return None, Failure("crash", "the guest's answer is not in the form of the contract")


def claimed_failure(details: Any) -> Failure:
    """What a guest says of its failure: text for people, and an error type that it may claim."""
    error_type = details.get("error_type")
    message = details.get("message")
    traceback, own = details.get("traceback"), details.get("own")
    return Failure(
        error_type if isinstance(error_type, str) and error_type in CLAIMABLE else "task_error",
        (message if isinstance(message, str) else "the task failed")[:LONGEST_MESSAGE],
        traceback[:LONGEST_MESSAGE] if isinstance(traceback, str) else None,
        own[:LONGEST_MESSAGE] if isinstance(own, str) else None,
    )


def _load_failure(failed: LoadFailed) -> Failure:
    claimed = claimed_failure(failed.details)
    return Failure("load_error", claimed.message, claimed.traceback, claimed.own)


def _no_fuel_left() -> Failure:
    return Failure("out_of_fuel", "loading the program used up the run's fuel ([limits] total_compute)")


def _trap_while_loading(failure: Failure, until: float | None, budget: Budget) -> Failure:
    """A trap before the task was called: its own limits had no part in it, but for memory."""
    if failure.error_type == "out_of_fuel" and budget.load_fuel < LOAD_FUEL:
        return _no_fuel_left()
    if failure.error_type == "timeout":
        return late_loading(until)
    if failure.error_type in ("out_of_memory", "cancelled", "exit"):
        return failure
    what = "it used up the fuel for loading" if failure.error_type == "out_of_fuel" else failure.message
    return Failure("load_error", f"the program's top level did not come to its end: {what}")


def late_loading(until: float | None) -> Failure:
    """Loading took too long. ``until`` is when the run has to end, None for no such time."""
    if until is not None and time.monotonic() >= until:
        return Failure(
            "timeout", "the program took longer to load than the run may take ([limits] total_timeout)"
        )
    return Failure(
        "load_error",
        "the program's top level did not come to its end: it took longer than loading may take",
    )
