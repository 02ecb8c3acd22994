"""Where sandboxes run: each in a worker process, or on threads of the caller's own."""

from __future__ import annotations

import os
from typing import Literal, get_args

from capsule.errors import UsageError

Isolation = Literal["process", "thread"]

VARIABLE = "CAPSULE_ISOLATION"


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
