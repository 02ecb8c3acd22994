"""The server: each of its tools runs code in a sandbox, with the policy that the operator gave it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import CallToolResult

from capsule.api import run
from capsule.errors import CapsuleError
from capsule.frontend.inputs import InputError, is_input
from capsule.mcp.results import refused, result_of, said
from capsule.mcp.settings import RUN_FILE, McpSettings
from capsule.sessions.session import Session

MOST_SESSIONS: Final = 100
"""Sessions of one server at a time, for all of its clients."""

IDLE: Final = "30m"
"""How long a session waits for its next turn."""

PROGRESS_SECONDS: Final = 1.0

_INSTRUCTIONS = """\
Runs code in WebAssembly sandboxes: no files, hosts or variables of this machine, unless the operator has
allowed some. The value of the last expression is the result. For work in several steps open a session: it
keeps variables and files.
"""


def make_server(settings: McpSettings, languages: tuple[str, ...]) -> MCPServer[Any]:
    """The server. Raises `UsageError` for names of tools that don't exist."""
    offered = settings.offered(languages)
    kept = _Sessions(settings)

    @asynccontextmanager
    async def lifespan(_: MCPServer[Any]) -> AsyncIterator[None]:
        try:
            yield None
        finally:
            await kept.close()

    from importlib.metadata import version

    server: MCPServer[Any] = MCPServer(
        "capsule",
        instructions=_INSTRUCTIONS,
        version=version("capsule-run"),
        log_level="WARNING",
        lifespan=lifespan,
    )
    for language in languages:
        if f"run_{language}" in offered:
            _add_run(server, settings, language)
    if RUN_FILE in offered and settings.root is not None:
        _add_run_file(server, settings, settings.root)
    for name, function in kept.tools(languages).items():
        if name in offered:
            server.add_tool(function, name=name, structured_output=False)
    return server


def _add_run(server: MCPServer[Any], settings: McpSettings, language: str) -> None:
    async def run_code(
        code: str, ctx: Context[Any, Any], packages: list[str] | None = None
    ) -> CallToolResult:
        said_text: list[str] = []

        async def work() -> CallToolResult:
            if packages and not settings.packages:
                return refused("this server installs no packages (capsule mcp --packages)")
            outcome = await run(
                code=code,
                lang=language,
                packages=packages or (),
                cwd=settings.cwd,
                limits=settings.limits,
                on_output=lambda _, text: said_text.append(text),
                **settings.options,
            )
            return result_of(outcome, "".join(said_text))

        return await _reported(ctx, work)

    description = (
        f"Runs {language} code in a fresh sandbox. Gives its output and its last expression's value."
    )
    server.add_tool(run_code, name=f"run_{language}", description=description, structured_output=False)


def _add_run_file(server: MCPServer[Any], settings: McpSettings, root: Path) -> None:
    async def run_file(
        path: str, ctx: Context[Any, Any], task: str = "main", args: list[Any] | None = None
    ) -> CallToolResult:
        """Runs a task of a file of the operator's folder, under the policy that it declares."""
        said_text: list[str] = []

        async def work() -> CallToolResult:
            try:
                found = is_input(path, root)
            except (InputError, ValueError, OSError):
                found = False
            if not found or Path(path).is_absolute() or ".." in Path(path).parts:
                return refused(f"there is no file {path!r:.200} that may be run")
            outcome = await run(
                root / path,
                args or [],
                task=task,
                cwd=root,
                limits=settings.limits,
                on_output=lambda _, text: said_text.append(text),
            )
            return result_of(outcome, "".join(said_text))

        return await _reported(ctx, work)

    server.add_tool(run_file, name=RUN_FILE, structured_output=False)


