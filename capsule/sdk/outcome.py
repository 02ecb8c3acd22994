"""The outcome envelope: what every task execution ends as.

The Python engine is built with a copy of this module (see `capsule.frontend.sdk`): it imports nothing.
"""

from __future__ import annotations

from typing import Any, Final

ERROR_TYPES: Final = {
    "task_error": "the task's own code raised an error, or returned something that isn't JSON",
    "timeout": "the task's deadline passed",
    "out_of_fuel": "the task used up its compute",
    "out_of_memory": "the task asked for more than its ram",
    "stack_overflow": "the task's calls nested too deeply",
    "permission_denied": "the task's policy doesn't allow what it did",
    "invalid_call": "no such task, or arguments that it doesn't take",
    "result_too_large": "the result is larger than a result may be",
    "exit": "the task ended its sandbox itself (sys.exit, process.exit)",
    "load_error": "the program's top level failed, so that no task could be called",
    "limit_exceeded": "a limit of the run was reached before the task could start",
    "cancelled": "the run was interrupted",
    "crash": "the sandbox broke down",
}
"""The closed set of ``error_type`` values, and what each means."""


class TaskError(Exception):
    """What `Envelope.unwrap` raises for a task that failed.

    ``error_type`` is one of `ERROR_TYPES`; ``traceback`` is the task's own, where it has one.
    """

    def __init__(self, message: str, error_type: str = "task_error", traceback: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.traceback = traceback

    def __str__(self) -> str:
        return f"{self.error_type}: {self.message}"


class Envelope(dict[str, Any]):
    """A task's outcome: the user guide's dictionary, with its keys as attributes too.

    ``{"success": bool, "result": value, "error": None or {"error_type", "message", "traceback"},
    "execution": {"task_name", "duration_ms", "retries", "fuel_consumed", ...}}``
    """

    @property
    def success(self) -> bool:
        """Whether the task returned."""
        return bool(self["success"])

    @property
    def result(self) -> Any:
        """What the task returned; None when it failed."""
        return self["result"]

    @property
    def error(self) -> dict[str, Any] | None:
        """What failed, or None."""
        error: dict[str, Any] | None = self["error"]
        return error

    @property
    def execution(self) -> dict[str, Any]:
        """What the host measured: ``task_name``, ``duration_ms``, ``retries``, ``fuel_consumed``."""
        execution: dict[str, Any] = self["execution"]
        return execution

    def unwrap(self) -> Any:
        """The result of a task that returned; raises `TaskError` for one that failed."""
        if self.success:
            return self.result
        error = self.error or {}
        raise TaskError(
            error.get("message", "the task failed"),
            error.get("error_type", "task_error"),
            error.get("traceback"),
        )
