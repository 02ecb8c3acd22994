"""Exceptions of task code, as the contract's error objects."""

# Paths here are the import system's own text.
# ruff: noqa: PTH120

from __future__ import annotations

import os
import sys
import traceback
import types
from json import dumps  # as it is now: a program may put something else into its module
from typing import Any

from .. import http
from ..outcome import SubTask, TaskError
from . import files, missing

_ENGINE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_INTERPRETER = "_capsule_code.py"
"""The program around code that is in no file: the frontend's `snippets.INTERPRETER`."""
_LIMIT = 64 * 1024
"""Characters of a message or traceback that the host is given at most."""


def describe(error: BaseException, kind: str | None = None) -> dict[str, Any]:
    """An exception as ``{"error_type", "message", "traceback"}``; ``kind`` overrides the type.

    Where a failed sub-task is part of it there is ``own`` besides: the traceback without that task's.
    """
    if isinstance(error, MemoryError):
        # The frames' locals are what filled the memory, and reporting needs some.
        traceback.clear_frames(error.__traceback__)
    if isinstance(error, ModuleNotFoundError):
        missing.explain(error)
    whole, own = _tracebacks(error)
    described = {
        "error_type": kind or classify(error),
        "message": _shorten(_message(error)),
        "traceback": _shorten(whole),
    }
    return described if own is None else {**described, "own": _shorten(own)}


def classify(error: BaseException) -> str:
    """The contract's error type for an exception that nobody caught."""
    if isinstance(error, MemoryError):
        return "out_of_memory"
    if isinstance(error, RecursionError):
        return "stack_overflow"
    if isinstance(error, SystemExit):
        return "exit"
    if isinstance(error, PermissionError) or _denial(error) is not None:
        return "permission_denied"
    return "task_error"


def _denial(error: BaseException) -> BaseException | None:
    # HTTP libraries wrap the refusal in exceptions of their own, as a cause or as an argument.
    waiting: list[BaseException] = [error]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, http.PermissionDenied | files.Denied):
            return one
        if isinstance(one, OSError) and (found := files.explained(one)) is not None:
            return found
        if id(one) not in seen:
            seen.add(id(one))
            waiting += [arg for arg in (one.__cause__, *one.args) if isinstance(arg, BaseException)]
    return None


def _message(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"sys.exit({error.code!r})"
    name = type(error).__qualname__
    try:
        text = str(error)
    except Exception:
        text = "<its message can't be shown>"
    if isinstance(error, TaskError):
        return text
    denial = str(_denial(error) or "")
    if denial not in text:
        text = f"{text} ({denial})" if text else denial
    return f"{name}: {text}" if text else name


def _tracebacks(error: BaseException) -> tuple[str | None, str | None]:
    """The traceback, and the one without those of sub-tasks where there are any."""
    try:
        report = traceback.TracebackException.from_exception(error, compact=True)
        of_subtasks = _keep_user_frames(report)
        whole = "".join(report.format())
        for one in of_subtasks:
            one.__cause__, one.__suppress_context__ = None, True
        return whole, "".join(report.format()) if of_subtasks else None
    except Exception:
        return None, None


def place(error: BaseException) -> tuple[str, int | None] | None:
    """The last file and line of the user's own that an exception went through; None without one."""
    if isinstance(error, SyntaxError) and error.filename:
        return error.filename, error.lineno
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        filename = frame.f_code.co_filename
        if not (_is_engine(filename) or _is_library(filename) or filename.startswith("/app/")):
            found = filename, line
    return found


def _keep_user_frames(report: traceback.TracebackException) -> list[traceback.TracebackException]:
    """Takes our frames out; returns what a sub-task is the cause of."""
    of_subtasks = []
    waiting = [report]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if one.__cause__ is not None and one.__cause__.exc_type_str == SubTask.__name__:
            of_subtasks.append(one)
        frames = [frame for frame in one.stack if not _is_engine(frame.filename)]
        # What stands above the first frame of the user's own is how the engine got there.
        first = next((index for index, frame in enumerate(frames) if not _is_library(frame.filename)), 0)
        one.stack = traceback.StackSummary.from_list(frames[first:])
        waiting += [other for other in (one.__cause__, one.__context__) if other is not None]
        waiting += one.exceptions or []
    return of_subtasks


def install() -> None:
    """Keeps our frames out of the tracebacks that task code prints itself."""
    walk_tb, walk_stack = traceback._walk_tb_with_full_positions, traceback.walk_stack  # type: ignore[attr-defined]

    def without_ours(frames: Any) -> Any:
        return (one for one in frames if not _is_engine(one[0].f_code.co_filename))

    def walk_stack_of(frame: types.FrameType | None) -> Any:
        return without_ours(walk_stack(sys._getframe(1) if frame is None else frame))

    traceback._walk_tb_with_full_positions = lambda tb: without_ours(walk_tb(tb))  # type: ignore[attr-defined]
    traceback.walk_stack = walk_stack_of


def _is_engine(filename: str) -> bool:
    return filename == _INTERPRETER or filename.startswith((_ENGINE, "<frozen importlib"))


def _is_library(filename: str) -> bool:
    return filename.startswith(("/python/", "<frozen "))


def _shorten(text: str | None) -> str | None:
    if text is None or len(text) <= _LIMIT:
        return text
    return text[: _LIMIT // 2] + "\n[...]\n" + text[-_LIMIT // 2 :]


def to_json(error: BaseException, kind: str | None = None) -> str:
    """`describe` as JSON text; falls back to the bare type where there is no memory or stack left."""
    try:
        return dumps(describe(error, kind))
    except BaseException:
        return '{"error_type":"%s","message":"%s","traceback":null}' % (  # noqa: UP031 - allocates least
            kind or classify(error),
            type(error).__name__.replace('"', ""),
        )
