"""Shows recorded runs: text for people, JSON for programs.

All of it comes from guests in the end, so nothing is printed as it is: characters that could drive a
terminal or turn the reading direction are written out (``\\x1b``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Final

from capsule.journal.records import OutputRecord, RequestRecord, RunState, RunSummary, RunTree, TaskRecord
from capsule.terminal import escape, without_message

DETAILS_SHOWN: Final = 10
"""Attempts, refusals and requests of one task that the tree shows, each; JSON has all that were kept."""

LINES_SHOWN: Final = 30
"""Lines of a traceback that the tree shows, the first and the last; JSON has all that was kept."""

DEPTH_DRAWN: Final = 40
"""Levels of the tree that are indented; deeper tasks are drawn at this depth."""

_ID_LENGTH = 12
_LINE_LIMIT = 400
_COLOURS: Final[dict[RunState, str]] = {
    "succeeded": "32",
    "failed": "31",
    "cancelled": "33",
    "interrupted": "33",
    "running": "36",
    "unknown": "35",
}


_BESIDE_NAMES = 64
"""Characters of a line of a table that aren't names: id, time, state, duration, and what lies in between."""


def runs_text(runs: Sequence[RunSummary], *, colour: bool = False, width: int | None = None) -> str:
    """A table of runs, one a line, of at most ``width`` characters where the names of files allow it."""
    if not runs:
        return "no runs are recorded here\n"
    header = ("RUN", "STARTED", "STATE", "DURATION", "SOURCE", "TASK")
    longest = 48 if width is None else max(12, min(48, (width - _BESIDE_NAMES) // 2))
    rows = [
        (
            _short(run.id, _ID_LENGTH, mark=False),
            _moment(run.started),
            run.state,
            _duration(run.duration),
            _short(run.source, longest),
            _short(run.task, min(longest, 32)),
        )
        for run in runs
    ]
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [_columns(header, widths)]
    for run, row in zip(runs, rows, strict=True):
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        padded[2] = _painted(padded[2], run.state, colour)
        lines.append("  ".join(padded).rstrip())
    return "\n".join(lines) + "\n"


def tree_text(tree: RunTree, *, colour: bool = False) -> str:
    """A run and its tasks as a tree, with what was refused, requested and, if it was read, written."""
    return "\n".join(_tree_lines(tree, colour)) + "\n"


def to_json(what: Sequence[RunSummary] | RunTree) -> str:
    """One line of ASCII: ``{"runs": [...]}``, or ``{"run": {...}, "tasks": [...]}`` with tasks by number.

    The keys are the fields of the classes in `capsule.journal.records`.
    """
    value = asdict(what) if isinstance(what, RunTree) else {"runs": [asdict(run) for run in what]}
    return json.dumps(value).replace("\x7f", "\\u007f") + "\n"


def _tree_lines(tree: RunTree, colour: bool) -> Iterator[str]:
    run = tree.run
    state = _painted(run.state, run.state, colour)
    yield f"run {escape(run.id)} {state} {_duration(run.duration)}"
    yield f"  source     {_short(run.source)}"
    yield f"  artifact   {_short(run.artifact)}"
    yield f"  started    {_moment(run.started)} by process {run.pid}"
    yield f"  call       {_short(run.task)} {_short(run.arguments)}"
    if run.dropped:
        yield f"  incomplete {run.dropped} events came too fast to be recorded"
    children = tree.children()
    # A chain of tasks may be longer than Python may recurse.
    waiting = [(task, "", last, 0) for task, last in _reversed(children.get(None, []))]
    while waiting:
        task, indent, last, depth = waiting.pop()
        below = children.get(task.task, [])
        yield f"{indent}{'└─ ' if last else '├─ '}{_headline(task, colour)}"
        inner = indent + ("   " if last else "│  ")
        for line in _details(task, colour):
            yield f"{inner}{'│  ' if below else '   '}{line}"
        deeper = inner if depth < DEPTH_DRAWN else indent
        waiting.extend((child, deeper, final, depth + 1) for child, final in _reversed(below))


def _reversed(tasks: Sequence[TaskRecord]) -> Iterator[tuple[TaskRecord, bool]]:
    for index in range(len(tasks) - 1, -1, -1):
        yield tasks[index], index == len(tasks) - 1


def _headline(task: TaskRecord, colour: bool) -> str:
    words = [_short(task.name, 64), f"#{task.task}", _painted(task.state, task.state, colour)]
    if task.duration is not None:
        words.append(_duration(task.duration))
    if task.fuel is not None:
        words.append(f"fuel {_amount(task.fuel)}")
    if task.attempt_count > 1:
        words.append(f"{task.attempt_count} attempts")
    return " ".join(words)


def _details(task: TaskRecord, colour: bool) -> Iterator[str]:
    shown = (task.error_type, task.message)
    if task.error_type is not None:
        last = task.attempts[-1] if task.attempts else None
        traceback = last.traceback if last and (last.error_type, last.message) == shown else None
        yield from _failed(task.error_type, task.message, traceback)
    if task.attempt_count > 1:
        for attempt in task.attempts[:DETAILS_SHOWN]:
            ended = "not ended" if attempt.duration is None else _duration(attempt.duration)
            fuel = "" if attempt.fuel is None else f" fuel {_amount(attempt.fuel)}"
            same = (attempt.error_type, attempt.message) == shown
            words = "the same" if same else _failure(attempt.error_type or "", attempt.message)
            error = "" if attempt.error_type is None else f" {words}"
            yield f"attempt {attempt.attempt}: {ended}{fuel}{error}"
        yield from _more(task.attempt_count, len(task.attempts), "attempts")
    for refusal in task.refusals[:DETAILS_SHOWN]:
        yield f"refused {_short(refusal.rule, 64)}: {_short(refusal.subject)}"
    yield from _more(task.refusal_count, len(task.refusals), "refusals")
    for request in task.requests[:DETAILS_SHOWN]:
        yield _request(request)
    yield from _more(task.request_count, len(task.requests), "requests")
    if task.output:
        yield from _output(task)
    elif task.output_count:
        yield f"wrote {task.output_count} characters (--output shows them)"


def _failed(error_type: str, message: str | None, traceback: str | None) -> Iterator[str]:
    """A failure, with its places where they are known."""
    yield _failure(error_type, message)
    places = without_message(traceback or "", message or "")
    lines = [escape(line.expandtabs()) for line in places.split("\n")] if places else []
    if len(lines) > LINES_SHOWN:
        lines[LINES_SHOWN // 2 : -LINES_SHOWN // 2] = ["..."]
    yield from (f"  {line[:_LINE_LIMIT]}" for line in lines)


def _more(count: int, kept: int, what: str) -> Iterator[str]:
    missing = count - min(kept, DETAILS_SHOWN)
    if missing > 0:
        yield f"and {missing} more {what}"


def _request(request: RequestRecord) -> str:
    result = escape(request.failure or "failed") if request.status is None else str(request.status)
    sizes = f"{_amount(request.sent)}B sent, {_amount(request.received)}B received"
    method, url = _short(request.method, 16), _short(request.url)
    return f"{method} {url} {_short(result)} {_duration(request.duration)}, {sizes}"


def _failure(error_type: str, message: str | None) -> str:
    return f"{_short(error_type, 64)}: {_short(message)}" if message else _short(error_type, 64)


def _output(task: TaskRecord) -> Iterator[str]:
    missing = task.output_count - sum(len(part.text) for part in task.output)
    for stream, text in _runs_of_output(task.output):
        if text is None:
            yield f"[{max(0, missing)} characters were not kept]"
            missing = 0
            continue
        lines = text.split("\n")
        for line in lines[:-1] if lines[-1] == "" else lines:
            yield f"{_short(stream, 6)}| {chr(9).join(map(escape, line.split(chr(9))))}"
    if missing > 0:
        yield f"[{missing} characters were not kept]"


def _runs_of_output(parts: Iterable[OutputRecord]) -> Iterator[tuple[str, str | None]]:
    def numbered() -> Iterator[tuple[int, OutputRecord]]:
        piece = 0
        for part in parts:
            piece += part.after_gap
            yield piece, part

    shown = 0
    for (piece, stream), group in groupby(numbered(), key=lambda entry: (entry[0], entry[1].stream)):
        if piece != shown:
            shown = piece
            yield "", None
        yield stream, "".join(part.text for _, part in group)


def _columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _short(text: str, limit: int = _LINE_LIMIT, *, mark: bool = True) -> str:
    if len(text) <= limit:
        return escape(text)
    return escape(text[: limit - 1]) + "…" if mark else escape(text[:limit])


def _painted(text: str, state: RunState, colour: bool) -> str:
    return f"\x1b[{_COLOURS[state]}m{text}\x1b[0m" if colour else text


def _moment(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, ValueError, OSError):
        return "at no time"


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(min(seconds, 1e12)), 60)
    return f"{minutes} m {rest:02} s"


def _amount(number: int) -> str:
    if number < 1000:
        return str(number)
    value = float(number)
    for unit in ("k", "M", "G", "T"):
        value /= 1000
        if value < 999.95:
            return f"{value:.1f}{unit}"
    return f"{value:.0f}T"
