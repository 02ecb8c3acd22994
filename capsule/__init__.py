"""A secure, durable runtime for AI agents: every task in a WebAssembly sandbox of its own.

``task`` declares tasks, `run` and `run_sync` run them, and ``capsule.http`` is their way out.
Everything is imported when it is first used.
"""

from __future__ import annotations

# `typing` takes as long to import as all that the command line's way to the resident host does.
TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import Any

    from capsule import http, tools
    from capsule.api import run, run_sync
    from capsule.errors import BuildError, CapsuleError
    from capsule.mcp.client import mcp_server
    from capsule.sdk.outcome import Envelope, TaskError
    from capsule.sdk.task import task
    from capsule.sessions.session import Session, SyncSession
    from capsule.sessions.turn import Turn
    from capsule.tools.stubs import stubs
    from capsule.tools.tool import ToolError
    from capsule.tools.toolbox import ToolCall

__all__ = [
    "BuildError",
    "CapsuleError",
    "Envelope",
    "Session",
    "SyncSession",
    "TaskError",
    "ToolCall",
    "ToolError",
    "Turn",
    "http",
    "mcp_server",
    "run",
    "run_sync",
    "stubs",
    "task",
    "tools",
]

_HOMES = {
    "BuildError": "capsule.errors",
    "CapsuleError": "capsule.errors",
    "Envelope": "capsule.sdk.outcome",
    "Session": "capsule.sessions.session",
    "SyncSession": "capsule.sessions.session",
    "TaskError": "capsule.sdk.outcome",
    "ToolCall": "capsule.tools.toolbox",
    "ToolError": "capsule.tools.tool",
    "Turn": "capsule.sessions.turn",
    "mcp_server": "capsule.mcp.client",
    "run": "capsule.api",
    "run_sync": "capsule.api",
    "stubs": "capsule.tools.stubs",
    "task": "capsule.sdk.task",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in ("http", "tools"):
        return import_module(f"capsule.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("capsule-run")
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        # The function `task` would otherwise be hidden by its module of the same name.
        globals()[name] = value
        return value
    raise AttributeError(f"module 'capsule' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
