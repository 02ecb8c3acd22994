"""What makes the attempts of a run: sandboxes in worker processes, or on threads of this one."""

from __future__ import annotations

from capsule.runtime.attempt import MakeAttempt, ThreadAttempt
from capsule.workers.isolation import Isolation


def attempts(isolation: Isolation) -> MakeAttempt:
    """Makes attempts whose sandboxes will be where ``isolation`` says."""
    if isolation == "process":
        from capsule.workers.attempt import ProcessAttempt

        return ProcessAttempt
    return ThreadAttempt
