"""Where telemetry goes: the caller's own providers, or ours after the standard variables."""

from __future__ import annotations

import atexit
import os
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from capsule.errors import ConfigError
from capsule.telemetry.switch import exporter_of

if TYPE_CHECKING:
    from opentelemetry._logs import Logger
    from opentelemetry.metrics import Meter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

NAME: Final = "capsule"

PATIENCE: Final = 3.0
"""Seconds that the end of the process waits for what was not sent yet."""

INSTALL: Final = "install what sends it: the extra `otel` of capsule-run"


@dataclass(frozen=True, slots=True)
class Instruments:
    """What spans, metrics and log records are made with; None for a signal that nobody wants."""

    tracer: Tracer | None
    meter: Meter | None
    logger: Logger | None


@lru_cache(maxsize=1)
def instruments() -> Instruments:
    """The instruments of this process. Raises `ConfigError` for an exporter that can't be had."""
    try:
        return Instruments(_tracer(), _meter(), _logger())
    except ImportError as error:
        raise ConfigError(
            f"telemetry is asked for, and {error.name} is not installed", hint=INSTALL
        ) from None


def make_global() -> None:
    """Makes our traces those of the whole process, for a process of ours in which libraries trace, too.

    Call it before anything is told. Raises `ConfigError`.
    """
    from opentelemetry import trace

    tracer = instruments().tracer
    if tracer is not None and _open_traces:
        trace.set_tracer_provider(_open_traces[0])


def _tracer() -> Tracer | None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    found = trace.get_tracer_provider()
    if isinstance(found, TracerProvider):
        return found.get_tracer(NAME, version("capsule-run"))
    exporter = _exporter("traces")
    if exporter is None:
        return None
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _open_traces.append(provider)
    _at_exit(provider)
    return provider.get_tracer(NAME, version("capsule-run"))


def _meter() -> Meter | None:
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider

    found = metrics.get_meter_provider()
    if isinstance(found, MeterProvider):
        return found.get_meter(NAME, version("capsule-run"))
    exporter = _exporter("metrics")
    if exporter is None:
        return None
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    provider = MeterProvider(
        [PeriodicExportingMetricReader(exporter)], resource=_resource(), shutdown_on_exit=False
    )
    _at_exit(provider)
    return provider.get_meter(NAME, version("capsule-run"))


def _logger() -> Logger | None:
    from opentelemetry import _logs
    from opentelemetry.sdk._logs import LoggerProvider

    found = _logs.get_logger_provider()
    if isinstance(found, LoggerProvider):
        return found.get_logger(NAME, version("capsule-run"))
    exporter = _exporter("logs")
    if exporter is None:
        return None
    from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

    provider = LoggerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
    _at_exit(provider)
    return provider.get_logger(NAME, version("capsule-run"))


def _exporter(signal: str) -> Any:
    name = exporter_of(signal)
    if name == "none":
        return None
    if name == "console":
        return _console(signal)
    if name != "otlp":
        raise ConfigError(
            f"OTEL_{signal.upper()}_EXPORTER: no exporter {name!r}", hint='write "otlp", "console" or "none"'
        )
    protocol = os.environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or os.environ.get(
        "OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"
    )
    if protocol == "grpc":
        return _over_grpc(signal)
    if protocol != "http/protobuf":
        raise ConfigError(
            f"OTEL_EXPORTER_OTLP_PROTOCOL: no protocol {protocol!r}", hint='write "http/protobuf" or "grpc"'
        )
    return _over_http(signal)


def _console(signal: str) -> Any:
    import sys

    from opentelemetry.sdk._logs.export import ConsoleLogRecordExporter
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    kinds: dict[str, Any] = {
        "traces": ConsoleSpanExporter,
        "metrics": ConsoleMetricExporter,
        "logs": ConsoleLogRecordExporter,
    }
    # stdout is for results.
    return kinds[signal](out=sys.stderr)


def _over_http(signal: str) -> Any:
    if signal == "traces":
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if signal == "metrics":
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        return OTLPMetricExporter()
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter()


def _over_grpc(signal: str) -> Any:
    from importlib import import_module

    module, kind = {
        "traces": ("trace_exporter", "OTLPSpanExporter"),
        "metrics": ("metric_exporter", "OTLPMetricExporter"),
        "logs": ("_log_exporter", "OTLPLogExporter"),
    }[signal]
    return getattr(import_module(f"opentelemetry.exporter.otlp.proto.grpc.{module}"), kind)()


def _resource() -> Resource:
    from opentelemetry.sdk.resources import Resource

    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    return Resource.create({} if named else {"service.name": NAME})


_open: list[Any] = []
_open_traces: list[TracerProvider] = []


def _at_exit(provider: Any) -> None:
    if not _open:
        atexit.register(finish)
    _open.append(provider)


def finish() -> None:
    """Sends what was not sent yet, in at most `PATIENCE`: a collector that is away delays nobody for long."""
    threads = [threading.Thread(target=provider.shutdown, daemon=True) for provider in _open]
    _open.clear()
    until = time.monotonic() + PATIENCE
    try:
        for thread in threads:
            thread.start()
    except RuntimeError:  # Python is too far in its shutdown to start one
        return
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
