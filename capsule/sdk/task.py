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
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextvars import ContextVar
from typing import Any, Generic, ParamSpec, TypeVar, overload

from capsule.policy.options import OPTIONS
from capsule.sdk.outcome import Envelope

P = ParamSpec("P")
R = TypeVar("R")

_inside: ContextVar[bool] = ContextVar("capsule_inside_a_task", default=False)


class Pending:
    """A task that was started: `outcome` waits for its envelope, and so does ``await``."""

    def __init__(self, envelope: Callable[[], Envelope | Awaitable[Envelope]]) -> None:
        self._make = envelope
        self._envelope: Envelope | None = None

    def done(self) -> bool:
        """Whether `outcome` would return at once."""
        return self._envelope is not None

    def outcome(self) -> Envelope:
        """The task's envelope; blocks until it has ended."""
        if self._envelope is None:
            made = self._make()
            self._envelope = asyncio.run(_await(made)) if inspect.isawaitable(made) else made
        return self._envelope

    def __await__(self) -> Generator[Any, None, Envelope]:
        if self._envelope is None:
            made = self._make()
            self._envelope = (yield from made.__await__()) if inspect.isawaitable(made) else made
        return self._envelope


async def _await(awaitable: Awaitable[Envelope]) -> Envelope:
    return await awaitable


class Task(Generic[P, R]):
    """A function that is a task. Outside a sandbox nothing enforces its options, which are the guide's.

    ``function`` is what the task runs.
    """

    def __init__(self, function: Callable[P, R], name: str, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.name = name
        self.options = options
        self.function = function

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Calls the function; called by another task, gives its envelope, as in a sandbox."""
        if inspect.iscoroutinefunction(self.function):
            if _inside.get():
                return self._envelope_async(args, kwargs)
            return self._enter_async(args, kwargs)
        if _inside.get():
            return self._envelope(args, kwargs)
        return self._enter(args, kwargs)

    def start(self, *args: P.args, **kwargs: P.kwargs) -> Pending:
        """Starts the task and returns at once. Outside a sandbox it runs when it is waited for."""
        if inspect.iscoroutinefunction(self.function):
            return Pending(lambda: self._envelope_async(args, kwargs))
        return Pending(lambda: self._envelope(args, kwargs))

    def map(self, *iterables: Iterable[Any]) -> list[Envelope]:
        """The task's envelope for each item, in order. In a sandbox, they run side by side.

        Several iterables are taken in step, as the built-in ``map`` does.
        """
        return [self.start(*items).outcome() for items in zip(*iterables, strict=False)]  # type: ignore[call-arg]

    def _enter(self, args: Any, kwargs: Any) -> Any:
        token = _inside.set(True)
        try:
            return self.function(*args, **kwargs)
        finally:
            _inside.reset(token)

    async def _enter_async(self, args: Any, kwargs: Any) -> Any:
        token = _inside.set(True)
        try:
            return await self.function(*args, **kwargs)  # type: ignore[misc]
        finally:
            _inside.reset(token)

    def _envelope(self, args: Any, kwargs: Any) -> Envelope:
        started = time.monotonic()
        try:
            return self._succeeded(self._enter(args, kwargs), started)
        except Exception as error:
            return self._failed(error, started)

    async def _envelope_async(self, args: Any, kwargs: Any) -> Envelope:
        started = time.monotonic()
        try:
            return self._succeeded(await self._enter_async(args, kwargs), started)
        except Exception as error:
            return self._failed(error, started)

    def _succeeded(self, result: Any, started: float) -> Envelope:
        return Envelope(success=True, result=result, error=None, execution=self._execution(started))

    def _failed(self, error: Exception, started: float) -> Envelope:
        details = {
            "error_type": "task_error",
            "message": f"{type(error).__name__}: {error}",
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
    allowed_files: list[str | dict[str, str]] | None = None,
    allowed_hosts: list[str] | None = None,
    env_variables: list[str] | None = None,
    secrets: list[str] | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def task(function: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Makes a task of a function: ``@task``, or ``@task(name=..., compute=..., ...)``.

    ``compute`` is "LOW", "MEDIUM", "HIGH", an amount of fuel or "unlimited"; ``ram`` like "512MB";
    ``timeout`` like "30s"; ``max_retries`` a number; ``allowed_files`` folders, as paths or
    ``{"path", "mode"}``; ``allowed_hosts``, ``env_variables`` and ``secrets`` names. Raises `TypeError`
    for an option that doesn't exist.
    """
    unknown = options.keys() - set(OPTIONS)
    if unknown:
        raise TypeError(f"task() has no option {sorted(unknown)[0]!r}")

    def decorate(decorated: Callable[..., Any]) -> Task[..., Any]:
        given = {option: value for option, value in options.items() if value is not None}
        return Task(decorated, name if name is not None else decorated.__name__, given)

    return decorate if function is None else decorate(function)
