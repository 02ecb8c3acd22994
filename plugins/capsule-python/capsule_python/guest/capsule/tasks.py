"""Tasks, as the code inside a sandbox declares and calls them."""

from __future__ import annotations

import functools
import inspect
import json
from collections import deque
from collections.abc import Callable, Generator, Iterable
from typing import Any, overload

from ._engine import host, started, values
from .misuse import Called, Started
from .options import OPTIONS
from .outcome import Envelope

_WINDOW = 64
"""How many tasks `Task.map` has started and not yet taken, at most."""

_REFUSALS = {"depth-limit": "limit_exceeded", "task-limit": "limit_exceeded"}


class Registry:
    """The tasks that the program's modules have declared so far.

    ``running`` is false while the program is being loaded.
    """

    def __init__(self) -> None:
        self.tasks: dict[str, Task] = {}
        self.running = False

    def add(self, task: Task) -> None:
        """Adds a task; raises ValueError when another function has its name."""
        other = self.tasks.get(task.name)
        if other is not None and (other.file, other.line) != (task.file, task.line):
            raise ValueError(
                f"two tasks are named {task.name!r}: {other.file}:{other.line} and {task.file}:{task.line}"
            )
        self.tasks[task.name] = task


registry = Registry()


class Pending(Started):
    """A task that was started. `outcome` blocks for it; in async code, ``await`` it."""

    __module__ = "capsule"

    def __init__(self, task_name: str, handle: int | None, envelope: Envelope | None = None) -> None:
        self.task_name = task_name
        self._handle = handle
        self._envelope = envelope

    def outcome(self) -> Envelope:
        """The task's envelope; blocks until it has ended."""
        if self._envelope is None:
            assert self._handle is not None
            self._envelope = Envelope(json.loads(started.take(self._handle)))
        return self._envelope

    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._envelope is not None or (self._handle is not None and started.poll(self._handle))

    def __await__(self) -> Generator[Any, None, Envelope]:
        if self._envelope is None and self._handle is not None:
            # Imported late: the event loop is made after this module.
            from ._engine import loop

            yield from loop.wait(self._handle).__await__()
        return self.outcome()

    def __repr__(self) -> str:
        return f"<Pending {self.task_name} {'done' if self._envelope is not None else 'started'}>"


class Task:
    """A declared task. Calling it runs it in a sandbox of its own and returns its `Envelope`.

    ``function`` is what the task runs.
    """

    __module__ = "capsule"

    def __init__(self, function: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = name
        self.options = options
        code = getattr(inspect.unwrap(function), "__code__", None)
        self.file: str | None = getattr(code, "co_filename", None)
        self.line: int | None = getattr(code, "co_firstlineno", None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Runs the task and returns its envelope."""
        return self._start(args, kwargs).outcome()

    def start(self, *args: Any, **kwargs: Any) -> Pending:
        """Starts the task and returns at once."""
        return self._start(args, kwargs)

    def map(self, *iterables: Iterable[Any]) -> list[Envelope]:
        """Runs the task for each item, side by side, and returns the envelopes in the items' order.

        Several iterables are taken in step, as the built-in ``map`` does.
        """
        envelopes: list[Envelope] = []
        waiting: deque[Pending] = deque()
        for items in zip(*iterables, strict=False):
            if len(waiting) >= _WINDOW:
                envelopes.append(waiting.popleft().outcome())
            waiting.append(self._start(items, {}))
        envelopes.extend(pending.outcome() for pending in waiting)
        return envelopes

    def _start(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Pending:
        if not registry.running:
            raise RuntimeError(
                f"the task {self.name!r} can't be called while the program is loading: call it inside a task"
            )
        arguments = values.encode_arguments(args, kwargs)
        try:
            return Pending(self.name, started.task(self.name, arguments))
        except host.Refused as refusal:
            if refusal.reason == "not-running":
                raise RuntimeError(refusal.message) from None
            error_type = _REFUSALS.get(refusal.reason, "invalid_call")
            return Pending(self.name, None, _refused(self.name, error_type, refusal.message))

    def __repr__(self) -> str:
        return f"<task {self.name}>"


class AsyncTask(Task):
    """A declared ``async def`` task: its call is awaited."""

    def __call__(self, *args: Any, **kwargs: Any) -> Called:
        """What to await for the task's envelope."""
        return Called(self.name, self._awaited(args, kwargs))

    async def _awaited(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Envelope:
        return await self._start(args, kwargs)


def _refused(name: str, error_type: str, message: str) -> Envelope:
    return Envelope(
        success=False,
        result=None,
        error={"error_type": error_type, "message": message, "traceback": None},
        execution={"task_name": name, "duration_ms": 0, "retries": 0, "fuel_consumed": 0},
    )


@overload
def task(function: Callable[..., Any], /) -> Task: ...
@overload
def task(
    *,
    name: str | None = None,
    compute: str | int | None = None,
    ram: str | int | None = None,
    timeout: str | int | float | None = None,
    max_retries: int | None = None,
    allowed_files: list[Any] | None = None,
    allowed_hosts: list[str] | None = None,
    env_variables: list[str] | None = None,
    secrets: list[str] | None = None,
    tools: list[str] | None = None,
) -> Callable[[Callable[..., Any]], Task]: ...
def task(
    function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any
) -> Task | Callable[[Callable[..., Any]], Task]:
    """Declares a function as a task, to be run in a sandbox of its own.

    The host reads the options from the source before anything runs; here they are only kept.
    Raises TypeError for an option that doesn't exist.
    """
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise TypeError(f"task() has no option {min(unknown)!r}; its options are name, {', '.join(OPTIONS)}")

    def declare(target: Callable[..., Any]) -> Task:
        given = {option: value for option, value in options.items() if value is not None}
        kind = AsyncTask if inspect.iscoroutinefunction(target) else Task
        declared = kind(target, name if name is not None else target.__name__, given)
        registry.add(declared)
        return declared

    if function is None:
        return declare
    if not callable(function):
        raise TypeError(f"@task decorates a function, not {type(function).__name__}; write @task(name=...)")
    return declare(function)
