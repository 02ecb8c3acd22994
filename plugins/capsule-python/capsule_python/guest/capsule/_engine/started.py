"""Tasks and requests that this sandbox has started, and what came of those that have ended.

The host names everything that has ended whenever it is asked, so whatever it names is taken at once
and kept here until somebody wants it.
"""

from __future__ import annotations

from collections.abc import Callable

from . import host

_takers: dict[int, Callable[[int], str]] = {}
_ended: dict[int, str | Exception] = {}
_callbacks: dict[int, list[Callable[[], None]]] = {}


def task(name: str, arguments: str) -> int:
    """Starts a task and returns its handle; raises `host.Refused`."""
    handle = host.start_task(name, arguments)
    _takers[handle] = _outcome
    return handle


def request(text: str) -> int:
    """Starts an HTTP request and returns its handle."""
    handle = host.start_request(text)
    _takers[handle] = host.take_response
    return handle


def take(handle: int) -> str:
    """What a handle ended with; blocks until it has ended. Raises what the host says of a request."""
    if handle not in _ended:
        _collect(handle)
    ended = _ended.pop(handle)
    if isinstance(ended, Exception):
        raise ended
    return ended


def poll(handle: int) -> bool:
    """Whether a handle has ended."""
    if handle not in _ended:
        gather(0)
    return handle in _ended


def waiting() -> bool:
    """Whether anything was started that has not ended, as far as is known here."""
    return bool(_takers)


def gather(timeout: float | None) -> None:
    """Takes everything that ends within ``timeout`` seconds of the first, and wakes who waits for it."""
    for handle in host.wait_any(timeout):
        if handle in _takers:
            _collect(handle)


def ended(handle: int) -> bool:
    """Whether a handle is known to have ended."""
    return handle in _ended or handle not in _takers


def call_when_ended(handle: int, callback: Callable[[], None]) -> None:
    """Has ``callback`` called, once, when a handle is seen to have ended."""
    _callbacks.setdefault(handle, []).append(callback)


def _collect(handle: int) -> None:
    taker = _takers.pop(handle)
    try:
        _ended[handle] = taker(handle)
    except host.HttpFailure as failure:
        _ended[handle] = failure
    for callback in _callbacks.pop(handle, ()):
        callback()


def _outcome(handle: int) -> str:
    outcome = host.task_outcome(handle)
    if outcome is None:
        raise RuntimeError(f"the host does not know the task with the handle {handle}")
    return outcome
