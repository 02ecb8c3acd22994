"""The ``task`` decorator outside a sandbox, where a task is a function that can be called and tested.

Inside a sandbox the same name is the guest SDK's: there, a task that is called starts a sandbox of its
own and its envelope comes back. So that code with sub-tasks can be tested here, a task that is called
*by a task* gives an envelope here too, while a test that calls a task gets what it returns.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, Generic, Never, ParamSpec, Protocol, SupportsIndex, TypeVar, cast, overload

from capsule.policy.options import OPTIONS
from capsule.sdk.misuse import Called, Started
from capsule.sdk.outcome import Envelope, TaskError

P = ParamSpec("P")
R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

_inside: ContextVar[bool] = ContextVar("capsule_inside_a_task", default=False)


class Pending(Started, Generic[R]):
    """A task that was started: `outcome` waits for its envelope, and so does ``await``."""

    __module__ = "capsule"

    def __init__(self, task_name: str, envelope: Callable[[], Envelope[R] | Awaitable[Envelope[R]]]) -> None:
        self.task_name = task_name
        self._make = envelope
        self._envelope: Envelope[R] | None = None

    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._envelope is not None

    def outcome(self) -> Envelope[R]:
        """The task's envelope; blocks until it has ended."""
        if self._envelope is None:
            made = self._make()
            self._envelope = made if isinstance(made, Envelope) else asyncio.run(_await(made))
        return self._envelope

    def __await__(self) -> Generator[Any, None, Envelope[R]]:
        if self._envelope is None:
            made = self._make()
            self._envelope = made if isinstance(made, Envelope) else (yield from made.__await__())
        return self._envelope

    def __repr__(self) -> str:
        return f"<Pending {self.task_name} {'done' if self._envelope is not None else 'started'}>"


async def _await(awaitable: Awaitable[Envelope[R]]) -> Envelope[R]:
    return await awaitable


class Task(Generic[P, R]):
    """A function that is a task. Outside a sandbox nothing enforces its options, which are the guide's.

    ``function`` is what the task runs.
    """

    def __init__(self, function: Callable[P, Any], name: str, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.name = name
        self.options = options
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Envelope[R]:
        """Runs the task and returns its envelope.

        Called by no task, as in a test, it gives what the function returns.
        """
        if _inside.get():
            return self._envelope(args, kwargs)
        return cast("Envelope[R]", self._enter(args, kwargs))

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Pending[R]:
        """Starts the task and returns at once. Outside a sandbox it runs when it is waited for."""
        return self._start(args, kwargs)

    def map(self, *iterables: Iterable[Any]) -> list[Envelope[R]]:
        """The task's envelope for each item, in order. In a sandbox, they run side by side.

        Several iterables are taken in step, as the built-in ``map`` does.
        """
        return [self._start(items, {}).outcome() for items in zip(*iterables, strict=False)]

    def _start(self, args: Any, kwargs: Any) -> Pending[R]:
        return Pending(self.name, lambda: self._envelope(args, kwargs))

    def _enter(self, args: Any, kwargs: Any) -> Any:
        token = _inside.set(True)
        try:
            return self.function(*args, **kwargs)
        finally:
            _inside.reset(token)

    def _envelope(self, args: Any, kwargs: Any) -> Envelope[R]:
        started = time.monotonic()
        try:
            return self._succeeded(self._enter(args, kwargs), started)
        except Exception as error:
            return self._failed(error, started)

    def _succeeded(self, result: Any, started: float) -> Envelope[R]:
        return Envelope(success=True, result=result, error=None, execution=self._execution(started))

    def _failed(self, error: Exception, started: float) -> Envelope[R]:
        named = "" if isinstance(error, TaskError) else f"{type(error).__name__}: "
        details = {
            "error_type": "task_error",
            "message": f"{named}{error}",
            "traceback": "".join(traceback.format_exception(error)),
        }
        return Envelope(success=False, result=None, error=details, execution=self._execution(started))

    def _execution(self, started: float) -> dict[str, Any]:
        return {
            "task_name": self.name,
            "duration_ms": round((time.monotonic() - started) * 1000),
            "retries": 0,
            "fuel_consumed": 0,
            "load_ms": 0,
        }


class AsyncTask(Task[P, R]):
    """An ``async def`` function that is a task: its call is awaited."""

    # `Any` in it would let mypy give up on `asyncio.gather` of several tasks.
    def __call__(  # type: ignore[override]
        self, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[object, None, Envelope[R]]:
        """What to await for the task's envelope; called by no task, for what the function returns."""
        if _inside.get():
            return Called(self.name, self._envelope_async(args, kwargs))
        return self._enter_async(args, kwargs)

    def _start(self, args: Any, kwargs: Any) -> Pending[R]:
        return Pending(self.name, lambda: self._envelope_async(args, kwargs))

    async def _enter_async(self, args: Any, kwargs: Any) -> Any:
        token = _inside.set(True)
        try:
            return await self.function(*args, **kwargs)
        finally:
            _inside.reset(token)

    async def _envelope_async(self, args: Any, kwargs: Any) -> Envelope[R]:
        started = time.monotonic()
        try:
            return self._succeeded(await self._enter_async(args, kwargs), started)
        except Exception as error:
            return self._failed(error, started)


class Listed(Protocol[T_co]):
    """A list or a tuple. ``Sequence[str]`` would take a text as well, which is none."""

    def __contains__(self, item: object, /) -> bool: ...
    def __iter__(self) -> Iterator[T_co]: ...
    @overload
    def __getitem__(self, index: SupportsIndex, /) -> T_co: ...
    @overload
    def __getitem__(self, index: slice, /) -> Listed[T_co]: ...


class Decorator(Protocol):
    """What ``task(...)`` with options gives: it makes a task of a function."""

    @overload
    def __call__(self, function: Callable[P, Never], /) -> Task[P, Any]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


# The first is for functions of which a checker doesn't know what they return, or it would take the second.
@overload
def task(function: Callable[P, Never], /) -> Task[P, Any]: ...  # type: ignore[overload-overlap]
@overload
def task(function: Callable[P, Coroutine[Any, Any, R]], /) -> AsyncTask[P, R]: ...
@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(
    *,
    name: str | None = None,
    compute: str | int | None = None,
    ram: str | int | None = None,
    timeout: str | int | float | None = None,
    max_retries: int | None = None,
    allowed_files: Listed[str | Mapping[str, str]] | None = None,
    allowed_hosts: Listed[str] | None = None,
    env_variables: Listed[str] | None = None,
    secrets: Listed[str] | None = None,
    tools: Listed[str] | None = None,
) -> Decorator: ...
def task(function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Makes a task of a function: ``@task``, or ``@task(name=..., compute=..., ...)``.

    ``compute`` is "LOW", "MEDIUM", "HIGH", an amount of fuel or "unlimited"; ``ram`` like "512MB";
    ``timeout`` like "30s"; ``max_retries`` a number; ``allowed_files`` folders, as paths or
    ``{"path", "mode"}``; ``allowed_hosts``, ``env_variables``, ``secrets`` and ``tools`` names. Raises
    `TypeError` for an option that doesn't exist.
    """
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise TypeError(f"task() has no option {sorted(unknown)[0]!r}")

    def decorate(decorated: Callable[..., Any]) -> Task[..., Any]:
        given = {option: value for option, value in options.items() if value is not None}
        kind = AsyncTask if inspect.iscoroutinefunction(decorated) else Task
        return kind(decorated, name if name is not None else decorated.__name__, given)

    return decorate if function is None else decorate(function)
