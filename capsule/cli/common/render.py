"""Outcomes and errors for people and for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, TextIO

from capsule.cli.common.strict import strict_json
from capsule.terminal import block, escape, paragraph, safe, without_message, write

if TYPE_CHECKING:
    from capsule.errors import CapsuleError, Location
    from capsule.events import Event
    from capsule.frontend.spec import Diagnostic
    from capsule.sdk.outcome import Envelope

_RED, _GREEN, _YELLOW, _CYAN, _DIM = "1;31", "32", "33", "36", "2"
_STATES: Final = {"succeeded": _GREEN, "failed": _RED, "cancelled": _YELLOW}


def write_envelope(envelope: Envelope) -> None:
    """One line of JSON on stdout, in ASCII, and nothing else.

    What JSON has no number for is null in it, and stderr says so.
    """
    text, changed = strict_json(envelope)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
    if changed:
        write_warning("the result has NaN or infinite numbers, which JSON doesn't have: they are null")


def write_outcome(envelope: Envelope, *, told: bool = False) -> None:
    """The result on stdout, or what failed on stderr; ``told`` is whether its traceback was shown already."""
    if envelope.success:
        write(sys.stdout, _pretty(envelope.result) + "\n")
        return
    error = envelope.error or {}
    traceback = error.get("traceback")
    name, message = envelope.execution["task_name"], str(error.get("message"))
    if traceback and not told:
        _write_traceback(traceback, message)
    said = f"{error.get('error_type')}: {paragraph(message)}"
    write(sys.stderr, f"{_painted('error:', _RED)} the task {name!r} failed: {said}\n")


def write_error(error: CapsuleError) -> None:
    """An error of the host's, on stderr: where, what, and what to type next."""
    where = f"{error.location}: " if error.location else ""
    traceback = getattr(error, "traceback", None)
    if traceback:
        write(sys.stderr, block(traceback) + "\n")
    write(sys.stderr, f"{_painted('error:', _RED)} {paragraph(where + error.message)}\n")
    if error.hint:
        write(sys.stderr, f"{_painted('hint:', _CYAN)} {paragraph(error.hint)}\n")


def write_line(text: str) -> None:
    """A line on stdout, of text that may come from a file or a guest."""
    write(sys.stdout, escape(text) + "\n")


def write_warning(message: str) -> None:
    """A warning on stderr."""
    write(sys.stderr, f"{_painted('warning:', _YELLOW)} {paragraph(message)}\n")


def write_notes(notes: Iterable[str]) -> None:
    """What may be worth knowing, a line each, on stderr."""
    for note in notes:
        write(sys.stderr, f"{_painted('note:', _DIM)} {paragraph(note)}\n")


def write_columns(rows: Sequence[Sequence[str]]) -> None:
    """Rows of a table on stdout; on a terminal, within its width."""
    from capsule.cli.common.columns import columns, terminal_width

    for line in columns([[escape(cell) for cell in row] for row in rows], terminal_width()):
        write_line(line)


def error_row(error: CapsuleError) -> dict[str, Any]:
    """An error for machines."""
    return {"message": error.message, **_place(error.location), "hint": error.hint}


def type_row(found: Diagnostic) -> dict[str, Any]:
    """What a type checker found, for machines."""
    return {"message": found.message, **_place(found.location)}


def _place(location: Location | None) -> dict[str, Any]:
    return {
        "file": None if location is None else location.file,
        "line": None if location is None else location.line,
    }


def write_event(event: Event) -> None:
    """One line on stderr for what happens in a run: ``--verbose``."""
    lines = _event_lines(event)
    if lines:
        colour = _colour(event)
        write(sys.stderr, "".join(f"{_painted(escape(line), colour)}\n" for line in lines))
    traceback = getattr(event, "traceback", None)
    if traceback:
        _write_traceback(traceback, getattr(event, "message", None) or "")


def _write_traceback(traceback: str, message: str) -> None:
    """A traceback on stderr, without the message that stands beside it."""
    places = without_message(traceback, message)
    if places:
        write(sys.stderr, block(places) + "\n")


def _colour(event: Event) -> str:
    from capsule import events

    match event:
        case events.TaskEnded():
            return _STATES.get(event.state, _DIM)
        case events.AttemptEnded():
            return _RED
        case events.Refused():
            return _YELLOW
    return _DIM


def _event_lines(event: Event) -> list[str]:
    from capsule import events

    match event:
        case events.TaskStarted():
            by = "" if event.parent is None else f", for #{event.parent}"
            cuts = (f"[#{event.task}] {cut}" for cut in _cuts(event.policy))
            return [f"[#{event.task} {event.name}] accepted{by}", *cuts]
        case events.AttemptStarted():
            again = "" if event.attempt == 1 else f" (attempt {event.attempt})"
            return [f"[#{event.task}] running{again}"]
        case events.AttemptEnded() if event.error_type is not None:
            why = "" if event.message is None else f": {event.message}"
            return [f"[#{event.task}] attempt {event.attempt} failed: {event.error_type}{why}"]
        case events.TaskEnded():
            return [
                f"[#{event.task}] {event.state} after {event.duration * 1000:.0f} ms, "
                f"fuel {event.fuel:,}, retries {event.retries}"
            ]
        case events.Refused():
            return [f"[#{event.task}] refused by {event.rule}: {event.subject}"]
        case events.Requested():
            came = event.failure if event.status is None else str(event.status)
            return [f"[#{event.task}] {event.method} {event.url}: {came}, {event.duration * 1000:.0f} ms"]
    return []


def _cuts(policy: str) -> list[str]:
    """Which options of a task a ceiling has cut: a task finds no more of them than that they aren't there."""
    origins = json.loads(policy)["origins"]
    return [f"{option}: {origin}" for option, origin in origins.items() if ", capped by " in origin]


def _pretty(result: Any) -> str:
    if isinstance(result, str):
        return safe(result, sys.stdout)
    # JSON leaves the C1 control characters and those that turn the direction of text as they are.
    return safe(json.dumps(result, indent=2, ensure_ascii=not _unicode(sys.stdout)), sys.stdout)


def _unicode(stream: TextIO) -> bool:
    return (stream.encoding or "").lower().replace("-", "") == "utf8"


def _painted(text: str, colour: str) -> str:
    """The text on stderr, in colour where that is a terminal and nobody says no."""
    coloured = sys.stderr.isatty() and "NO_COLOR" not in os.environ
    return f"\x1b[{colour}m{text}\x1b[0m" if coloured else text
