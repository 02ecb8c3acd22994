"""Who asks: a program that awaits `run`, one that calls `run_sync`, and ``capsule worker`` processes."""

from __future__ import annotations

import asyncio
import json
import os
import queue
import subprocess
import sysconfig
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from capsule import CapsuleError, run, run_sync
from soaking.asks import CANCELLED, Ask

LOST_SECONDS = 150.0
"""When an outcome that has not come counts as lost: no task of the soak may take longer than 60 s."""

GOODBYE_SECONDS = 30.0

CANCELLED_OUTCOME = {"success": False, "result": None, "error": {"error_type": CANCELLED, "message": ""}}

Outcome = Mapping[str, Any]


class Lost(Exception):
    """No outcome came, or something that is none."""


class Caller(Protocol):
    """Asks for one run after the other. ``host`` is the process id of the capsule that runs them."""

    name: str
    host: int
    can_cancel: bool

    def ask(self, ask: Ask) -> Outcome:
        """The outcome of a run. Raises `Lost`."""

    def close(self) -> None:
        """Ends what the caller has started. Raises `Lost` when that doesn't end as it should."""


def _silent(stream: str, text: str) -> None:
    """What guests write is not what is looked at."""


class AsyncCaller:
    """Awaits `run`, on an event loop that it may share with others like it."""

    can_cancel = True

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop, project: Path) -> None:
        self.name = name
        self.host = os.getpid()
        self._loop = loop
        self._project = project

    def ask(self, ask: Ask) -> Outcome:
        """Submits a coroutine to the loop."""
        try:
            return asyncio.run_coroutine_threadsafe(self._ask(ask), self._loop).result(LOST_SECONDS)
        except TimeoutError:
            raise Lost("no outcome") from None
        except CapsuleError as error:
            raise Lost(f"there was nothing to run: {error}") from None

    async def _ask(self, ask: Ask) -> Outcome:
        running = asyncio.ensure_future(
            run(
                self._project / ask.file,
                ask.args,
                task=ask.task,
                limits=ask.limits,
                cwd=self._project,
                on_output=_silent,
            )
        )
        if ask.cancel_after is not None:
            done, _ = await asyncio.wait([running], timeout=ask.cancel_after)
            if not done:
                running.cancel()
        try:
            return await running
        except asyncio.CancelledError:
            return CANCELLED_OUTCOME

    def close(self) -> None:
        """There is nothing of its own."""


class ThreadCaller:
    """Calls `run_sync`, which can't be cancelled, on the thread that asks."""

    can_cancel = False

    def __init__(self, name: str, project: Path) -> None:
        self.name = name
        self.host = os.getpid()
        self._project = project

    def ask(self, ask: Ask) -> Outcome:
        """Blocks for as long as it takes: whoever watches the callers notices."""
        try:
            return run_sync(
                self._project / ask.file,
                ask.args,
                task=ask.task,
                limits=ask.limits,
                cwd=self._project,
                on_output=_silent,
            )
        except CapsuleError as error:
            raise Lost(f"there was nothing to run: {error}") from None

    def close(self) -> None:
        """There is nothing of its own."""


class WorkerCaller:
    """Talks to a ``capsule worker`` of its own, one run at a time."""

    can_cancel = True

    def __init__(self, name: str, project: Path) -> None:
        self.name = name
        self._child = subprocess.Popen(
            [Path(sysconfig.get_path("scripts")) / "capsule", "worker"],
            cwd=project,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.host = self._child.pid
        self._number = 0
        self._replies: queue.SimpleQueue[Mapping[str, Any] | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._next(LOST_SECONDS)  # its greeting

    def ask(self, ask: Ask) -> Outcome:
        """Sends a request, and waits for its reply."""
        self._number += 1
        self._say(id=self._number, file=ask.file, task=ask.task, args=ask.args, limits=ask.limits)
        if ask.cancel_after is not None:
            try:
                return self._outcome(ask.cancel_after)
            except queue.Empty:
                self._say(id=self._number, cancel=True)
        try:
            return self._outcome(LOST_SECONDS)
        except queue.Empty:
            raise Lost("no outcome") from None

    def close(self) -> None:
        """Ends the worker, by the end of its input."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.close()
        try:
            status = self._child.wait(GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            self._child.kill()
            raise Lost("capsule worker does not end with its input") from None
        finally:
            self._child.wait()
            self._reader.join()
            self._child.stdout.close()
        if status != 0:
            raise Lost(f"capsule worker ended with {status}")
        while (said := self._replies.get_nowait()) is not None:
            raise Lost(f"a reply that nobody waits for: {said}")

    def _outcome(self, seconds: float) -> Outcome:
        reply = self._next(seconds)
        if reply.get("id") != self._number or "outcome" not in reply:
            raise Lost(f"a reply that is none to the request {self._number}: {str(reply)[:300]}")
        outcome: Outcome = reply["outcome"]
        return outcome

    def _next(self, seconds: float) -> Mapping[str, Any]:
        reply = self._replies.get(timeout=seconds)
        if reply is None:
            raise Lost("capsule worker has ended")
        return reply

    def _say(self, **message: Any) -> None:
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(message).encode() + b"\n")
            self._child.stdin.flush()
        except OSError as error:
            raise Lost(f"capsule worker does not listen: {error}") from None

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._replies.put(json.loads(line))
        self._replies.put(None)
