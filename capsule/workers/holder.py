"""Inside the worker of a session: one sandbox that stays, and copies of this process to go back to.

A trap (no fuel left, a deadline, an abort) leaves a sandbox of no use. So this process is forked before each
turn, as soon as the one before is over: it runs the turn, and its copy waits. When the turn ends well, the
copy ends; when this process ends instead, however it does, the copy goes on from where it was before the
turn. The copy has a channel of its own, so that nothing that was half sent or half read disturbs it.

Threads that are there while it is forked (the one that runs turns, and the clock) wait then, and are not in
the copy: that starts its own.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from capsule.confinement.worker import OPEN_FILES, die_with
from capsule.errors import CapsuleError
from capsule.runtime.attempt import Answered, Budget, broken, execute
from capsule.runtime.engine import THREAD_STACK
from capsule.runtime.host.guest import Guest, RequestQueue
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.sandbox import Sandbox
from capsule.workers.frames import Frame, FrameReader, Kind
from capsule.workers.revival import Revival
from capsule.workers.services import RemoteServices
from capsule.workers.worker import ANY_SIZE, PIECE, Output, Watched, Worker

if TYPE_CHECKING:
    from wasmtime.component import Component

MOST_DESCRIPTORS = 4
"""Descriptors that come with one message."""

PATIENCE = 5.0
"""Seconds until the system has told a copy who its new parent is, and until a turn's threads have ended."""

GO_BACK, END = b"", b"x"

_SANDBOX = "capsule-sandbox"
_WAITING = ("MainThread", _SANDBOX, "capsule-clock")
"""Threads that a copy does without."""

RESEED = '{"task":"reseed","args":[],"kwargs":{}}'
RESEED_FUEL = 1_000_000_000
RESEED_SECONDS = 5.0


