"""A worker process, as its broker sees it: a channel, a process id, and how much it may take."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.workers.frames import FrameReader, Kind, ProtocolError, encode
from capsule.workers.messages import Message, Prepared, parse

if TYPE_CHECKING:
    from capsule.workers.spawner import Spawner

ALLOWANCE = 1 << 30
"""Bytes that a worker may have besides its sandbox's memory.

Stacks take 170 MiB of them and the interpreter 30. The rest is for what passes through the host's side: a
result, a request or a sub-task's arguments exist up to four times while they are handed on, at 64 MiB each,
and outcomes that the guest does not take may add up to 256 MiB.
"""

LARGEST_MEMORY = 4 << 30
"""Bytes that a sandbox without ``ram`` can address."""

MOST_UNSENT = 512 << 20
"""Bytes that wait for a worker to read them: twice what its sandbox may leave untaken."""

PROGRAMS = 8
"""Programs that one worker remembers."""

READ = 256 << 10

MOST_NEWS = 64
"""Reads after which a worker that has nothing to do, and still talks, is thought to be somebody else's."""


class WorkerDied(Exception):
    """The channel has ended: so has the process, or it is of no more use."""


class WorkerMisbehaved(WorkerDied):
    """The worker does not keep to the protocol: somebody else may have it."""


class WorkerProcess:
    """One worker. One thread at a time reads from it; any thread may send."""

    def __init__(self, spawner: Spawner, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.preparing: object | None = None
        """What it was asked to prepare: another task that has the same can use it."""
        self.ready = False
        """Whether that is done."""
        self.spawner = spawner
        self._channel = channel
        channel.setblocking(False)
        self._reader = FrameReader(READ)
        self._programs: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()
        self._unsent: deque[memoryview] = deque()
        self._unsent_size = 0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)
        self._closed = False

    def bound(self, ram: int | None, largest_body: int) -> None:
        """Says how much the next attempt may take and send, in bytes."""
        self._reader.largest = largest_body
        self.most = (LARGEST_MEMORY if ram is None else ram) + ALLOWANCE
        if sys.platform == "linux":
            # Soft, so that the next attempt can have more; a worker can't change its own limits.
            with suppress(OSError, ValueError):
                _, hard = resource.prlimit(self.pid, resource.RLIMIT_DATA)
                resource.prlimit(self.pid, resource.RLIMIT_DATA, (self.most, hard))

    def bound_body(self, largest: int) -> None:
        """Says how many bytes the body of its next message may have."""
        self._reader.largest = largest

    def send_program(self, number: int, section: bytes) -> None:
        """Makes sure that the worker has a program."""
        if number in self._programs:
            self._programs.move_to_end(number)
            return
        forget = []
        while len(self._programs) >= PROGRAMS:
            forget.append(self._programs.popitem(last=False)[0])
        self._programs[number] = None
        self.send(Kind.PROGRAM, {"program": number, "forget": forget}, section)

    def send(self, kind: Kind, head: Mapping[str, Any], body: bytes = b"") -> bool:
        """Sends a frame, without waiting for the worker to read.

        Returns False, and sends nothing, when too much waits for it already, or it is gone.
        """
        data = encode(kind, head, body)
        with self._lock:
            if self._closed or self._unsent_size + len(data) > MOST_UNSENT:
                return False
            was_empty = not self._unsent
            self._unsent.append(memoryview(data))
            self._unsent_size += len(data)
            if was_empty:
                self._flush()
            if self._unsent:
                self._wake()
        return True

    def send_with(self, kind: Kind, head: Mapping[str, Any], body: bytes, descriptors: Sequence[int]) -> bool:
        """Sends a frame with copies of descriptors. Returns False when it is gone, or has not read all."""
        data = memoryview(encode(kind, head, body))
        with self._lock:
            if self._closed or self._unsent:
                return False
            try:
                sent = socket.send_fds(self._channel, [data[:READ]], list(descriptors))
            except OSError:
                return False
            if sent < len(data):
                self._unsent.append(data[sent:])
                self._unsent_size += len(data) - sent
                self._flush()
        return True

    def receive(self, timeout: float | None) -> list[tuple[int, Message]]:
        """What the worker says within ``timeout`` seconds, and sends what waits. Raises `WorkerDied`."""
        poll = select.poll()
        poll.register(self._channel, select.POLLIN | (select.POLLOUT if self._unsent else 0))
        poll.register(self._wake_read, select.POLLIN)
        events = dict(poll.poll(None if timeout is None else max(0.0, timeout * 1000)))
        if self._wake_read in events:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        happened = events.get(self._channel.fileno(), 0)
        if happened & select.POLLOUT:
            with self._lock:
                self._flush()
        if not happened & ~select.POLLOUT:
            return []
        try:
            data = self._channel.recv(READ)
        except BlockingIOError:
            return []
        except OSError as error:
            raise WorkerDied(str(error)) from None
        if not data:
            raise WorkerDied("its channel ended")
        try:
            return [parse(frame) for frame in self._reader.feed(data)]
        except ProtocolError as error:
            raise WorkerMisbehaved(str(error)) from None

    def settle(self) -> bool:
        """Takes note of what an idle worker has said. Returns whether it is still of use."""
        self._reader.largest = READ
        try:
            for _ in range(MOST_NEWS):
                news = self.receive(0)
                if not news:
                    return True
                self.note(news)
        except WorkerDied:
            pass
        return False

    def note(self, news: Sequence[tuple[int, Message]]) -> None:
        """Takes note of what it says when an attempt is over: whether its next sandbox is ready."""
        for _, message in news:
            if isinstance(message, Prepared):
                self.ready = message.ready
                self.preparing = self.preparing if message.ready else None

    def wake(self) -> None:
        """Makes `receive` return, on whatever thread it waits."""
        with self._lock:
            self._wake()

    def memory(self) -> int:
        """Bytes of memory that are the worker's own; 0 where that can't be told."""
        try:
            fields = Path(f"/proc/{self.pid}/statm").read_text().split()
            return (int(fields[1]) - int(fields[2])) * resource.getpagesize()
        except (OSError, IndexError, ValueError):
            return 0

    def end(self) -> int | None:
        """Kills it. Returns how it ended, as `os.wait` says it; None when that is not known."""
        status = self.spawner.end(self.pid)
        with self._lock:
            if not self._closed:
                self._closed = True
                self._unsent.clear()
                self._channel.close()
                os.close(self._wake_read)
                os.close(self._wake_write)
        return status

    def _wake(self) -> None:
        if not self._closed:
            with suppress(BlockingIOError):
                os.write(self._wake_write, b"w")

    def _flush(self) -> None:
        """Sends what can be sent at once. Needs the lock."""
        while self._unsent:
            part = self._unsent[0]
            try:
                sent = self._channel.send(part)
            except BlockingIOError:
                return
            except OSError:  # it is gone: whoever reads finds out
                self._unsent.clear()
                self._unsent_size = 0
                return
            self._unsent_size -= sent
            if sent < len(part):
                self._unsent[0] = part[sent:]
            else:
                self._unsent.popleft()


def how_it_ended(status: int | None) -> str:
    """Words for a status of `os.wait`."""
    if status is None:
        return "in a way that could not be found out"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
        reason = {
            signal.SIGKILL: " (the system does that when it runs out of memory)",
            signal.SIGABRT: " (it aborts when it can't have the memory that it needs)",
        }
        return f"by {name}{reason.get(number, '')}"  # type: ignore[call-overload]
    return f"with status {os.waitstatus_to_exitcode(status)}"
