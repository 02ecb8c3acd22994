"""capsule, as task code sees it inside a sandbox."""

from __future__ import annotations

from typing import Any, NoReturn

from . import http, tools
from .outcome import Envelope, TaskError
from .tasks import task
from .tools import ToolError

__all__ = ["Envelope", "TaskError", "ToolError", "http", "run", "run_sync", "task", "tools"]


def run(*args: Any, **kwargs: Any) -> NoReturn:
    """Only there so that a file which also starts itself can be imported; raises RuntimeError."""
    raise RuntimeError(
        "run() starts sandboxes from outside; inside one, call the task: its sub-task gets its own sandbox"
    )


run_sync = run
