"""Host tools: functions of the program that started the run, called by name, as in ``tools.search("x")``.

A sandbox has those that its task declares (``@task(tools=["search"])``) and that were handed over.
"""

from __future__ import annotations

from collections.abc import Generator
from json import dumps, loads
from typing import Any

from ._engine import host, started, values

_PREFIX = "\0tool:"
_LIST = "\0tools"


class ToolError(Exception):
    """A tool failed; the text is what it chose to tell."""

    __module__ = "capsule"


class ToolCall:
    """A call that was started. `result` blocks for it; in async code, ``await`` it."""

    __module__ = "capsule"

    def __init__(self, name: str, handle: int) -> None:
        self._name = name
        self._handle = handle
        self._envelope: dict[str, Any] | None = None

    def result(self) -> Any:
        """What the tool returned. Raises `ToolError`, `TypeError` for arguments, `PermissionError`."""
        if self._envelope is None:
            self._envelope = loads(started.take(self._handle))
        if self._envelope["success"]:
            return self._envelope["result"]
        error = self._envelope["error"]
        raise _error(error["error_type"], error["message"])

    def done(self) -> bool:
        """Whether `result` would return at once."""
        return self._envelope is not None or started.poll(self._handle)

    def __await__(self) -> Generator[Any, None, Any]:
        if self._envelope is None:
            # Imported late: the event loop is made after this module.
            from ._engine import loop

            yield from loop.wait(self._handle).__await__()
        return self.result()

    def __repr__(self) -> str:
        return f"<call of tools.{self._name}>"


class Tool:
    """One tool. Calling it gives what it returns; for a coroutine function, what to ``await``."""

    __module__ = "capsule"

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the tool."""
        call = self.start(*args, **kwargs)
        return call if _described().get(self.__name__, {}).get("is_async") else call.result()

    def start(self, *args: Any, **kwargs: Any) -> ToolCall:
        """Starts a call and returns at once, so that several can be under way."""
        arguments = values.encode_arguments(args, kwargs)
        try:
            return ToolCall(self.__name__, started.task(_PREFIX + self.__name__, arguments))
        except host.Refused as refusal:
            if refusal.reason == "unknown-task":
                raise PermissionError(refusal.message) from None
            raise (RuntimeError if refusal.reason == "not-running" else ToolError)(refusal.message) from None

    @property
    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments, by name; empty when there is no such tool."""
        return dict(_described().get(self.__name__, {}).get("parameters", {}))

    @property
    def __doc__(self) -> str:  # type: ignore[override]
        told = _described().get(self.__name__)
        if told is None:
            return f"{self.__name__}: no such tool was handed over to this task"
        return f"{told['name']}{told['signature']}\n\n{told['help']}".rstrip()

    def __repr__(self) -> str:
        return f"<tool {self.__name__}>"


_known: dict[str, Any] = {}


def _described() -> dict[str, Any]:
    """What the host says of the tools that this task may call, by name; nothing while loading."""
    if not _known:
        try:
            envelope = loads(started.take(started.task(_LIST, dumps({"args": [], "kwargs": {}}))))
        except host.Refused:
            return {}
        _known.update((told["name"], told) for told in envelope["result"])
    return _known


def _error(error_type: str, message: str) -> Exception:
    match error_type:
        case "invalid_call":
            return TypeError(message)
        case "permission_denied":
            return PermissionError(message)
    return ToolError(message)


_tools: dict[str, Tool] = {}


def __getattr__(name: str) -> Tool:
    if name.startswith("_"):
        raise AttributeError(f"tools have no {name!r}")
    return _tools.setdefault(name, Tool(name))


def __dir__() -> list[str]:
    return sorted(_described())
