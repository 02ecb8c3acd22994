"""The outcome envelope: what calling a task inside a sandbox returns."""

from __future__ import annotations

from typing import Any


class TaskError(Exception):
    """What `Envelope.unwrap` raises for a task that failed.

    ``traceback`` is the task's own, where it has one.
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
