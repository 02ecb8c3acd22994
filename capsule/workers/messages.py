"""What a worker tells its broker, parsed and bounded: everything in here may come from an attacker."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from capsule.runtime.denials import LONGEST_PATH, PathUse
from capsule.runtime.traps import Failure
from capsule.sdk.outcome import ERROR_TYPES
from capsule.workers.frames import Frame, Kind, ProtocolError

LONGEST_TEXT: Final = 64 << 10
"""Characters of a message or a traceback."""

LONGEST_NAME: Final = 1000

HIGHEST_NUMBER: Final = 1 << 53
"""Numbers of sub-tasks and requests, and fuel: what JSON carries exactly everywhere."""

LONGEST_TIME: Final = 1e9

CLAIMS = frozenset(ERROR_TYPES) - {"limit_exceeded", "result_too_large"}
"""Failures that a worker may report; the others are its broker's to find."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """The program's top level has come to its end: the task's own time begins."""


@dataclass(frozen=True, slots=True)
class Output:
    """What the guest wrote."""

    stream: Literal["stdout", "stderr"]
    data: bytes


@dataclass(frozen=True, slots=True)
class StartTask:
    """A sub-task is asked for. ``arguments`` is empty when they were over the limit."""

    number: int
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request is asked for."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Denial:
    """Why the task may not use a path is asked."""

    number: int
    asked: PathUse


@dataclass(frozen=True, slots=True)
class Waiting:
    """The guest waits, or goes on."""

    now: bool


@dataclass(frozen=True, slots=True)
class Result:
    """What came of the attempt, as the worker says: numbers are its claims, bounded but not checked."""

    answer: str | None
    failure: Failure | None
    too_large: int | None
    fuel: int
    load_fuel: int
    load_seconds: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """The next sandbox is ready, or can't be."""

    ready: bool


@dataclass(frozen=True, slots=True)
class Here:
    """A copy of a session's worker goes on, as the process that it says it is."""

    pid: int


Message = Loaded | Output | StartTask | Request | Denial | Waiting | Result | Prepared | Here


def parse(frame: Frame) -> tuple[int, Message]:
    """Reads a worker's frame: the attempt that it speaks of, and what it says. Raises `ProtocolError`.

    A worker may still speak of an attempt that is over: wasmtime hands over late what a sandbox wrote, and
    the threads of its requests come to their end in their own time.
    """
    return _number(frame.head, "attempt"), _message(frame, frame.head)


def _message(frame: Frame, head: Mapping[str, Any]) -> Message:
    match frame.kind:
        case Kind.LOADED:
            return Loaded()
        case Kind.OUTPUT:
            is_error = head.get("error")
            return Output("stderr" if is_error is True else "stdout", frame.body)
        case Kind.START_TASK:
            name = _text(head, "name", LONGEST_NAME).encode("utf-8", "backslashreplace").decode()
            return StartTask(_number(head, "number"), name, frame.text())
        case Kind.REQUEST:
            return Request(_number(head, "number"), frame.text())
        case Kind.DENIAL:
            uses = {name: head.get(name) is True for name in ("folder", "change", "refused")}
            return Denial(_number(head, "number"), PathUse(frame.text()[:LONGEST_PATH], **uses))
        case Kind.WAITING | Kind.RESUMED:
            return Waiting(frame.kind is Kind.WAITING)
        case Kind.RESULT:
            failure = head.get("failure")
            too_large = None if "too_large" not in head else _number(head, "too_large")
            return Result(
                frame.text() if failure is None and too_large is None else None,
                None if failure is None else _failure(failure),
                too_large,
                _number(head, "fuel"),
                _number(head, "load_fuel"),
                _seconds(head, "load_seconds"),
                _seconds(head, "seconds"),
            )
        case Kind.HERE:
            return Here(_number(head, "pid"))
        case Kind.PREPARED:
            return Prepared(head.get("ready") is True)
        case _:
            raise ProtocolError(f"a worker does not say {frame.kind.name}")


def _failure(value: object) -> Failure:
    if not isinstance(value, dict):
        raise ProtocolError("a failure that is no object")
    error_type = _text(value, "error_type", LONGEST_NAME)
    if error_type not in CLAIMS:
        raise ProtocolError(f"a worker does not find {error_type[:50]!r}")
    traceback = None if value.get("traceback") is None else _text(value, "traceback", LONGEST_TEXT)
    return Failure(error_type, _text(value, "message", LONGEST_TEXT), traceback)


def _text(head: Mapping[str, Any], name: str, longest: int) -> str:
    value = head.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise ProtocolError(f"{name} is no text of at most {longest} characters")
    return value


def _number(head: Mapping[str, Any], name: str) -> int:
    value = head.get(name)
    if type(value) is not int or not 0 <= value <= HIGHEST_NUMBER:
        raise ProtocolError(f"{name} is no number that can be")
    return value


def _seconds(head: Mapping[str, Any], name: str) -> float:
    value = head.get(name)
    if type(value) not in (int, float):
        raise ProtocolError(f"{name} is no time")
    assert isinstance(value, int | float)
    if not (math.isfinite(value) and 0 <= value <= LONGEST_TIME):
        raise ProtocolError(f"{name} is no time that can be")
    return float(value)
