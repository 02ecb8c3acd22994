"""The resident host: keeps one child ready that does a command, and sees to those that do one.

A process of one thread. It reads nothing of its clients; what it does is fork, wait, and tell a client how
its command ended when the command can't. It runs until nobody has asked for anything for `IDLE_SECONDS`,
until what it has loaded is out of date, or until it is told to stop; commands under way go on to their end.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from capsule.resident import place
from capsule.resident.command import ENDED, STALE, TAKEN, CommandLine, serve_one
from capsule.resident.freshness import Freshness
from capsule.resident.protocol import SIGNALLED

IDLE_SECONDS = 900.0
"""How long a host waits for the next command."""

LOOK = 20.0
"""Seconds between two looks at whether the socket is still ours."""

SETTLE = 0.05
"""Seconds that a command gets before the next child is forked beside it, unless somebody waits."""

LARGEST_NEWS = 256 << 10
MOST_LEARNED = 500
MOST_FAILURES = 3


class _Child:
    """A process that does a command, or waits for one: then it has no client yet."""

    def __init__(self, pid: int, news: socket.socket) -> None:
        self.pid = pid
        self.news: socket.socket | None = news
        self.client: socket.socket | None = None
        self.taken = False
        self.ended = False
        self.retired = False

    def close(self) -> None:
        for each in (self.news, self.client):
            if each is not None:
                each.close()


class Host:
    """Serves a socket until there is nothing to do any more."""

    def __init__(self, path: Path, lock: int, freshness: Freshness, line: CommandLine) -> None:
        self._path = path
        self._lock = lock
        found = os.fstat(lock)
        self._locked = found.st_dev, found.st_ino
        self._commands = 0
        self._freshness = freshness
        self._line = line
        self._children: dict[int, _Child] = {}
        self._stopping = False
        self._failures = 0
        self._learned: set[str] = set()
        # Nothing that comes with a program: what is loaded here has been from the start, or is Python's own.
        self._packages = {*sys.stdlib_module_names, *(name.partition(".")[0] for name in sys.modules)}
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with suppress(FileNotFoundError):
            path.unlink()
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._inode = path.stat().st_ino
        self._woken, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if sys.platform == "linux" else os.pipe()
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._stop_soon)

    def serve(self) -> None:
        """Returns when the host has stopped and the last command is done."""
        idle_since = fork_at = time.monotonic()
        while True:
            if self._stopping:
                self._close()
                if not self._children:
                    return
            now = time.monotonic()
            busy = any(child.taken for child in self._children.values())
            idle_since = now if busy else idle_since
            if not self._stopping and self._spare() is None and now >= fork_at:
                self._fork()
            timeout = LOOK if self._spare() is not None or self._stopping else max(0.0, fork_at - now)
            ready = self._wait(timeout)
            before = len(self._children), self._spare()
            for child in list(self._children.values()):
                self._hear(child, ready)
            self._reap()
            if before[1] is not None and self._spare() is None:
                fork_at = time.monotonic() + SETTLE
            if len(self._children) < before[0] or self._listener.fileno() in ready:
                fork_at = 0.0
            if now - idle_since > IDLE_SECONDS or not self._in_place():
                self._stopping = True

    def _stop_soon(self, number: int, frame: object) -> None:
        self._stopping = True

    def _spare(self) -> _Child | None:
        return next(
            (child for child in self._children.values() if not child.taken and not child.retired), None
        )

    def _wait(self, timeout: float) -> dict[int, int]:
        """Waits for news. Returns what happened by descriptor."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._spare() is None and not self._stopping:
            poll.register(self._listener, select.POLLIN)
        for child in self._children.values():
            if child.news is not None:
                poll.register(child.news, select.POLLIN)
            if child.client is not None and not child.ended:
                poll.register(child.client, 0)
        ready = dict(poll.poll(timeout * 1000))
        if self._woken in ready:
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
        return ready

    def _hear(self, child: _Child, ready: dict[int, int]) -> None:
        if child.news is not None and child.news.fileno() in ready:
            self._news(child, child.news)
        client = child.client
        if client is not None and not child.ended and ready.get(client.fileno(), 0) & select.POLLHUP:
            # Whoever kills a process means what it does. All of it is in one group.
            child.ended = True
            with suppress(OSError):
                os.killpg(child.pid, signal.SIGKILL)

    def _news(self, child: _Child, news: socket.socket) -> None:
        try:
            said, descriptors, _, _ = socket.recv_fds(news, LARGEST_NEWS, 1)
        except OSError:
            said, descriptors = b"", []
        if said == TAKEN and descriptors:
            child.taken = True
            self._commands += 1
            os.pwrite(self._lock, str(self._commands).encode(), 0)
            child.client = socket.socket(fileno=descriptors[0])
            self._failures = 0
        elif said == STALE:
            self._stopping = True
        elif said.startswith(ENDED):
            child.ended = True
            self._learn(said.decode(errors="replace").split("\0")[1:])
        elif not said:
            news.close()
            child.news = None

    def _reap(self) -> None:
        while self._children:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            child = self._children.pop(pid, None)
            if child is None:
                continue
            if not child.taken and not child.retired:
                self._failures += 1
                self._stopping = self._stopping or self._failures >= MOST_FAILURES
            if child.client is not None and os.WIFSIGNALED(status):
                with suppress(OSError):
                    child.client.settimeout(0)
                    child.client.send(SIGNALLED + os.WTERMSIG(status).to_bytes(4, "little"))
            child.close()

    def _learn(self, names: list[str]) -> None:
        """Loads what a command had to load, so that the next one need not."""
        changed = False
        for name in names:
            if name in self._learned or len(self._learned) >= MOST_LEARNED:
                continue
            if name.partition(".")[0] in self._packages:
                self._learned.add(name)
                with suppress(Exception):
                    importlib.import_module(name)
                changed = True
        if changed:
            self._freshness.note()
            gc.freeze()
            self._retire_spare()

    def _retire_spare(self) -> None:
        """The child that waits ends, unless it has just been taken; the next has what was loaded since."""
        spare = self._spare()
        if spare is not None and spare.news is not None:
            spare.retired = True
            spare.news.shutdown(socket.SHUT_WR)

    def _fork(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
        except OSError:  # no more processes
            self._stopping = True
            ours.close()
            theirs.close()
            return
        if pid == 0:
            try:
                ours.close()
                serve_one(self._listener, theirs, self._locked, self._freshness, self._line)
            finally:
                os._exit(1)
        theirs.close()
        self._children[pid] = _Child(pid, ours)

    def _in_place(self) -> bool:
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def _close(self) -> None:
        """Nobody can ask any more: not even what waits for us has a child that would accept it."""
        if self._listener.fileno() >= 0:
            if self._in_place():
                with suppress(OSError):
                    self._path.unlink()
                    self._path.with_suffix(".lock").unlink()
            self._listener.close()
        self._retire_spare()


def serve(folder: str, key: str, freshness: Freshness, line: CommandLine) -> NoReturn:
    """A host in its place, until its end. Everything that commands need must have been loaded."""
    os.umask(0o077)
    if not place.private(folder) or len(_path(folder, key)) > 100:
        os._exit(1)
    lock = os.open(f"{folder}/{key}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # another one is there
        os._exit(0)
    os.truncate(lock, 0)
    gc.collect()
    gc.freeze()  # what is here stays: a collection in a child must not touch, and so copy, its pages
    Host(Path(_path(folder, key)), lock, freshness, line).serve()
    os._exit(0)


def _path(folder: str, key: str) -> str:
    return f"{folder}/{key}.socket"
