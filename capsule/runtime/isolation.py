"""Where sandboxes run: each in a worker process, or on threads of the caller's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal, get_args

from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.runtime.attempt import Attempt, Report

Isolation = Literal["process", "thread"]

VARIABLE = "CAPSULE_ISOLATION"


def new_attempt(isolation: Isolation, report: Report) -> Attempt:
    """An attempt whose sandbox will be where ``isolation`` says."""
    if isolation == "process":
        from capsule.workers.attempt import ProcessAttempt

        return ProcessAttempt(report)
    from capsule.runtime.attempt import ThreadAttempt

    return ThreadAttempt(report)


def chosen_isolation(asked: str | None, default: Isolation = "process") -> Isolation:
    """What was asked for, else what ``CAPSULE_ISOLATION`` says, else ``default``. Raises `UsageError`."""
    value, where = (asked, "isolation") if asked is not None else (os.environ.get(VARIABLE), VARIABLE)
    if not value:
        return default
    for isolation in get_args(Isolation):
        if value == isolation:
            known: Isolation = isolation
            return known
    raise UsageError(
        f"{where} is {str(value)[:40]!r}",
        hint=f'{where}="process" (the default of run) or {where}="thread"',
    )
