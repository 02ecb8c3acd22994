"""``--mcp-server NAME=COMMAND``: MCP servers whose tools a run may call, while the command goes on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from capsule.cli.common.interruptible import interruptibly
from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.tools.tool import Tool


@contextmanager
def started(servers: tuple[str, ...], variables: tuple[str, ...]) -> Iterator[tuple[Tool, ...]]:
    """The tools of some servers, which end with it. Raises `CapsuleError`."""
    from capsule.mcp.client import mcp_server

    if variables and not servers:
        raise UsageError("--mcp-env is for MCP servers, and none is named", hint="--mcp-server NAME=COMMAND")
    named: dict[str, str] = {}
    for written in servers:
        name, equals, command = written.partition("=")
        if not equals or not command.strip() or not name.isidentifier() or name in named:
            problem = "there are two of that name" if name in named else "it is not NAME=COMMAND"
            raise UsageError(
                f"--mcp-server {written!r:.80}: {problem}", hint='--mcp-server time="uvx mcp-server-time"'
            )
        named[name] = command
    with ExitStack() as stack:
        found: list[Tool] = []
        for name, command in named.items():
            env = () if command.startswith(("http://", "https://")) else variables
            server = interruptibly(partial(mcp_server, command, name=name, env=env))
            found += stack.enter_context(server)
        yield tuple(found)
