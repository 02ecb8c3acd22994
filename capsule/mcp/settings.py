"""What a server of tools offers, and what the code that it runs may use: the operator's words alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from capsule.errors import UsageError

RUN_FILE: Final = "run_file"
SESSION_TOOLS: Final = (
    "session_open",
    "session_run",
    "session_fork",
    "session_close",
    "session_write_file",
    "session_read_file",
    "session_list_files",
)


@dataclass(frozen=True, slots=True)
class McpSettings:
    """``options`` are those of a task, for all code; ``limits`` are ceilings. ``root`` is where ``run_file``
    finds files; without one there is no such tool. ``names`` are the tools that are offered, empty for all.
    ``packages`` says whether a call may name packages to install.
    """

    cwd: Path
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None
    names: tuple[str, ...] = ()
    packages: bool = False

    def offered(self, languages: tuple[str, ...]) -> tuple[str, ...]:
        """The names of the tools. Raises `UsageError` for one that doesn't exist."""
        every = (
            *(f"run_{language}" for language in languages),
            *SESSION_TOOLS,
            *((RUN_FILE,) if self.root is not None else ()),
        )
        for name in self.names:
            if name not in every:
                raise UsageError(f"there is no tool {name!r:.60}", hint=f"tools: {', '.join(every)}")
        return tuple(name for name in every if not self.names or name in self.names)