class Holder(Worker):
    """Serves the channel of a session. ``parent`` is the zygote, to which copies are left."""

    def __init__(
        self, channel: socket.socket, component: Component, folders: Sequence[int], parent: int
    ) -> None:
        super().__init__(channel, component, folders)
        self._parent = parent
        self._reader = FrameReader(ANY_SIZE)
        self._frames: deque[Frame] = deque()
        self._descriptors: deque[int] = deque()
        self._held: Sandbox | None = None
        self._guest: Guest | None = None
        self._written = _Switch()
        self._revival: Revival | None = None
        self._workspace: tuple[int, str] | None = None
        self._copy: _Copy | None = None
        self._runner: _Runner | None = None
        self._stale = False
        """Whether another process may draw the same random numbers as this one."""

    def serve(self) -> NoReturn:
        """Takes one message after the other until the channel ends."""
        while True:
            while not self._frames:
                self._receive()
            frame = self._frames.popleft()
            match frame.kind:
                case Kind.TURN:
                    self._turn(frame)
                case Kind.FORK:
                    self._fork(frame.head)
                case Kind.COPY:
                    self._copied(self._descriptors.popleft())
                case _:
                    self._take(frame)

    def _receive(self) -> None:
        data, descriptors, _, _ = socket.recv_fds(self._channel, PIECE, MOST_DESCRIPTORS)
        if not data:
            os._exit(0)
        self._descriptors += descriptors
        self._frames += self._reader.feed(data)

    def _turn(self, frame: Frame) -> None:
        head = frame.head
        if self._held is None and not self._open(head, frame.text()):
            return
        if head["checkpoint"] and not self._copied(self._descriptors.popleft()):
            return  # this is the copy, and the turn did not happen
        self._interrupt = Interrupt()
        self._services = RemoteServices(self.send, head["attempt"], head["result_bytes"])
        answered = self._beside(lambda: self._run(head, frame.text()))
        self._report(answered, head["attempt"], head["result_bytes"])
        self._services = None
        if answered.failure is not None:
            os._exit(0)
        if self._copy is not None:
            self._copy.end()
            self._copy = None
        self._quieten()

    def _run(self, head: Mapping[str, Any], call: str) -> Answered:
        """One turn, on a thread with a deep stack."""
        assert self._services is not None
        sandbox, guest, attempt = self._held, self._guest, head["attempt"]
        assert sandbox is not None
        assert guest is not None
        output = self._written.to = Output(self.send, attempt, head["output_bytes"])
        guest.interrupt, guest.services = self._interrupt, self._services
        guest.requests, guest.codec_bytes = RequestQueue(), 0
        sandbox.adopt(guest, head["until"])
        budget = Budget(head["fuel"], head["seconds"], head["result_bytes"], head["words"], None)
        watched = Watched(self._interrupt)
        clock.watch(watched)
        try:
            if sandbox.loaded:
                sandbox.load_fuel, sandbox.load_seconds = 0, 0.0
                if self._stale:
                    sandbox.run(RESEED, fuel=RESEED_FUEL, seconds=RESEED_SECONDS)
            self._stale = False
            return execute(
                sandbox,
                guest,
                call,
                budget,
                output.tail,
                until=head["until"],
                loaded=lambda: self.send(Kind.LOADED, {"attempt": attempt}),
            )
        except CapsuleError as error:
            return broken(str(error))
        except Exception as error:
            return broken(f"the worker failed: {type(error).__name__}: {error}")
        finally:
            clock.forget(watched)

    def _open(self, head: Mapping[str, Any], call: str) -> bool:
        """Makes the sandbox, before there are copies: these can't open its folders. No guest runs yet."""
        if head["workspace"] is not None:
            number, name = head["workspace"]
            self._workspace = number, name
        self._written.to = output = Output(self.send, head["attempt"], head["output_bytes"])
        written = self._written
        program = None if head["program"] is None else self._programs[head["program"]]
        self._guest = Guest(
            self._interrupt, RemoteServices(self.send, head["attempt"], head["result_bytes"]), program
        )
        try:
            setting = replace(
                self._setting(head, call, output), on_stdout=written.stdout, on_stderr=written.stderr
            )
            if setting.preopens:
                self._revival = Revival(str(setting.preopens[-1].host))
            self._held = Sandbox(replace(setting, copied=True), self._guest)
        except Exception as error:
            for descriptor in self._descriptors:
                os.close(descriptor)
            self._descriptors.clear()
            self._report(broken(f"the sandbox can't be made: {error}"), head["attempt"], head["result_bytes"])
            return False
        return True

    def _folder(self, number: int, path: str) -> Path:
        folder = super()._folder(number, path)
        if self._workspace is not None and self._workspace[0] == number:
            return folder / self._workspace[1]
        return folder

    def _beside(self, work: Callable[[], Answered]) -> Answered:
        """What ``work`` returns on a thread of its own; this one serves the channel meanwhile."""
        runner = self._runner = self._runner or _Runner()
        runner.start(work)
        poll = select.poll()
        poll.register(self._channel, select.POLLIN)
        poll.register(runner.done, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if runner.done in ready:
                return runner.result()
            self._receive()
            while self._frames:
                self._take(self._frames.popleft())

    def _quieten(self) -> None:
        """Ends the threads of the turn's requests: those that are left wait while this process is forked."""
        self._interrupt.cancel()
        if self._guest is not None:
            self._guest.requests.clear()
        end = time.monotonic() + PATIENCE
        while any(thread.name not in _WAITING for thread in threading.enumerate()):
            if time.monotonic() > end:
                os._exit(70)
            time.sleep(0.001)

    def _copied(self, channel: int) -> bool:
        """Forks this process, to have a copy to go back to. Returns False in the copy, once that goes on."""
        _reap()
        waiting, anchor = os.pipe()
        if os.fork():
            os.close(waiting)
            os.close(channel)
            self._copy = _Copy(anchor)
            return True
        os.close(anchor)
        if os.read(waiting, 1) == END:
            os._exit(0)
        os.close(waiting)
        self._go_on(channel)
        return False

    def _fork(self, head: Mapping[str, Any]) -> None:
        """Leaves a copy of this process as a session of its own, with the workspace that ``head`` names."""
        channel = self._descriptors.popleft()
        pid = os.fork()
        if pid:
            os.close(channel)
            os.waitpid(pid, 0)
            return
        if os.fork():
            os._exit(0)
        if self._copy is not None:  # it waits for the end of the process that this is a copy of
            os.close(self._copy.pipe)
            self._copy = None
        if self._workspace is not None:
            self._move_to(str(head["workspace"]))
        self._go_on(channel)

    def _move_to(self, name: str) -> None:
        """Puts another folder in the place of the workspace, wherever the sandbox has it open."""
        assert self._workspace is not None
        number, _ = self._workspace
        folder = self._folders[number]
        before = os.stat(self._workspace[1], dir_fd=folder)
        new = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        for descriptor in range(OPEN_FILES):  # what /proc says of descriptors is another process's
            with suppress(OSError):
                if descriptor != new and os.path.samestat(os.fstat(descriptor), before):
                    os.dup2(new, descriptor, inheritable=False)
        os.close(new)
        self._workspace = number, name

    def _go_on(self, channel: int) -> None:
        """Makes this copy a process of the zygote's, that serves ``channel``."""
        end = time.monotonic() + PATIENCE
        while os.getppid() != self._parent:
            if time.monotonic() > end:
                os._exit(0)
            time.sleep(0.0005)
        die_with(self._parent)
        self._channel.close()
        self._channel = socket.socket(fileno=channel)
        self._reader = FrameReader(ANY_SIZE)
        self._frames.clear()
        self._writing = threading.Lock()
        self._runner = None
        clock.begin_anew()
        self._stale = True
        if self._revival is not None and not self._revival.revive():
            os._exit(70)
        self.send(Kind.HERE, {"attempt": 0, "pid": os.getpid()})


@dataclass(frozen=True, slots=True)
class _Copy:
    """A copy that waits; it goes on when the pipe ends without a word."""

    pipe: int

    def end(self) -> None:
        """Ends the copy: the turn went well."""
        os.write(self.pipe, END)
        os.close(self.pipe)


def _reap() -> None:
    """Takes note of copies that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


class _Runner:
    """A thread with a deep stack that runs one turn after the other, and waits in between."""

    def __init__(self) -> None:
        self._go, self._start = os.pipe()
        self.done, self._tell = os.pipe()
        self._work: Callable[[], Answered] | None = None
        self._result: Answered | None = None
        before = threading.stack_size(THREAD_STACK)
        threading.Thread(target=self._serve, name=_SANDBOX, daemon=True).start()
        threading.stack_size(before)

    def start(self, work: Callable[[], Answered]) -> None:
        """Begins; ``done`` can be read when it is over."""
        self._work, self._result = work, None
        os.write(self._start, b"g")

    def result(self) -> Answered:
        """What it came to."""
        os.read(self.done, 1)
        if self._result is None:
            os._exit(70)  # a fault of ours: the broker makes an outcome of it
        return self._result

    def _serve(self) -> None:
        while os.read(self._go, 1):
            try:
                assert self._work is not None
                self._result = self._work()
            finally:
                self._work = None
                os.write(self._tell, b"d")


class _Switch:
    """Hands what the sandbox writes to the turn that is under way."""

    def __init__(self) -> None:
        self.to: Output | None = None

    def stdout(self, data: bytes) -> None:
        """Takes what was written to standard output."""
        if self.to is not None:
            self.to.stdout(data)

    def stderr(self, data: bytes) -> None:
        """Takes what was written to standard error."""
        if self.to is not None:
            self.to.stderr(data)
