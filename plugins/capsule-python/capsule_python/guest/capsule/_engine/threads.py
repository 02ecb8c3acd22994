"""What code that wants threads gets in a sandbox, which has one."""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.thread
import threading
from collections.abc import Callable, Iterable
from typing import Any, NoReturn


class InlineExecutor(concurrent.futures.Executor):
    """A `ThreadPoolExecutor` that runs each call when it is submitted."""

    def __init__(
        self,
        max_workers: int | None = None,
        thread_name_prefix: str = "",
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        **options: Any,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        self._max_workers = max_workers or 1
        self._closed = False
        self._initializer: Callable[[], object] | None = None
        if initializer is not None:
            self._initializer = lambda: initializer(*initargs)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> concurrent.futures.Future[Any]:
        """Runs the call, and returns its future, done."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._initializer is not None:
            self._initializer()
            self._initializer = None
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more calls."""
        self._closed = True


def _refuse_to_start(thread: threading.Thread) -> NoReturn:
    raise RuntimeError(
        "a sandbox has no threads: use task.map() or task.start() for work side by side, "
        "asyncio for waiting side by side, or call the function"
    )


def install() -> None:
    """Replaces the thread pool, and makes starting a thread say what to do instead."""
    concurrent.futures.thread.ThreadPoolExecutor = InlineExecutor  # type: ignore[misc,assignment]
    concurrent.futures.ThreadPoolExecutor = InlineExecutor  # type: ignore[misc,assignment]
    threading.Thread.start = _refuse_to_start  # type: ignore[method-assign,assignment]
