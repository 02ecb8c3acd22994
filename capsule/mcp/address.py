"""Where an MCP server is, and what its process gets of our environment."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from capsule.errors import UsageError

INHERITED: Final = ("HOME", "LANG", "LC_ALL", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "USER")
"""Variables of ours that a server's process gets; others only by name."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is: the words of a command with its environment, or a URL."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    cwd: Path | None
    url: str | None
    headers: Mapping[str, str]

    @classmethod
    def of(
        cls,
        command: str | Sequence[str],
        env: Mapping[str, str] | Sequence[str],
        cwd: str | os.PathLike[str] | None,
        headers: Mapping[str, str] | None,
    ) -> Self:
        """What was asked for. Raises `UsageError`."""
        if isinstance(command, str) and command.startswith(("http://", "https://")):
            if env or cwd is not None:
                raise UsageError("env and cwd are for servers that are started, and this is an address")
            return cls((), {}, None, command, dict(headers or {}))
        if headers:
            raise UsageError("headers are for addresses, and this is a command")
        try:
            words = tuple(shlex.split(command) if isinstance(command, str) else command)
        except ValueError as error:
            raise UsageError(f"the command {command!r:.80} can't be read: {error}") from None
        if not words or not all(isinstance(word, str) and "\0" not in word for word in words):
            raise UsageError(
                "the command of an MCP server is empty", hint='mcp_server("uvx mcp-server-time")'
            )
        environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
        if isinstance(env, str):
            raise UsageError("env is a list of names, or values by name", hint=f"env=[{env!r:.60}]")
        if isinstance(env, Mapping):
            environment.update(env)
        else:
            for each in env:
                if each not in os.environ:
                    raise UsageError(f"the variable {each!r:.60}, for an MCP server, is not set")
                environment[each] = os.environ[each]
        return cls(words, environment, None if cwd is None else Path(cwd), None, {})

    def __str__(self) -> str:
        return self.url or self.words[0]
