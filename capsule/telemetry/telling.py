"""Tells of one run: the sinks that it needs, its parent, and the header that goes along with its requests."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from capsule import events
from capsule.egress.policy import AllowList, Target
from capsule.egress.wire import HttpRequest, HttpResponse, RequestFailure
from capsule.telemetry.metrics import RunMetrics, metrics_of
from capsule.telemetry.providers import instruments
from capsule.telemetry.spans import RunSpans
from capsule.telemetry.switch import HOSTS_VARIABLE, tells_content

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from capsule.egress.fetch import Credentials


class Telling:
    """A sink for the events of one run, in whose context it is made. Raises `ConfigError`."""

    def __init__(self) -> None:
        made, content = instruments(), tells_content()
        self._spans = None if made.tracer is None else RunSpans(made.tracer, parent(), content=content)
        self._metrics = None if made.meter is None else RunMetrics(metrics_of(made.meter))
        self._logger = made.logger if content else None
        named = os.environ.get(HOSTS_VARIABLE, "")
        hosts = tuple(host.strip() for host in named.split(",") if host.strip())
        self._hosts = AllowList(hosts) if hosts else None

    def __call__(self, event: events.Event) -> None:
        """Takes an event, on any thread."""
        if isinstance(event, events.Output):
            self._log(event)
            return
        if self._spans is not None:
            self._spans(event)
        if self._metrics is not None:
            self._metrics(event)

    def dress(self, task: int, own: Credentials | None) -> Credentials | None:
        """What fills a task's requests: its own credentials, and a ``traceparent`` for hosts that get one."""
        if self._spans is None or self._hosts is None:
            return own
        context = self._spans.context(task)
        return own if context is None else Traced(own, self._hosts, header(context))

    def _log(self, event: events.Output) -> None:
        if self._logger is None:
            return
        from opentelemetry._logs import LogRecord, SeverityNumber

        context = None if self._spans is None else self._spans.context(event.task)
        self._logger.emit(
            LogRecord(
                timestamp=round(event.at * 1e9),
                observed_timestamp=time.time_ns(),
                context=context,
                severity_number=SeverityNumber.INFO if event.stream == "stdout" else SeverityNumber.WARN,
                body=event.text,
                attributes={"capsule.run.id": event.run, "log.iostream": event.stream},
            )
        )


class Traced:
    """Credentials that add a ``traceparent`` to requests for some hosts, unless the guest sends its own."""

    def __init__(self, own: Credentials | None, hosts: AllowList, traceparent: str) -> None:
        self._own = own
        self._hosts = hosts
        self._traceparent = traceparent

    def fill(self, request: HttpRequest, target: Target) -> HttpRequest:
        """The request as it goes to this target. Raises `RequestFailure`."""
        filled = request if self._own is None else self._own.fill(request, target)
        if any(name.lower() == "traceparent" for name, _ in filled.headers):
            return filled
        try:
            self._hosts.check_url(filled.url)
        except RequestFailure:
            return filled
        return replace(filled, headers=(*filled.headers, ("traceparent", self._traceparent)))

    def clear(self, response: HttpResponse, target: Target) -> HttpResponse:
        """The response as the guest may see it. Raises `RequestFailure`."""
        return response if self._own is None else self._own.clear(response, target)

    def mask(self, message: str) -> str:
        """A message as the guest may see it."""
        return message if self._own is None else self._own.mask(message)


def parent() -> Context:
    """The context that we are called in: the caller's span, else the variable ``TRACEPARENT``."""
    from opentelemetry import context, trace
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    current = context.get_current()
    if trace.get_current_span(current).get_span_context().is_valid:
        return current
    carrier = {
        name: value for name in ("traceparent", "tracestate") if (value := os.environ.get(name.upper()))
    }
    return TraceContextTextMapPropagator().extract(carrier, current)


def header(context: Context) -> str:
    """The header ``traceparent`` for what is asked in a context."""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, context)
    return carrier.get("traceparent", "")


def tell_of_build(source: str, started: int, *, hit: bool, fetched: bool) -> None:
    """Tells that a program was looked up, and built if it was no ``hit``. ``started`` is `time.time_ns`."""
    made = instruments()
    if made.meter is not None:
        metrics_of(made.meter).builds.add(1, {"capsule.cache.hit": hit})
    if made.tracer is not None and not hit:
        told: dict[str, str | bool] = {"capsule.source": source, "capsule.build.fetched": fetched}
        made.tracer.start_span(f"build {source}", parent(), attributes=told, start_time=started).end()
