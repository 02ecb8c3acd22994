"""Calls of host tools, as sandboxes ask for them: under the names of tasks that no program can have.

A call is in the record, and in the count of a run's sub-tasks, as a task is that the host runs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from capsule import events
from capsule.runtime.hostile_json import read_json
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.tools.toolbox import Answer, Call

PREFIX: Final = "\0tool:"
"""How the name of a task begins that is a call of a tool. Names of tasks are printable."""

LIST: Final = "\0tools"
"""The name of a task that is the question which tools there are."""

Emit = Callable[[events.Event], None]


class Tools(Protocol):
    """The tools of a run."""

    @property
    def tools(self) -> Mapping[str, Any]:
        """Them, by name."""

    def described(self, names: tuple[str, ...]) -> str:
        """What a sandbox is told of those that it may call, as JSON."""

    def call(
        self, name: str, args: list[Any], kwargs: Mapping[str, Any], answered: Callable[[Answer], None]
    ) -> Call | None:
        """Begins a call. Must not raise; ``answered`` is called once, on any thread."""


class ToolExecution:
    """One call of a tool, from its start to its envelope."""

    depth = 0

    def __init__(
        self, emit: Emit, run: str, number: int, name: str, most: int, ended: Callable[[Envelope], None]
    ) -> None:
        self.number = number
        self.envelope: Envelope | None = None
        self.done = threading.Event()
        self._emit = emit
        self._run = run
        self._name = name
        self._most = most
        self._listeners = [ended]
        self._lock = threading.Lock()
        self._started = time.monotonic()
        self._call: Call | None = None

    def start(self, tools: Tools, args: list[Any], kwargs: dict[str, Any]) -> None:
        """Begins it."""
        self._emit(events.AttemptStarted(self._run, self.number, 1, time.time()))
        call = tools.call(self._name, args, kwargs, self._answered)
        with self._lock:
            self._call = call

    def on_end(self, listener: Callable[[Envelope], None]) -> None:
        """Calls ``listener`` with the envelope, on whatever thread ends the call."""
        with self._lock:
            if not self.done.is_set():
                self._listeners.append(listener)
                return
        assert self.envelope is not None
        listener(self.envelope)

    def cancel(self) -> None:
        """Nobody waits for it any more."""
        with self._lock:
            call = self._call
        if call is not None:
            call.cancel()

    def _answered(self, answer: Answer) -> None:
        if answer.result is not None and len(answer.result) > self._most:
            self._finish(None, "tool_error", f"its result is larger than {self._most:,} bytes of JSON", None)
        elif answer.error_type is not None or answer.result is None:
            self._finish(None, answer.error_type or "cancelled", answer.message, answer.traceback)
        else:
            try:
                value = read_json(answer.result)
            except (ValueError, RecursionError) as error:
                self._finish(None, "tool_error", f"its result can't be handed over: {error}", None)
            else:
                self._finish(value, None, "", None)

    def _finish(self, value: Any, error_type: str | None, message: str, traceback: str | None) -> None:
        seconds = time.monotonic() - self._started
        envelope = Envelope(
            success=error_type is None,
            result=value,
            error=None if error_type is None else {"error_type": error_type, "message": message},
            execution={
                "task_name": self._name,
                "duration_ms": round(seconds * 1000),
                "retries": 0,
                "fuel_consumed": 0,
                "load_ms": 0,
                "task_number": self.number,
            },
        )
        said = None if error_type is None else message
        self._emit(
            events.AttemptEnded(
                self._run, self.number, 1, time.time(), seconds, 0.0, 0, error_type, said, traceback
            )
        )
        state: Any = {None: "succeeded", "cancelled": "cancelled"}.get(error_type, "failed")
        self._emit(
            events.TaskEnded(self._run, self.number, time.time(), state, seconds, 0, 0, error_type, said)
        )
        with self._lock:
            listeners, self._listeners = self._listeners, []
            self.envelope = envelope
            self.done.set()
        for listener in listeners:
            listener(envelope)
