"""The interfaces ``pending`` and ``tasks``: sub-tasks, started by name and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from capsule.runtime.host.guest import Guest, TaskRefused, failure

NANOSECONDS = 1_000_000_000


def start(guest: Guest, task: str, arguments: str) -> Any:
    """``tasks.start``: a handle, or the record ``refused``."""
    if guest.loading:
        return failure("not-running", "tasks can't be started while a program is being loaded")
    handle = guest.ledger.open("task")
    try:
        guest.services.start_task(task, arguments, lambda envelope: guest.ledger.end(handle, envelope))
    except TaskRefused as refused:
        guest.ledger.end(handle, "")
        guest.ledger.take(handle, "task", guest.interrupt)
        return failure(refused.reason, refused.message)
    return handle


def outcome(guest: Guest, handle: int) -> str | None:
    """``tasks.outcome``: the envelope, once; None for a handle that isn't this sandbox's."""
    guest.services.waiting()
    try:
        envelope: str = guest.ledger.take(handle, "task", guest.interrupt)
        return envelope
    except KeyError:
        return None
    finally:
        guest.services.resumed()


def wait_any(guest: Guest, timeout: int | None) -> list[int]:
    """``pending.wait-any``: what has ended and was not taken."""
    guest.services.waiting()
    try:
        return guest.ledger.wait_any(None if timeout is None else timeout / NANOSECONDS, guest.interrupt)
    finally:
        guest.services.resumed()


PENDING: Mapping[str, Callable[..., Any]] = {"wait-any": wait_any}
TASKS: Mapping[str, Callable[..., Any]] = {"start": start, "outcome": outcome}
