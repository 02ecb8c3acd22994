"""The outcome envelope: what every task execution ends as.

The Python engine is built with a copy of this module (see `capsule.frontend.sdk`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    T_co = TypeVar("T_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    T_co = TypeVar("T_co", covariant=True)

from .misuse import NotAValue, asked_by_a_library

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

    ``error_type`` is one of `ERROR_TYPES`; ``traceback`` is the task's own, where it has one. ``task_name``
    and ``task_number`` say which task it was, where that is known.
    """

    __module__ = "capsule"

    def __init__(
        self,
        message: str,
        error_type: str = "task_error",
        traceback: str | None = None,
        task_name: str | None = None,
        task_number: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.error_type = error_type
        self.traceback = traceback
        self.task_name = task_name
        self.task_number = task_number

    def __str__(self) -> str:
        which = (
            "the task" if self.task_name is None else f"the task {_named(self.task_name, self.task_number)}"
        )
        kind = "" if self.error_type == "task_error" else f"{self.error_type}: "
        return f"{which} failed: {kind}{self.message}"


class SubTask(Exception):
    """The cause of what a failed sub-task raises: its name, its number, and its own traceback."""

    __module__ = "builtins"


class _NoKey(KeyError):
    """A `KeyError` whose text is shown as it is, and not as a key."""

    __module__ = "builtins"
    __str__ = Exception.__str__


_NoKey.__name__ = _NoKey.__qualname__ = "KeyError"


class Envelope(NotAValue, dict[str, Any], Generic[T_co]):
    """A task's outcome: the user guide's dictionary, with its keys as attributes too.

    ``{"success": bool, "result": value, "error": None or {"error_type", "message", "traceback"},
    "execution": {"task_name", "duration_ms", "retries", "fuel_consumed", ...}}``

    It isn't the result: what a result would be used for (arithmetic, iteration, a key that isn't one of
    these, text) raises an error that says so, with the sub-task's own error where it failed.
    """

    __module__ = "capsule"

    @property
    def success(self) -> bool:
        """Whether the task returned."""
        return bool(self["success"])

    @property
    def result(self) -> T_co | None:
        """What the task returned; None when it failed."""
        result: T_co | None = self["result"]
        return result

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

    def unwrap(self) -> T_co:
        """The result of a task that returned; raises `TaskError` for one that failed."""
        if self["success"]:
            result: T_co = self["result"]
            return result
        error, execution = self.get("error") or {}, self.get("execution") or {}
        raise TaskError(
            error.get("message", "the task failed"),
            error.get("error_type", "task_error"),
            error.get("traceback"),
            execution.get("task_name"),
            execution.get("task_number"),
        ) from self._cause()

    def __len__(self) -> int:
        # A pattern like `case {"success": True}` asks for it, so it can't be a mistake.
        return dict.__len__(self)

    def __contains__(self, key: object) -> bool:
        found = super().__contains__(key)
        if not found and not asked_by_a_library():
            self._misuse(f"{repr(key)[:60]} in")
        return found

    def __missing__(self, key: object) -> NoReturn:
        self._misuse(f"[{repr(key)[:60]}] of", _NoKey)

    if not TYPE_CHECKING:  # Checkers say the same themselves, where they see no such method.

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("__"):
                raise AttributeError(f"an envelope has no attribute {name!r}", name=name, obj=self)
            self._misuse(f".{name[:60]} of", AttributeError)

    def __or__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            self._misuse("| with")
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        if not isinstance(other, dict):
            self._misuse("| with")
        return super().__ror__(other)

    def _misuse(self, what: str, kind: type[Exception] = TypeError) -> NoReturn:
        execution = self.get("execution") or {}
        which = _named(execution.get("task_name"), execution.get("task_number"))
        said = f"{what} an envelope: it is the outcome of task {which}"
        if self.get("success"):
            raise kind(f"{said}, not its result; call .unwrap() on it for that")
        error = self.get("error") or {}
        type_, message = error.get("error_type"), error.get("message")
        failed = message if type_ == "task_error" else f"{type_}: {message}"
        raise kind(f"{said}, which failed: {failed}") from self._cause()

    def _cause(self) -> SubTask | None:
        error, execution = self.get("error") or {}, self.get("execution") or {}
        traceback = error.get("traceback")
        if not isinstance(traceback, str) or not traceback:
            return None
        which = _named(execution.get("task_name"), execution.get("task_number"))
        shown = "\n".join(f"  {line}" for line in traceback.rstrip("\n").split("\n"))
        return SubTask(f"{which}\n{shown}")


def _named(name: object, number: object) -> str:
    return repr(name) if number is None else f"{name!r} (#{number})"
