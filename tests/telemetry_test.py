"""Telemetry against a real OTLP receiver: what arrives, under which span, and what is never told."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from mcp_clients import stdio_servers  # noqa: F401 - a fixture
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from capsule import events

CAPSULE = Path(sysconfig.get_path("scripts")) / "capsule"

PROGRAM = """
import os, urllib.request
from capsule import task

@task(max_retries=1)
def fails():
    raise ValueError("SAID " + "s3cret-value")

@task(allowed_hosts=["127.0.0.1"])
def asks(port):
    return urllib.request.urlopen(f"http://127.0.0.1:{port}/page?private=1").status

@task(allowed_hosts=["127.0.0.1"], env_variables=["DECLARED"])
def main(port):
    print("OUTPUT", os.environ["DECLARED"])
    try:
        urllib.request.urlopen("http://denied.test/")
    except OSError:
        pass
    fails()
    return asks(int(port)).unwrap()
"""


@dataclass
class Receiver:
    """A collector: what it was sent, decoded."""

    port: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    spans: list[Any] = field(default_factory=list)
    metrics: list[Any] = field(default_factory=list)
    logs: list[Any] = field(default_factory=list)
    resources: list[Any] = field(default_factory=list)

    def named(self, name: str) -> Any:
        (span,) = [span for span in self.spans if span.name == name]
        return span

    def text(self) -> str:
        return "".join(map(str, (*self.spans, *self.metrics, *self.logs)))


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                    found.resources.append(each.resource)
                    found.spans.extend(span for scope in each.scope_spans for span in scope.spans)
            elif self.path == "/v1/metrics":
                for one in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    found.metrics.extend(metric for scope in one.scope_metrics for metric in scope.metrics)
            elif self.path == "/v1/logs":
                for part in ExportLogsServiceRequest.FromString(body).resource_logs:
                    found.logs.extend(record for scope in part.scope_logs for record in scope.log_records)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(project: Any) -> Path:
    root: Path = project.root
    (root / "capsule.toml").touch()
    (root / "main.py").write_text(PROGRAM)
    return root


def run(folder: Path, receiver: Receiver, **variables: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    environment = {
        **inherited,
        "DECLARED": "declared-value",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}",
        **variables,
    }
    return subprocess.run(
        [CAPSULE, "run", "main.py", str(receiver.port)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def attributes(of: Any) -> dict[str, Any]:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value"))
        for each in of.attributes
        if each.value.WhichOneof("value")
    }


def test_a_run_arrives_as_spans_metrics_and_nothing_that_programs_said(
    folder: Path, receiver: Receiver
) -> None:
    done = run(folder, receiver)
    assert done.returncode == 0, done.stderr
    root, main, asks = receiver.named("run main"), receiver.named("task main"), receiver.named("task asks")
    assert not root.parent_span_id
    assert main.parent_span_id == root.span_id
    assert asks.parent_span_id == main.span_id
    assert {span.trace_id for span in receiver.spans if not span.name.startswith("build")} == {root.trace_id}
    assert attributes(main)["capsule.state"] == "succeeded"
    assert attributes(main)["capsule.fuel"] > 0
    (denied,) = main.events
    assert denied.name == "capsule.denied"
    assert attributes(denied)["capsule.rule"] == "allowed_hosts"
    fails = receiver.named("task fails")
    assert attributes(fails)["error.type"] == "task_error"
    assert attributes(fails)["capsule.retries"] == 1
    assert [event.name for event in fails.events] == ["attempt failed", "attempt failed"]
    (request,) = [
        span for span in receiver.spans if span.name == "GET" and "127.0.0.1" in str(span.attributes)
    ]
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(request)["url.full"] == f"http://127.0.0.1:{receiver.port}/page"
    assert request.kind == 3, "a client's"
    assert receiver.named("build main.py")
    assert main.start_time_unix_nano <= asks.start_time_unix_nano < asks.end_time_unix_nano
    named = {metric.name: metric for metric in receiver.metrics}
    assert {"capsule.tasks", "capsule.task.duration", "capsule.fuel", "capsule.denials"} <= set(named)
    ended = {
        (attributes(point)["capsule.state"], attributes(point).get("error.type")): point.as_int
        for point in named["capsule.tasks"].sum.data_points
    }
    assert ended == {("succeeded", None): 2, ("failed", "task_error"): 1}
    for level in ("capsule.tasks.waiting", "capsule.sandboxes"):
        assert [point.as_int for point in named[level].sum.data_points] == [0]
    assert attributes(receiver.resources[0])["service.name"] == "capsule"
    assert receiver.logs == []
    assert not any(word in receiver.text() for word in ("SAID", "OUTPUT", "declared-value", "private=1"))
    assert all("traceparent" not in headers for headers in receiver.headers)


def test_content_is_told_if_it_is_asked_for_and_masked_as_in_the_record(
    folder: Path, receiver: Receiver
) -> None:
    done = run(folder, receiver, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="true")
    assert done.returncode == 0, done.stderr
    assert "SAID" in receiver.named("task fails").status.message
    said = "".join(record.body.string_value for record in receiver.logs)
    assert "OUTPUT [env DECLARED]" in said
    assert "declared-value" not in receiver.text()
    main = receiver.named("task main")
    assert {record.trace_id for record in receiver.logs} == {main.trace_id}


def test_a_callers_trace_goes_on_here_and_on_to_the_hosts_that_are_named(
    folder: Path, receiver: Receiver
) -> None:
    trace_id, span_id = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    done = run(
        folder,
        receiver,
        TRACEPARENT=f"00-{trace_id}-{span_id}-01",
        CAPSULE_TRACEPARENT_HOSTS="127.0.0.1",
        OTEL_SERVICE_NAME="shop",
    )
    assert done.returncode == 0, done.stderr
    root = receiver.named("run main")
    assert (root.trace_id.hex(), root.parent_span_id.hex()) == (trace_id, span_id)
    (asked,) = receiver.headers
    asks = [
        span.span_id.hex()
        for span in receiver.spans
        if span.parent_span_id == receiver.named("task asks").span_id
    ]
    assert asked["traceparent"].split("-")[1] == trace_id
    assert asked["traceparent"].split("-")[2] in asks
    assert attributes(receiver.resources[0])["service.name"] == "shop"


def test_a_programs_own_traces_have_its_runs(folder: Path, receiver: Receiver) -> None:
    program = folder / "program.py"
    program.write_text(
        f"""