class _Sessions:
    """The sessions of all clients. Whoever has a session's name has the session: names can't be guessed."""

    def __init__(self, settings: McpSettings) -> None:
        self._settings = settings
        self._sessions: dict[str, Session] = {}

    async def close(self) -> None:
        """Ends all of them."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()

    def tools(self, languages: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
        """The tools by name."""

        async def session_open(ctx: Context[Any, Any], language: str = "python") -> CallToolResult:
            """Opens a session: a sandbox that keeps variables, modules and files from one run to the next."""

            async def work() -> CallToolResult:
                if language not in languages:
                    return refused(f"languages: {', '.join(languages)}")
                opened = Session(
                    language,
                    cwd=self._settings.cwd,
                    limits=self._settings.limits,
                    idle_timeout=IDLE,
                    **self._settings.options,
                )
                return await self._keep(opened)

            return await _reported(ctx, work)

        async def session_run(session: str, code: str, ctx: Context[Any, Any]) -> CallToolResult:
            """Runs code in a session, and gives what it printed, showed and changed, and its last value."""

            async def work() -> CallToolResult:
                turn = await self._get(session).run(code)
                changed = turn.files
                more = {
                    "files": {
                        "created": changed.created,
                        "changed": changed.changed,
                        "deleted": changed.deleted,
                    },
                    "went_back": turn.went_back,
                }
                return result_of(turn, turn.output, more)

            return await _reported(ctx, work)

        async def session_fork(session: str, ctx: Context[Any, Any]) -> CallToolResult:
            """Copies a session with its state and files, and gives the copy's name."""

            async def work() -> CallToolResult:
                return await self._keep(await self._get(session).fork())

            return await _reported(ctx, work)

        async def session_close(session: str, ctx: Context[Any, Any]) -> CallToolResult:
            """Ends a session and removes its files."""

            async def work() -> CallToolResult:
                closed = self._get(session)
                del self._sessions[session]
                await closed.close()
                return said(closed=True)

            return await _reported(ctx, work)

        async def session_write_file(
            session: str, name: str, content: str, ctx: Context[Any, Any]
        ) -> CallToolResult:
            """Writes a text file into a session's folder, which is its code's current folder."""

            async def work() -> CallToolResult:
                await self._get(session).files.write(name, content)
                return said(written=name)

            return await _reported(ctx, work)

        async def session_read_file(session: str, name: str, ctx: Context[Any, Any]) -> CallToolResult:
            """Gives the text of a file of a session's folder."""

            async def work() -> CallToolResult:
                data = await self._get(session).files.read(name)
                try:
                    return said(name=name, text=data.decode()[:1_000_000])
                except UnicodeDecodeError:
                    return refused(f"{name!r:.200} is not text: {len(data):,} bytes")

            return await _reported(ctx, work)

        async def session_list_files(session: str, ctx: Context[Any, Any]) -> CallToolResult:
            """Lists the files of a session's folder."""

            async def work() -> CallToolResult:
                return said(files=list(await self._get(session).files.list()))

            return await _reported(ctx, work)

        functions = (
            session_open,
            session_run,
            session_fork,
            session_close,
            session_write_file,
            session_read_file,
            session_list_files,
        )
        return {function.__name__: function for function in functions}

    async def _keep(self, session: Session) -> CallToolResult:
        self._sessions = {name: each for name, each in self._sessions.items() if not each.closed}
        if len(self._sessions) >= MOST_SESSIONS:
            await session.close()
            return refused(f"{MOST_SESSIONS} sessions are open; close one with session_close")
        name = secrets.token_urlsafe(24)
        self._sessions[name] = session
        return said(session=name)

    def _get(self, name: str) -> Session:
        session = self._sessions.get(name)
        if session is None:
            raise CapsuleError("there is no such session: open one with session_open")
        return session


async def _reported(ctx: Context[Any, Any], work: Callable[[], Awaitable[CallToolResult]]) -> CallToolResult:
    """What ``work`` gives; the client hears meanwhile that it goes on. Cancelled, it ends what it runs."""

    async def tell() -> None:
        seconds = 0.0
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            seconds += PROGRESS_SECONDS
            await ctx.report_progress(seconds, message=f"running for {seconds:g} s")

    telling = asyncio.create_task(tell())
    try:
        return await work()
    except CapsuleError as error:
        return refused(error.message if error.hint is None else f"{error.message} ({error.hint})")
    finally:
        telling.cancel()
