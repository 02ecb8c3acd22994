"""A recorded run in the Trace Event Format, which Chrome's viewer and Perfetto read.

https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from capsule.journal.records import RunTree, TaskRecord
from capsule.terminal import escape

_MICROSECONDS: Final = 1_000_000
_PROCESS: Final = 1


def events(tree: RunTree) -> str:
    """The run as JSON. A task is a slice, with its attempts and requests in it, and what was denied as marks.

    Slices of one track lie in each other or apart: a task that runs beside another has a track of its own.
    """
    named = {"process_name": f"{escape(tree.run.task)} ({escape(tree.run.source)})"}
    found: list[dict[str, Any]] = [_meta(name, value) for name, value in named.items()]
    ends = _ends(tree)
    tracks = _tracks(tree, ends)
    found.extend(_meta("thread_name", f"track {track}", track) for track in sorted(set(tracks.values())))
    for task in tree.tasks:
        found.extend(_of(task, tracks[task.task], ends[task.task]))
    return json.dumps({"traceEvents": found, "displayTimeUnit": "ms"}) + "\n"


def _of(task: TaskRecord, track: int, end: float) -> Iterator[dict[str, Any]]:
    told: dict[str, Any] = {
        "task": task.task,
        "state": task.state,
        "fuel": task.fuel,
        "retries": task.retries,
    }
    if task.error_type is not None:
        told["error"] = escape(f"{task.error_type}: {task.message or ''}")
    yield _slice(task.name, "task", task.started, end, track, told)
    for attempt in task.attempts:
        until = end if attempt.ended is None else attempt.ended
        about: dict[str, Any] = {
            "fuel": attempt.fuel,
            "load_ms": None if attempt.load is None else attempt.load * 1000,
        }
        if attempt.error_type is not None:
            about["error"] = escape(f"{attempt.error_type}: {attempt.message or ''}")
        yield _slice(f"attempt {attempt.attempt}", "attempt", attempt.started, min(until, end), track, about)
    for number, request in enumerate(task.requests, 1):
        asked = {"url": escape(request.url), "status": request.status, "failure": request.failure}
        for phase, at in (("b", request.at), ("e", request.at + request.duration)):
            yield {
                "name": escape(request.method),
                "cat": "request",
                "ph": phase,
                "id": f"{task.task}.{number}",
                "ts": round(at * _MICROSECONDS),
                "pid": _PROCESS,
                "tid": track,
                "args": asked if phase == "b" else {},
            }
    for refusal in task.refusals:
        yield {
            "name": f"denied: {escape(refusal.rule)}",
            "cat": "denied",
            "ph": "i",
            "s": "t",
            "ts": round(refusal.at * _MICROSECONDS),
            "pid": _PROCESS,
            "tid": track,
            "args": {"subject": escape(refusal.subject)},
        }


def _slice(
    name: str, category: str, start: float, end: float, track: int, told: dict[str, Any]
) -> dict[str, Any]:
    return {
        "name": escape(name),
        "cat": category,
        "ph": "X",
        "ts": round(start * _MICROSECONDS),
        "dur": max(0, round(end * _MICROSECONDS) - round(start * _MICROSECONDS)),
        "pid": _PROCESS,
        "tid": track,
        "args": told,
    }


def _meta(name: str, value: str, track: int = 0) -> dict[str, Any]:
    return {"name": name, "ph": "M", "pid": _PROCESS, "tid": track, "args": {"name": value}}


def _ends(tree: RunTree) -> dict[int, float]:
    """When each task ended; for one without an end, the last that is known of the run."""
    run = tree.run
    known = [run.started + (run.duration or 0.0)]
    for task in tree.tasks:
        known.append(task.started if task.ended is None else task.ended)
        known.extend(attempt.started if attempt.ended is None else attempt.ended for attempt in task.attempts)
    last = max(known)
    return {task.task: last if task.ended is None else max(task.started, task.ended) for task in tree.tasks}


def _tracks(tree: RunTree, ends: Mapping[int, float]) -> dict[int, int]:
    """The track of each task: its parent's, if it fits in there, else the first that is free, from 1."""
    tracks: dict[int, int] = {}
    free_from: list[float] = []  # for each track, when the last task ends that isn't within another one
    within: dict[int, float] = {}  # for each task, when the last of its sub-tasks on its own track ends
    for task in sorted(tree.tasks, key=lambda task: (task.started, task.task)):
        number, parent, end = task.task, task.parent, ends[task.task]
        if parent in tracks and task.started >= within.get(parent, 0.0) and end <= ends[parent]:
            tracks[number] = tracks[parent]
            within[parent] = end
            continue
        track = next((each for each, free in enumerate(free_from) if free <= task.started), len(free_from))
        if track == len(free_from):
            free_from.append(0.0)
        free_from[track] = end
        tracks[number] = track + 1
    return tracks
