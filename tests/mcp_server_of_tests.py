"""An MCP server with tools of every kind, for tests: ``python mcp_server_of_tests.py``."""

from __future__ import annotations

import os
import time
from typing import Literal

from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ImageContent, TextContent

server = MCPServer("of-tests", log_level="WARNING")
called: list[str] = []


@server.tool()
def add(a: int, b: int = 1) -> dict[str, int]:
    """Adds two numbers."""
    called.append("add")
    return {"sum": a + b}


@server.tool()
def paint(colour: Literal["red", "green"]) -> CallToolResult:
    return CallToolResult(
        content=[
            TextContent(type="text", text=colour),
            ImageContent(type="image", data="aGk=", mime_type="image/png"),
        ]
    )


@server.tool(name="say-it", structured_output=False)
def say_it(words: list[str]) -> str:
    return " ".join(words)


@server.tool(structured_output=False)
def fail(why: str) -> str:
    raise ToolError(why)


@server.tool(structured_output=False)
def sleep(seconds: float) -> str:
    time.sleep(seconds)
    return "slept"


@server.tool(structured_output=False)
def fill(characters: int) -> str:
    return "x" * characters


@server.tool()
def environment() -> dict[str, list[str]]:
    return {"names": sorted(os.environ)}


@server.tool()
def calls() -> dict[str, list[str]]:
    return {"calls": called}


@server.tool(structured_output=False)
def leave() -> str:
    os._exit(3)


if __name__ == "__main__":
    server.run("stdio")
