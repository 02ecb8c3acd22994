"""Whether anybody wants telemetry: the standard variables say so, or the caller's own set-up does."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Final

SIGNALS: Final = ("traces", "metrics", "logs")

OUTPUT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
"""The standard variable for content: arguments, error messages and output are told only if it is "true"."""

HOSTS_VARIABLE: Final = "CAPSULE_TRACEPARENT_HOSTS"
"""Hosts, as in ``allowed_hosts`` and separated by commas, whose requests get a header ``traceparent``."""


def is_on(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether runs are told of: cheap enough to be asked at each."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    return any(exporter_of(signal, environment) != "none" for signal in SIGNALS) or _callers_own()


def exporter_of(signal: str, environment: Mapping[str, str] = os.environ) -> str:
    """The exporter of one of `SIGNALS`: "otlp", "console", another one's name, or "none"."""
    named = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
    if named:
        return named
    places = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT")
    return "otlp" if any(environment.get(place, "").strip() for place in places) else "none"


def tells_content(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether what people's programs say may be told, too."""
    return environment.get(OUTPUT_VARIABLE, "").strip().lower() == "true"


def _callers_own() -> bool:
    """Whether the program that we are part of has set up traces: it has imported the SDK then."""
    if "opentelemetry.sdk.trace" not in sys.modules:
        return False
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider

    return isinstance(trace.get_tracer_provider(), TracerProvider)
