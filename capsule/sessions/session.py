"""Sessions as programs use them: `Session` in async code, `SyncSession` elsewhere."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from capsule.errors import UsageError
from capsule.policy.limits import Limits
from capsule.policy.sizes import parse_duration
from capsule.sessions.core import IDLE_SECONDS, Core, OnOutput, prepared_session
from capsule.sessions.files import Files, SyncFiles
from capsule.sessions.turn import Turn

if TYPE_CHECKING:
    from capsule.tools.toolbox import Approve


class _Door:
    """What both kinds of session have in common. Safe to use from any thread.

    A turn that fails with an exception keeps what it has done, as in a notebook. One that ends its sandbox
    (no fuel left, a deadline, a crash) is undone: the session is where it was before it.
    """

    def __init__(
        self,
        language: str = "python",
        *,
        packages: Sequence[str] = (),
        workspace: str | os.PathLike[str] | None = None,
        mounts: Sequence[str] = (),
        cwd: str | os.PathLike[str] | None = None,
        limits: Mapping[str, Any] | None = None,
        env_file: str | os.PathLike[str] | None = None,
        idle_timeout: str | float | None = IDLE_SECONDS,
        on_output: OnOutput | None = None,
        checkpoints: bool = True,
        tools: Sequence[Callable[..., Any]] = (),
        approve: Approve | None = None,
        **options: Any,
    ) -> None:
        from capsule.launch.code import Code

        here = Path.cwd() if cwd is None else Path(cwd).absolute()
        if "max_retries" in options:
            raise UsageError("a turn is not retried: what it did would be done again")
        toolbox = None
        if tools:
            from capsule.tools.toolbox import toolbox_of

            toolbox = toolbox_of(tools, approve, self._loop())
            options = {**options, "tools": list(toolbox.tools)}
        Code("", language, tuple(packages), options).ceilings()  # what is wrong with them is said at once
        folder = None if workspace is None else (here / workspace).resolve()
        if folder is not None and not folder.is_dir():
            raise UsageError(f"the workspace {workspace} is not a folder", hint=f"mkdir -p {workspace}")
        self._core = Core(
            prepared_session(language, packages, options, here),
            here,
            workspace=folder,
            mounts=mounts,
            limits=None if limits is None else Limits.parse(limits, "limits="),
            env_file=None if env_file is None else here / env_file,
            idle_timeout=None if idle_timeout is None else parse_duration(idle_timeout, "idle_timeout", None),
            on_output=on_output,
            checkpoints=checkpoints,
            toolbox=toolbox,
        )

    @staticmethod
    def _loop() -> asyncio.AbstractEventLoop | None:
        """Where tools that are coroutines run."""
        return None

    @classmethod
    def _of(cls, core: Core) -> Self:
        made = cls.__new__(cls)
        made._core = core
        return made

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._core.closed is not None


class SyncSession(_Door):
    """A session for code without an event loop: its methods block. The arguments are those of `Session`."""

    @property
    def files(self) -> SyncFiles:
        """The files of the workspace, seen from outside."""
        return SyncFiles(self._core.workspace.folder)

    def run(self, code: str) -> Turn:
        """Runs a piece of code and returns what came of it.

        Raises `CapsuleError` when the session is over, or its program can't be built.
        """
        done = threading.Event()
        answers: list[tuple[Turn | None, BaseException | None]] = []

        def ended(turn: Turn | None, error: BaseException | None) -> None:
            answers.append((turn, error))
            done.set()

        self._core.submit(code, ended)
        try:
            done.wait()
        except BaseException:
            self._core.cancel()
            raise
        turn, error = answers[0]
        if turn is None:
            assert error is not None
            raise error
        return turn

    def fork(self) -> Self:
        """A second session with the same state and a copy of the files, from here on on its own."""
        return self._of(self._core.fork())

    def restore(self, checkpoint: _Door) -> None:
        """Goes back to a `checkpoint`, which can be used again."""
        self._core.become(checkpoint._core)

    def checkpoint(self) -> Self:
        """The state and the files as they are now, to `restore` them later. Close it when it is done with."""
        return self.fork()

    def close(self) -> None:
        """Ends the session."""
        self._core.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Session(_Door):
    """A session for async code: its methods are awaited, and it is opened with ``async with``.

    ``language``, ``packages`` and ``options`` are those of `capsule.run` for ``code``; the options hold for
    each turn. ``limits={"total_compute": ...}`` bounds all turns together, ``idle_timeout`` (seconds, or
    ``"10m"``; None is never) the time without one. ``workspace`` is a folder for its files instead of a
    private one. ``checkpoints=False`` saves the copy before each turn; one that ends its sandbox then ends
    the session. ``tools`` and ``approve`` are those of `capsule.run`, for every turn.
    """

    @staticmethod
    def _loop() -> asyncio.AbstractEventLoop | None:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            return None  # opened before there is one: each coroutine gets a loop of its own

    @property
    def files(self) -> Files:
        """The files of the workspace, seen from outside."""
        return Files(self._core.workspace.folder)

    async def run(self, code: str) -> Turn:
        """Runs a piece of code and returns what came of it. Cancelling this ends the turn."""
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Turn] = loop.create_future()

        def settle(turn: Turn | None, error: BaseException | None) -> None:
            if outcome.done():
                return
            if turn is None:
                assert error is not None
                outcome.set_exception(error)
            else:
                outcome.set_result(turn)

        def ended(turn: Turn | None, error: BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, turn, error)

        self._core.submit(code, ended)
        try:
            return await outcome
        except asyncio.CancelledError:
            self._core.cancel()
            raise

    async def fork(self) -> Self:
        """A second session with the same state and a copy of the files, from here on on its own."""
        return self._of(await asyncio.to_thread(self._core.fork))

    async def checkpoint(self) -> Self:
        """The state and the files as they are now, to `restore` them later."""
        return await self.fork()

    async def restore(self, checkpoint: _Door) -> None:
        """Goes back to a `checkpoint`, which can be used again."""
        await asyncio.to_thread(self._core.become, checkpoint._core)

    async def close(self) -> None:
        """Ends the session."""
        await asyncio.to_thread(self._core.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
