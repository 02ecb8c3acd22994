"""What happens during a run, as frozen values: the journal stores them, ``--verbose`` prints them.

Times are seconds since the epoch (`time.time`); durations are seconds. Every event names its run;
tasks are numbered from 1 within a run, in the order of their start calls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A caller asked for a task. Written before the first guest instruction."""

    run: str
    at: float
    source: str
    artifact: str
    task: str
    arguments: str
    pid: int


@dataclass(frozen=True, slots=True)
class TaskStarted:
    """A task was accepted. ``parent`` is the number of the task that started it, None for the first."""

    run: str
    task: int
    parent: int | None
    name: str
    at: float
    policy: str


@dataclass(frozen=True, slots=True)
class AttemptStarted:
    """A fresh sandbox runs the task; ``attempt`` counts from 1."""

    run: str
    task: int
    attempt: int
    at: float


@dataclass(frozen=True, slots=True)
class AttemptEnded:
    """A sandbox is done. ``load`` is the time that the program's top level took.

    ``traceback`` is the task's own, where there is one: those of its sub-tasks are theirs.
    """

    run: str
    task: int
    attempt: int
    at: float
    duration: float
    load: float
    fuel: int
    error_type: str | None
    message: str | None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """A task has its outcome."""

    run: str
    task: int
    at: float
    state: Literal["succeeded", "failed", "cancelled"]
    duration: float
    retries: int
    fuel: int
    error_type: str | None
    message: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """The host refused what a guest asked for: which rule, and what it was asked."""

    run: str
    task: int
    at: float
    rule: str
    subject: str


@dataclass(frozen=True, slots=True)
class Requested:
    """The host made an HTTP request for a guest. The URL comes without its query and userinfo."""

    run: str
    task: int
    at: float
    method: str
    url: str
    status: int | None
    failure: str | None
    duration: float
    sent: int
    received: int


@dataclass(frozen=True, slots=True)
class Output:
    """Something that a guest wrote; text that is not UTF-8 comes with replacement characters."""

    run: str
    task: int
    at: float
    stream: Literal["stdout", "stderr"]
    text: str


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run has its outcome."""

    run: str
    at: float
    state: Literal["succeeded", "failed", "cancelled"]
    duration: float


Event = (
    RunStarted
    | TaskStarted
    | AttemptStarted
    | AttemptEnded
    | TaskEnded
    | Refused
    | Requested
    | Output
    | RunEnded
)

Sink = Callable[[Event], None]
"""Takes events, on any thread; must be quick and must not raise."""
