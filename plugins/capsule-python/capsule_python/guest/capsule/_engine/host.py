"""The host's functions, typed: the only module that touches the generated bindings.

Everything that the guest has printed is handed over before a call that may block or start
something, so that a task that is killed while it waits has lost no output.
"""

from __future__ import annotations

from componentize_py_types import Err  # type: ignore[import-not-found]
from wit_world.imports import clock, files, http, pending, preopens, tasks  # type: ignore[import-not-found]

from . import output

sealed = False
"""True while a program's top level runs for a snapshot: there is no host to call."""


class Refused(Exception):
    """The host did not start a task. ``reason`` is the WIT enum's case, in lower case with hyphens."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class HttpFailure(Exception):
    """A request failed. ``reason`` is the WIT enum's case, in lower case with hyphens."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


def start_task(name: str, arguments: str) -> int:
    """Starts a task and returns its handle; raises `Refused`."""
    _prepare_call()
    try:
        handle: int = tasks.start(name, arguments)
    except Err as error:
        raise Refused(_case(error.value.reason), error.value.message) from None
    return handle


def task_outcome(handle: int) -> str | None:
    """The outcome envelope of a task, as JSON; blocks until it has ended."""
    _prepare_call()
    outcome: str | None = tasks.outcome(handle)
    return outcome


def start_request(request: str) -> int:
    """Starts an HTTP request and returns its handle."""
    _prepare_call()
    handle: int = http.start(request)
    return handle


def send_request(request: str) -> str:
    """Sends an HTTP request and blocks until the response is there; raises `HttpFailure`."""
    _prepare_call()
    try:
        response: str = http.send(request)
    except Err as error:
        raise HttpFailure(_case(error.value.reason), error.value.message) from None
    return response


def take_response(handle: int) -> str:
    """The response to a started request; blocks until it is there. Raises `HttpFailure`."""
    _prepare_call()
    try:
        response: str = http.response(handle)
    except Err as error:
        raise HttpFailure(_case(error.value.reason), error.value.message) from None
    return response


def wait_any(timeout: float | None) -> list[int]:
    """Blocks until something started has ended, at most ``timeout`` seconds."""
    _prepare_call()
    handles: list[int] = pending.wait_any(None if timeout is None else _nanoseconds(timeout))
    return handles


def sleep(seconds: float) -> None:
    """Sleeps, in the host, which can interrupt it."""
    _prepare_call()
    clock.sleep(_nanoseconds(seconds))


def folders() -> list[str]:
    """The paths of the folders that this sandbox sees; none while a snapshot is made."""
    if sealed:
        return []
    found = []
    for descriptor, path in preopens.get_directories():
        with descriptor:
            found.append(path)
    return found


def denial(path: str, *, folder: bool, change: bool, refused: bool) -> str | None:
    """Why the task may not use a path, in a sentence; None when its policy isn't the reason."""
    if sealed:
        return None
    why: str | None = files.denial(path, folder, change, refused)
    return why


def _prepare_call() -> None:
    if sealed:
        raise RuntimeError(
            "tasks, requests and sleeps can't be used at the top level of a module that is built "
            "with --snapshot: move this into a task"
        )
    output.flush()


def _nanoseconds(seconds: float) -> int:
    return min(max(0, int(seconds * 1e9)), 2**63)


def _case(member: object) -> str:
    return str(getattr(member, "name", member)).lower().replace("_", "-")
