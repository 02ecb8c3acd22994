"""Events of one run as spans: the run, its tasks and tool calls, their attempts and requests.

Names of attributes are OpenTelemetry's where it has some (``http.*``, ``error.type``, ``gen_ai.*``), else
``capsule.*``. What programs say (arguments, messages) is told only if content is asked for.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from capsule import events

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

NANOSECONDS: Final = 1_000_000_000
TOOL: Final = "tools."
"""How the names of tasks begin that are calls of host tools."""


class RunSpans:
    """A sink. ``parent`` is the context that the run was started in; ``content`` whether content is told."""

    def __init__(self, tracer: Tracer, parent: Context, *, content: bool) -> None:
        self._tracer = tracer
        self._parent = parent
        self._content = content
        self._lock = threading.Lock()
        self._run: Span | None = None
        self._tasks: dict[int, Span] = {}
        self._attempts: dict[int, Span] = {}

    def context(self, task: int) -> Context | None:
        """The context of a task that runs: what it asks others for is part of it."""
        from opentelemetry.trace import set_span_in_context

        with self._lock:
            span = self._attempts.get(task) or self._tasks.get(task)
        return None if span is None else set_span_in_context(span)

    def __call__(self, event: events.Event) -> None:
        """Takes an event, on any thread."""
        with self._lock:
            match event:
                case events.RunStarted():
                    self._start_run(event)
                case events.TaskStarted():
                    self._start_task(event)
                case events.AttemptStarted():
                    self._attempts[event.task] = self._start(
                        f"attempt {event.attempt}", self._tasks.get(event.task), event.at
                    )
                case events.AttemptEnded():
                    self._end_attempt(event)
                case events.Requested():
                    self._request(event)
                case events.Refused():
                    self._refuse(event)
                case events.TaskEnded():
                    self._end_task(event)
                case events.RunEnded():
                    self._end_run(event)
                case events.Output():
                    pass

    def _start_run(self, event: events.RunStarted) -> None:
        told: dict[str, Any] = {
            "capsule.run.id": event.run,
            "capsule.source": event.source,
            "capsule.artifact": event.artifact,
            "capsule.task.name": event.task,
        }
        if self._content:
            told["capsule.arguments"] = event.arguments
        self._run = self._tracer.start_span(
            f"run {event.task}", self._parent, attributes=told, start_time=_ns(event.at)
        )

    def _start_task(self, event: events.TaskStarted) -> None:
        told: dict[str, Any] = {"capsule.task.name": event.name, "capsule.task.number": event.task}
        name = f"task {event.name}"
        if event.name.startswith(TOOL):
            tool = event.name.removeprefix(TOOL)
            name = f"execute_tool {tool}"
            told |= {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
        above = self._run if event.parent is None else self._tasks.get(event.parent, self._run)
        self._tasks[event.task] = self._start(name, above, event.at, **told)

    def _end_attempt(self, event: events.AttemptEnded) -> None:
        span = self._attempts.pop(event.task, None)
        if span is None:
            return
        span.set_attributes({"capsule.fuel": event.fuel, "capsule.load.duration": event.load})
        self._end(span, event.at, event.error_type, event.message)
        if event.error_type is not None and event.task in self._tasks:
            told: dict[str, str | int] = {"capsule.attempt": event.attempt, "error.type": event.error_type}
            self._tasks[event.task].add_event("attempt failed", told, _ns(event.at))

    def _request(self, event: events.Requested) -> None:
        from opentelemetry.trace import SpanKind

        told: dict[str, Any] = {
            "http.request.method": event.method,
            "url.full": event.url,
            "http.request.body.size": event.sent,
            "http.response.body.size": event.received,
        }
        if event.status is not None:
            told["http.response.status_code"] = event.status
        above = self._attempts.get(event.task) or self._tasks.get(event.task)
        span = self._start(event.method, above, event.at, kind=SpanKind.CLIENT, **told)
        failed = event.failure
        if failed is None and event.status is not None and event.status >= 400:
            failed = str(event.status)
        self._end(span, event.at + event.duration, failed, None)

    def _refuse(self, event: events.Refused) -> None:
        span = self._tasks.get(event.task)
        if span is not None:
            told = {"capsule.rule": event.rule, "capsule.subject": event.subject}
            span.add_event("capsule.denied", told, _ns(event.at))

    def _end_task(self, event: events.TaskEnded) -> None:
        self._attempts.pop(event.task, None)
        span = self._tasks.pop(event.task, None)
        if span is not None:
            span.set_attributes(
                {"capsule.state": event.state, "capsule.fuel": event.fuel, "capsule.retries": event.retries}
            )
            self._end(span, event.at, event.error_type, event.message)

    def _end_run(self, event: events.RunEnded) -> None:
        # What was left behind ends with the run.
        for left in (*self._attempts.values(), *self._tasks.values()):
            left.end(_ns(event.at))
        self._attempts.clear()
        self._tasks.clear()
        if self._run is not None:
            self._run.set_attribute("capsule.state", event.state)
            self._end(self._run, event.at, None if event.state == "succeeded" else event.state, None)
            self._run = None

    def _start(self, name: str, above: Span | None, at: float, *, kind: Any = None, **told: Any) -> Span:
        from opentelemetry.trace import SpanKind, set_span_in_context

        context = self._parent if above is None else set_span_in_context(above)
        return self._tracer.start_span(
            name, context, kind or SpanKind.INTERNAL, attributes=told, start_time=_ns(at)
        )

    def _end(self, span: Span, at: float, error_type: str | None, message: str | None) -> None:
        from opentelemetry.trace import Status, StatusCode

        if error_type is not None:
            span.set_attribute("error.type", error_type)
            span.set_status(Status(StatusCode.ERROR, message if self._content else None))
        span.end(_ns(at))


def _ns(seconds: float) -> int:
    return round(seconds * NANOSECONDS)
