"""What tasks a program registers when it is loaded: the sealed sandbox's answer, parsed.

A frontend reads declarations from the source's text. What the text doesn't tell (an option that is
computed, a task that is registered in a loop) is asked of the frontend's engine: its export ``declared``
loads the program without any rights and gives a JSON list of ``{"name", "options", "file", "line"}``.
The program is the user's, so that its answer is no more to be trusted than the source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from capsule.errors import BuildError, CapsuleError, Location
from capsule.frontend.spec import TaskDeclaration

MAX_TASKS = 10_000
_MAX_ANSWER = 16 << 20


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something about tasks that the text doesn't tell. ``what`` is the subject of a sentence."""

    what: str
    reason: str
    location: Location
    hint: str | None = None


def declared_tasks(
    unreadable: Unreadable, declared: Callable[[], str], *, entry: str, files: Collection[str], hint: str
) -> tuple[TaskDeclaration, ...]:
    """The tasks that the engine has registered.

    ``declared`` asks it; ``unreadable`` is why. A task's place is in one of ``files``, or else in
    ``entry``, the source's name. ``hint`` says how to write tasks so that the text tells; errors show it
    where ``unreadable`` has none of its own. Raises `BuildError`: where the sandbox fails, it says what
    couldn't be read, and why not; an error that has a place of its own stays as it is.
    """
    try:
        answer = declared()
    except BuildError as error:
        if error.location is not None:
            raise
        raise _cannot_read(unreadable, hint, error.message, error.traceback) from error
    except (CapsuleError, LookupError) as error:
        raise _cannot_read(unreadable, hint, str(error), None) from error
    try:
        return tuple(_parse(answer, entry, files))
    except (ValueError, RecursionError) as error:
        because = f"the sandbox gave an unusable answer ({error})"
        raise _cannot_read(unreadable, hint, because, None) from None


def _cannot_read(unreadable: Unreadable, hint: str, because: str, traceback: str | None) -> BuildError:
    return BuildError(
        f"{unreadable.what} can't be read from the source: {unreadable.reason}; "
        f"and loading the program in a sealed sandbox (no files, hosts, environment) failed: {because}",
        hint=unreadable.hint or hint,
        location=unreadable.location,
        traceback=traceback,
    )


def _parse(answer: str, entry: str, files: Collection[str]) -> Iterator[TaskDeclaration]:
    if len(answer) > _MAX_ANSWER:
        raise ValueError("it is too long")
    tasks = json.loads(answer)
    if not isinstance(tasks, list) or len(tasks) > MAX_TASKS:
        raise ValueError("it is no list of tasks")
    for task in tasks:
        if not isinstance(task, dict):
            raise ValueError("a task is no object")
        name, options = task.get("name"), task.get("options")
        if not isinstance(name, str) or not name or not isinstance(options, dict):
            raise ValueError("a task has no name or no options")
        file, line = task.get("file"), task.get("line")
        location = Location(entry)
        if isinstance(file, str) and file in files:
            location = Location(file, line if type(line) is int and 0 < line < 1 << 31 else None)
        yield TaskDeclaration(name, options, location)
