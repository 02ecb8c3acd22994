"""What was recorded, as frozen values: what the reader gives and the renderer shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RunState = Literal["running", "succeeded", "failed", "cancelled", "interrupted", "unknown"]
"""``interrupted``: its process is gone without an end. ``unknown``: that process can't be seen from here."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. Times are seconds since the epoch, durations seconds; ``tasks`` is how many it started.

    ``dropped`` is how many events could not be recorded because there were too many at once.
    """

    id: str
    source: str
    artifact: str
    task: str
    arguments: str
    pid: int
    started: float
    state: RunState
    duration: float | None
    tasks: int
    dropped: int


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One sandbox that ran a task; what hasn't ended has no duration. ``load`` is in seconds.

    ``duration`` is that of the task, without loading. ``traceback`` is the task's own, without those of its
    sub-tasks.
    """

    attempt: int
    started: float
    duration: float | None
    load: float | None
    fuel: int | None
    error_type: str | None
    message: str | None
    traceback: str | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """Something that the host refused a guest."""

    at: float
    rule: str
    subject: str


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """An HTTP request that the host made for a guest; ``sent`` and ``received`` are bytes."""

    at: float
    method: str
    url: str
    status: int | None
    failure: str | None
    duration: float
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """A part of what a task wrote. ``after_gap`` says that text before this part wasn't kept."""

    at: float
    stream: str
    text: str
    after_gap: bool


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """One task of a run. The counts are of all that happened; the tuples hold what was kept of it.

    ``parent`` is the number of the task that started it, None for the first. ``duration`` begins when it had
    a place to run in. ``output_count`` is in characters; ``output`` is empty unless it was asked for.
    """

    task: int
    parent: int | None
    name: str
    policy: str
    started: float
    state: RunState
    duration: float | None
    retries: int | None
    fuel: int | None
    error_type: str | None
    message: str | None
    attempt_count: int
    refusal_count: int
    request_count: int
    output_count: int
    attempts: tuple[AttemptRecord, ...]
    refusals: tuple[RefusalRecord, ...]
    requests: tuple[RequestRecord, ...]
    output: tuple[OutputRecord, ...]
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class RunTree:
    """A run and its tasks, in the order of their numbers. A task comes after its parent."""

    run: RunSummary
    tasks: tuple[TaskRecord, ...]

    def children(self) -> dict[int | None, list[TaskRecord]]:
        """The tasks by the number of the task that started them; under None those at the top."""
        children: dict[int | None, list[TaskRecord]] = {}
        for task in self.tasks:
            children.setdefault(task.parent, []).append(task)
        return children
