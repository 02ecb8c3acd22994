"""The zygote: a process of one thread that has everything loaded, and forks a worker when it is asked to.

Starting Python and wasmtime takes some 200 ms, forking this process a few. It runs no guest. It ends with
the process that started it: their channel ends then, and its workers end with it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from capsule.confinement import namespaces
from capsule.confinement import worker as confinement
from capsule.workers import passing

if TYPE_CHECKING:
    from wasmtime.component import Component

LOOK = 2.0
"""Seconds between two looks at the parent: another child of it may have inherited our channel's other end."""

LAST_MOMENT = 1.0
"""Seconds that a killed worker gets to be gone: one in an uninterruptible system call takes longer."""

IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE)
"""Signals that a terminal or a service manager sends to all processes: what to do is for the host to say."""


def main(channel_descriptor: int, parent: int) -> NoReturn:
    """Serves the channel until it ends."""
    _become_zygote()
    channel = socket.socket(fileno=channel_descriptor)
    channel.set_inheritable(False)
    try:
        warm_up()
    except Exception as error:
        passing.send(channel, {"error": f"{type(error).__name__}: {error}"})
        os._exit(1)
    gc.collect()
    gc.freeze()  # what is here stays: a collection in a worker must not touch, and so copy, its pages
    _serve(channel, parent)


def forked(channel: socket.socket, parent: int, variables: Collection[str]) -> NoReturn:
    """The same, in a process of one thread that was forked from one in which `warm_up` was called.

    It keeps no variables but ``variables``.
    """
    for name in list(os.environ):
        if name not in variables:
            del os.environ[name]
    _become_zygote()
    _serve(channel, parent)


def _become_zygote() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    confinement.drop_privileges()
    confinement.adopt_orphans()
    namespaces.leave_networks()  # once for all workers: it takes longer than the rest of a worker's start


def _serve(channel: socket.socket, parent: int) -> NoReturn:
    _silence()
    passing.send(channel, {"ready": True})
    zygote = Zygote(channel)
    while os.getppid() == parent:
        if select.select([channel], [], [], LOOK)[0] and not zygote.serve():
            break
        zygote.reap()
    _end_all()
    os._exit(0)


def _end_all() -> None:
    """Kills what is left below this process: a copy in a worker that was taken over heeds no parent's end."""
    end = time.monotonic() + LAST_MOMENT
    me = os.getpid()
    while time.monotonic() < end:
        try:
            children = Path(f"/proc/{me}/task/{me}/children").read_text().split()
        except OSError:
            return  # without Linux's /proc nothing is forked but by us
        if not children:
            return
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def warm_up() -> None:
    """Loads all that a worker ever needs: once it is confined, it can't open a file of Python's."""
    import hashlib
    import linecache
    import traceback  # noqa: F401

    from capsule.runtime import interrupt, linker, traps  # noqa: F401
    from capsule.runtime.host.codec import ALGORITHMS
    from capsule.workers import holder, worker  # noqa: F401

    linker.linker()
    interrupt._on_epoch()
    for algorithm in ALGORITHMS.values():
        with suppress(ValueError):  # not in this build of OpenSSL
            hashlib.new(algorithm, usedforsecurity=False)
    linecache.checkcache()


def _silence() -> None:
    """From now on nothing that a worker writes reaches a stream of the host's."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


class Zygote:
    """Forks workers and ends them."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._components: dict[str, Component] = {}
        self._children: set[int] = set()
        self._ended: dict[int, int] = {}

    def serve(self) -> bool:
        """Answers one message. Returns False at the end of the channel."""
        try:
            received = passing.receive(self._channel)
            if received is None:
                return False
            message, descriptors = received
            try:
                answer = self._answer(message, descriptors)
            finally:
                for descriptor in descriptors:
                    os.close(descriptor)
            passing.send(self._channel, answer)
        except (OSError, ValueError):
            return False
        return True

    def _answer(self, message: Any, descriptors: list[int]) -> dict[str, Any]:
        if "end" in message:
            return {"status": self._end(int(message["end"]))}
        if "adopt" in message:
            return {"adopted": self._adopt(int(message["adopt"]))}
        try:
            return {"pid": self._fork(message, descriptors)}
        except Exception as error:
            return {"error": f"{type(error).__name__}: {error}"}

    def _fork(self, message: Any, descriptors: list[int]) -> int:
        rest = list(descriptors)
        channel = rest.pop(0)
        code = rest.pop(0) if message["with_code"] else None
        component = self._component(message["code"], code)
        folders = list(zip(rest, message["writable"], strict=True))
        me = os.getpid()
        pid = os.fork()
        if pid:
            self._children.add(pid)
            return pid
        try:
            confinement.die_with(me)
            self._channel.close()
            if code is not None:
                os.close(code)
            self._components = {message["code"]: component}  # the others' compiled code is unmapped here
            if message["holds"]:
                from capsule.workers.holder import Holder

                confinement.confine(folders, forks=True)
                Holder(socket.socket(fileno=channel), component, rest, me).serve()
            from capsule.workers.worker import Worker

            confinement.confine(folders)
            Worker(socket.socket(fileno=channel), component, rest).serve()
        finally:
            os._exit(70)

    def _component(self, key: str, code: int | None) -> Component:
        if code is not None and key not in self._components:
            from wasmtime.component import Component

            from capsule.runtime.engine import engine

            path = f"/dev/fd/{code}" if sys.platform == "darwin" else f"/proc/self/fd/{code}"
            self._components[key] = Component.deserialize_file(engine(), path)
        return self._components[key]

    def reap(self) -> None:
        """Takes note of processes that have ended by themselves."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return
                if pid in self._children:
                    self._ended[pid] = status

    def _adopt(self, pid: int) -> bool:
        """Takes over a worker's copy, whose worker has ended. Returns False for any other process."""
        if pid in self._children:
            return False
        try:
            parent = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        except ChildProcessError:
            return False
        if parent:
            self._children.add(pid)
        return parent

    def _end(self, pid: int) -> int | None:
        """Kills a worker. Returns how it ended, as `os.wait` says it; None when it has not ended yet."""
        if pid not in self._children:
            return None
        if pid in self._ended:
            self._children.discard(pid)
            return self._ended.pop(pid)
        os.kill(pid, signal.SIGKILL)  # for one that has ended already it does nothing, until we have waited
        end = time.monotonic() + LAST_MOMENT
        while True:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                self._children.discard(pid)
                return status
            if time.monotonic() > end:
                return None
            time.sleep(0.001)
