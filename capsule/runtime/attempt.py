"""One attempt at a task: one sandbox, from its making to what came of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from capsule.errors import CapsuleError
from capsule.runtime.host.guest import Guest, Services
from capsule.runtime.hostile_json import read_json
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.prepared import shelf
from capsule.runtime.sandbox import LoadFailed, Sandbox, Setting
from capsule.runtime.traps import Failure, failure_of_trap

CLAIMABLE = frozenset(
    {"task_error", "invalid_call", "out_of_memory", "stack_overflow", "permission_denied", "exit"}
)
"""What a guest may say of its own failure; the other error types are for the host to find."""

LONGEST_MESSAGE = 64 << 10


@dataclass(frozen=True, slots=True)
class Budget:
    """What an attempt may use, and the words for it: ``compute``, ``timeout``, ``ram``."""

    fuel: int
    seconds: float | None
    result_bytes: int
    words: dict[str, str]


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt: ``failure`` is None when the task returned ``value``."""

    value: Any
    failure: Failure | None
    fuel: int
    load_seconds: float
    seconds: float


class Attempt:
    """Runs a task once, and reports once: also when the sandbox blocks past its deadline."""

    def __init__(self, report: Callable[[AttemptResult, bool], None]) -> None:
        self.interrupt = Interrupt()
        self._report = report
        self._lock = threading.Lock()
        self._reported = False
        self._started = time.monotonic()
        self._timeout_words = ""
        self._sandbox: Sandbox | None = None

    def run(
        self,
        setting: Setting,
        services: Services,
        program: Any,
        call: str,
        budget: Budget,
        stderr_tail: Callable[[], str],
    ) -> bool:
        """Runs the task on this thread, which must have a deep stack.

        Returns whether it was reported; False when it had been given up before it came back.
        """
        self._timeout_words = budget.words["timeout"]
        guest = Guest(self.interrupt, services, program)
        clock.watch(self)
        try:
            try:
                result = self._result(setting, guest, call, budget, stderr_tail)
            finally:
                clock.forget(self)
            return self._once(result, given_up=False)
        finally:
            # Freeing the memory takes as long as a small task: nobody has to wait for it.
            if self._sandbox is not None:
                self._sandbox.close()

    def give_up(self) -> None:
        """The sandbox blocks where no epoch reaches: report without it. Its thread ends when it can."""
        self.interrupt.cancel()
        message = f"the task ran longer than {self._timeout_words}"
        seconds = time.monotonic() - self._started
        self._once(AttemptResult(None, Failure("timeout", message), 0, 0.0, seconds), given_up=True)

    def _once(self, result: AttemptResult, *, given_up: bool) -> bool:
        with self._lock:
            if self._reported:
                return False
            self._reported = True
        self._report(result, given_up)
        return True

    def _result(
        self, setting: Setting, guest: Guest, call: str, budget: Budget, stderr_tail: Callable[[], str]
    ) -> AttemptResult:
        import wasmtime

        sandbox: Sandbox | None = None
        loaded = False
        value: Any = None
        failure: Failure | None = None
        fuel = 0
        started = time.monotonic()
        try:
            sandbox = self._sandbox = self._prepared(setting, guest)
            if sandbox is None:
                sandbox = self._sandbox = Sandbox(setting, guest)
                sandbox.load()
            loaded = True
            guest.loading = False
            started = time.monotonic()
            value, failure = read_answer(
                sandbox.run(call, fuel=budget.fuel, seconds=budget.seconds), budget.result_bytes
            )
        except LoadFailed as failed:
            failure = _load_failure(failed)
        except wasmtime.WasmtimeError as error:
            failure = failure_of_trap(error, stderr_tail=stderr_tail(), limits=budget.words)
            if guest.fault is not None:
                failure = Failure("crash", f"a function of the host failed: {guest.fault}")
            elif not loaded:
                failure = _trap_while_loading(failure, setting.until)
        except (CapsuleError, LookupError) as error:
            failure = Failure("crash", str(error))
        except Exception as error:  # a fault of ours must be an outcome too, or the caller waits for ever
            failure = Failure("crash", f"the host failed: {type(error).__name__}: {error}")
        finally:
            ended = time.monotonic()
            guest.requests.clear()
            if sandbox is not None and loaded:
                fuel = sandbox.fuel_consumed()
        load_seconds = 0.0 if sandbox is None else sandbox.load_seconds
        return AttemptResult(value, failure, fuel, load_seconds, ended - started)

    def _prepared(self, setting: Setting, guest: Guest) -> Sandbox | None:
        found = shelf.take(setting, guest.program) if setting.ahead else None
        if found is None:
            return None
        found.sandbox.adopt(guest, setting.until)
        return found.sandbox


def read_answer(answer: str, result_bytes: int) -> tuple[Any, Failure | None]:
    """Reads what a guest's ``run`` returned: hostile text, that says at most how the guest failed."""
    if len(answer) > result_bytes:
        return None, Failure(
            "result_too_large",
            f"the result takes {len(answer)} bytes as JSON; at most {result_bytes} are allowed",
        )
    try:
        parsed = read_json(answer)
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
    traceback = details.get("traceback")
    return Failure(
        error_type if isinstance(error_type, str) and error_type in CLAIMABLE else "task_error",
        (message if isinstance(message, str) else "the task failed")[:LONGEST_MESSAGE],
        traceback[:LONGEST_MESSAGE] if isinstance(traceback, str) else None,
    )


def _load_failure(failed: LoadFailed) -> Failure:
    claimed = claimed_failure(failed.details)
    return Failure("load_error", claimed.message, claimed.traceback)


def _trap_while_loading(failure: Failure, until: float | None) -> Failure:
    """A trap before the task was called: its own limits had no part in it, but for memory."""
    if failure.error_type == "timeout" and until is not None and time.monotonic() >= until:
        return Failure(
            "timeout", "the program took longer to load than the run may take ([limits] total_timeout)"
        )
    if failure.error_type in ("out_of_memory", "cancelled", "exit"):
        return failure
    what = {
        "timeout": "it took longer than loading may take",
        "out_of_fuel": "it used up the fuel for loading",
    }.get(failure.error_type, failure.message)
    return Failure("load_error", f"the program's top level did not come to its end: {what}")
