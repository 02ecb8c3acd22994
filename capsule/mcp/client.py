"""Another MCP server as a source of host tools: its process or address, on a thread with its own loop."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from capsule.errors import CapsuleError, UsageError
from capsule.mcp.address import Address
from capsule.mcp.borrowed import MOST_TOOLS, borrowed, result_of_call
from capsule.policy.sizes import parse_duration
from capsule.tools.tool import Tool, ToolError

if TYPE_CHECKING:
    from mcp import Client
    from mcp.types import Tool as Offered

START_SECONDS: Final = 60.0
"""Seconds until a server has started and told its tools."""

CALL_TIMEOUT: Final = "60s"

ENDING_SECONDS: Final = 10.0

TAIL: Final = 2000
"""Bytes of a server's standard error that are kept, to be shown when it doesn't start."""


class McpServer:
    """The tools of an MCP server: pass it as ``tools=``, or ``[*server, search]``. `mcp_server` makes one.

    Its process, or its connection, lives until `close`, the end of a ``with``, or the end of this process.
    """

    def __init__(self, link: _Link, tools: tuple[Tool, ...]) -> None:
        self._link = link
        self.tools = tools
        """What it offers, as host tools."""
        self._end = weakref.finalize(self, link.close)

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)

    def __getitem__(self, place: int) -> Tool:
        return self.tools[place]

    def close(self) -> None:
        """Ends the server's process, or the connection."""
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def mcp_server(
    command: str | Sequence[str],
    *,
    name: str | None = None,
    only: Sequence[str] | None = None,
    env: Mapping[str, str] | Sequence[str] = (),
    cwd: str | os.PathLike[str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: str | float = CALL_TIMEOUT,
) -> McpServer:
    """Starts an MCP server, and makes its tools host tools: ``run(..., tools=mcp_server("..."))``.

    ``command`` is a command line, or a list of words, of a server that speaks over stdio; or the address of
    one that speaks HTTP, with ``headers`` such as a token. The process is not in a sandbox. Of this
    process's environment it gets `capsule.mcp.address.INHERITED`, and what ``env`` says: values by name, or
    names of variables. With ``name``, each tool is called ``NAME_TOOL``. ``only`` are the server's tools
    that are wanted. ``timeout`` bounds each call. Raises `UsageError` for what can't be meant, and
    `CapsuleError` when the server doesn't start.
    """
    try:
        import mcp  # noqa: F401 - whether it is there
    except ImportError as error:
        if error.name != "mcp":
            raise
        raise UsageError(
            "the package mcp is not installed",
            hint='pip install "mcp>=2.3,<3", into the environment of capsule',
        ) from None
    if name is not None and not name.isidentifier():
        raise UsageError(f"the name of an MCP server is a word, and not {name!r:.60}", hint='name="time"')
    seconds = parse_duration(timeout, "timeout", None)
    link = _Link(Address.of(command, env, cwd, headers), seconds)
    try:
        offered = link.start()
        tools = _wanted(offered, link, name, only)
    except BaseException:
        link.close()
        raise
    return McpServer(link, tools)


def _wanted(
    offered: Sequence[Offered], link: _Link, name: str | None, only: Sequence[str] | None
) -> tuple[Tool, ...]:
    if only is not None:
        known = [each.name for each in offered]
        for wanted in only:
            if wanted not in known:
                raise UsageError(
                    f"the MCP server has no tool {wanted!r:.60}", hint=f"it has {', '.join(known)}"[:400]
                )
        offered = [each for each in offered if each.name in only]
    made: dict[str, Tool] = {}
    for each in offered:
        tool = borrowed(each, name, link.call)
        if tool.name in made:
            raise UsageError(f"two tools of the MCP server would be named {tool.name!r}", hint="only=[...]")
        made[tool.name] = tool
    return tuple(made.values())


class _Link:
    """The connection to a server. Its loop runs on a thread; calls come from any thread."""

    def __init__(self, address: Address, seconds: float | None) -> None:
        self._address = address
        self._seconds = seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Client | None = None
        self._over: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self._ended = False
        self._tail = b""

    def start(self) -> list[Offered]:
        """Connects, and returns the tools that the server has. Raises `CapsuleError`."""
        started: Future[list[Offered]] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="capsule-mcp-client", daemon=True
        )
        self._thread.start()
        try:
            return started.result(START_SECONDS)
        except TimeoutError:
            raise CapsuleError(
                f"the MCP server {self._address} has not told its tools within {START_SECONDS:g} s"
                f"{self._said()}"
            ) from None
        except CapsuleError:
            raise
        except Exception as error:
            raise CapsuleError(
                f"the MCP server {self._address} does not start: {_words_of(error)}{self._said()}",
                hint="run the command by hand, or look at the address",
            ) from None

    async def _serve(self, started: Future[list[Offered]]) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with AsyncExitStack() as stack:
                self._client = await self._connected(stack)
                started.set_result(await _all_tools(self._client))
                await self._over.wait()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
        finally:
            self._ended = True

    async def _connected(self, stack: AsyncExitStack) -> Client:
        from mcp import Client, StdioServerParameters
        from mcp.client.stdio import stdio_client

        address = self._address
        if address.url is not None:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            http = httpx2.AsyncClient(headers=dict(address.headers), timeout=self._seconds)
            await stack.enter_async_context(http)
            transport: Any = streamable_http_client(address.url, http_client=http)
        else:
            reading, writing = os.pipe()
            errors = stack.enter_context(os.fdopen(writing, "w", encoding="utf-8"))
            threading.Thread(
                target=self._keep_tail, args=[reading], name="capsule-mcp-stderr", daemon=True
            ).start()
            parameters = StdioServerParameters(
                command=address.words[0],
                args=list(address.words[1:]),
                env=dict(address.environment),
                cwd=address.cwd,
            )
            transport = stdio_client(parameters, errlog=errors)
        return await stack.enter_async_context(Client(transport, cache=None))

    def _keep_tail(self, reading: int) -> None:
        with os.fdopen(reading, "rb", buffering=0) as said:
            while data := said.read(65536):
                self._tail = (self._tail + data)[-TAIL:]

    def _said(self) -> str:
        lines = [line for line in self._tail.decode("utf-8", "replace").splitlines() if line.strip()]
        return f"; it said: {_line(lines[-1])}" if lines else ""

    def call(self, name: str, arguments: dict[str, Any]) -> Any:
        """What a tool of the server's gives. Raises `ToolError`."""
        loop, client = self._loop, self._client
        if self._ended or loop is None or client is None:
            raise ToolError("the MCP server has been closed")
        call = client.call_tool(name, arguments, read_timeout_seconds=self._seconds)
        try:
            future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(call, self._seconds), loop)
        except RuntimeError:
            call.close()
            raise ToolError("the MCP server has been closed") from None
        from mcp import MCPError

        try:
            # The loop may end in the middle of it: then nobody would ever answer.
            while True:
                try:
                    result = future.result(1.0)
                    break
                except TimeoutError:
                    if future.done():
                        raise
                    if self._thread is None or not self._thread.is_alive():
                        raise ToolError("the MCP server has ended") from None
        except TimeoutError:
            raise ToolError(f"the MCP server did not answer within {self._seconds:g} s") from None
        except MCPError as error:
            raise ToolError(f"the MCP server refused: {error}") from error
        return result_of_call(result)

    def close(self) -> None:
        """Ends it, once."""
        loop, over, thread = self._loop, self._over, self._thread
        self._ended = True
        if loop is not None and over is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(over.set)
            except RuntimeError:
                return
        if thread is not None and thread is not threading.current_thread():
            thread.join(ENDING_SECONDS)


async def _all_tools(client: Client) -> list[Offered]:
    found: list[Offered] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        found += page.tools
        if len(found) > MOST_TOOLS:
            raise CapsuleError(f"the MCP server has more than {MOST_TOOLS} tools")
        cursor = page.next_cursor
        if not cursor or not page.tools:
            return found


def _words_of(error: BaseException) -> str:
    """An error in words; of a group of them, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return _line(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