import asyncio
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)

from capsule import run

async def one(number):
    with trace.get_tracer("mine").start_as_current_span(f"mine {{number}}"):
        return await run("main.py", [{receiver.port}], on_output=lambda *_: None)

async def main():
    outcomes = await asyncio.gather(*(one(number) for number in range(3)))
    assert all(outcome.success for outcome in outcomes), outcomes

asyncio.run(main())
spans = {{span.context.span_id: span for span in kept.get_finished_spans()}}
above = sorted(
    spans[span.parent.span_id].name for span in spans.values() if span.name == "run main"
)
print(above)
"""
    )
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, program],
        cwd=folder,
        env={**inherited, "DECLARED": "declared-value"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "['mine 0', 'mine 1', 'mine 2']\n", done.stderr


def test_nothing_is_imported_while_nobody_asks_for_it(folder: Path) -> None:
    code = (
        "import sys; from capsule import run_sync; run_sync(code='1');"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    for variables in ({}, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_SDK_DISABLED": "true"}):
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=folder,
            env={**inherited, **variables},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.stdout == "[]\n", done.stderr


def test_a_collector_that_is_away_changes_no_outcome_and_an_unknown_exporter_is_an_error(
    folder: Path, receiver: Receiver
) -> None:
    away = run(folder, receiver, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert (away.returncode, away.stdout) == (0, "200\n")
    assert "Traceback" not in away.stderr.replace('Traceback (most recent call last):\n  File "main.py"', "")
    wrong = run(folder, receiver, OTEL_TRACES_EXPORTER="zipkin")
    assert wrong.returncode == 2
    assert "OTEL_TRACES_EXPORTER: no exporter 'zipkin'" in wrong.stderr


def test_a_tool_call_over_mcp_is_a_span_with_the_run_below_it(
    stdio: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.port}")

    async def use() -> Any:
        async with stdio() as client:
            return await client.call_tool("run_python", {"code": "6 * 7"})

    assert asyncio.run(use()).structured_content["result"] == 42
    (call,) = [
        span for span in receiver.spans if attributes(span).get("gen_ai.operation.name") == "execute_tool"
    ]
    assert attributes(call)["gen_ai.tool.name"] == "run_python"
    assert receiver.named("run main").parent_span_id == call.span_id


def test_a_host_tool_is_a_span_below_the_task_that_called_it() -> None:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from capsule.telemetry.spans import RunSpans

    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    sink = RunSpans(provider.get_tracer("t"), Context(), content=False)
    sink(events.RunStarted("r", 1.0, "code", "key", "main", "{}", 1))
    sink(events.TaskStarted("r", 1, None, "main", 1.0, "{}"))
    sink(events.TaskStarted("r", 2, 1, "tools.search", 2.0, "{}"))
    sink(events.TaskEnded("r", 2, 3.0, "succeeded", 1.0, 0, 0, None, None))
    sink(events.RunEnded("r", 4.0, "succeeded", 3.0))
    tool, task, run = kept.get_finished_spans()
    assert [tool.name, task.name, run.name] == ["execute_tool search", "task main", "run main"]
    assert tool.attributes is not None
    assert tool.attributes["gen_ai.tool.name"] == "search"
    assert tool.parent is not None
    assert tool.parent.span_id == task.context.span_id
    assert tool.end_time == 3_000_000_000, "what was left open ends with the run"
