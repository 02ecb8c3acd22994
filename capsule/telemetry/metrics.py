"""Events of runs as metrics of this process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from capsule import events

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter


class Metrics:
    """The counters of one process."""

    def __init__(self, meter: Meter) -> None:
        self.tasks = meter.create_counter("capsule.tasks", "{task}", "Tasks that have ended, by outcome")
        self.duration = meter.create_histogram("capsule.task.duration", "s", "How long tasks ran")
        self.load = meter.create_histogram("capsule.load.duration", "s", "How long programs took to load")
        self.fuel = meter.create_counter("capsule.fuel", "{unit}", "Fuel that tasks used")
        self.retries = meter.create_counter("capsule.retries", "{attempt}", "Attempts after the first one")
        self.denials = meter.create_counter("capsule.denials", "{denial}", "What was denied, by rule")
        self.requests = meter.create_histogram("capsule.http.request.duration", "s", "Requests of tasks")
        self.waiting = meter.create_up_down_counter(
            "capsule.tasks.waiting", "{task}", "Tasks that wait for a place to run in"
        )
        self.sandboxes = meter.create_up_down_counter("capsule.sandboxes", "{sandbox}", "Sandboxes that run")
        self.builds = meter.create_counter("capsule.builds", "{build}", "Programs looked up, by cache hit")


@lru_cache(maxsize=1)
def metrics_of(meter: Meter) -> Metrics:
    """The counters, made once."""
    return Metrics(meter)


class RunMetrics:
    """A sink for the events of one run."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: set[int] = set()
        self._running: set[int] = set()

    def __call__(self, event: events.Event) -> None:
        """Takes an event, on any thread."""
        metrics = self._metrics
        match event:
            case events.TaskStarted():
                if not event.name.startswith("tools."):
                    self._waiting.add(event.task)
                    metrics.waiting.add(1)
            case events.AttemptStarted():
                self._no_longer_waiting(event.task)
                self._running.add(event.task)
                metrics.sandboxes.add(1)
                if event.attempt > 1:
                    metrics.retries.add(1)
            case events.AttemptEnded():
                self._no_longer_running(event.task)
                metrics.load.record(event.load)
            case events.TaskEnded():
                self._no_longer_waiting(event.task)
                self._no_longer_running(event.task)
                told: dict[str, Any] = {"capsule.state": event.state}
                if event.error_type is not None:
                    told["error.type"] = event.error_type
                metrics.tasks.add(1, told)
                metrics.duration.record(event.duration, told)
                metrics.fuel.add(event.fuel)
            case events.Refused():
                metrics.denials.add(1, {"capsule.rule": event.rule})
            case events.Requested():
                asked: dict[str, Any] = {"http.request.method": event.method}
                if event.status is not None:
                    asked["http.response.status_code"] = event.status
                if event.failure is not None:
                    asked["error.type"] = event.failure
                metrics.requests.record(event.duration, asked)
            case _:
                pass

    def _no_longer_waiting(self, task: int) -> None:
        if task in self._waiting:
            self._waiting.discard(task)
            self._metrics.waiting.add(-1)

    def _no_longer_running(self, task: int) -> None:
        if task in self._running:
            self._running.discard(task)
            self._metrics.sandboxes.add(-1)
