"""Inside a worker: one sandbox at a time, and a channel to the broker that serves its requests."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from capsule.artifact.foreign import Contract
from capsule.artifact.sections import ProgramTable
from capsule.errors import CapsuleError
from capsule.runtime.attempt import Answered, Budget, broken, execute
from capsule.runtime.engine import THREAD_STACK
from capsule.runtime.foreign.calls import command_line
from capsule.runtime.host.guest import Guest
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.preopens import DESCRIPTORS, Preopen
from capsule.runtime.prepared import Prepared, make_prepared
from capsule.runtime.sandbox import Sandbox, Setting
from capsule.runtime.traps import Failure
from capsule.workers.frames import Frame, FrameReader, Kind, encode
from capsule.workers.messages import LONGEST_TEXT
from capsule.workers.services import RemoteServices

if TYPE_CHECKING:
    from wasmtime.component import Component

PIECE = 256 << 10
"""Bytes of output in one frame, and of one read."""

TAIL = 2000
"""Bytes of a guest's stderr that are kept: they tell what kind of a trap it was."""

ANY_SIZE = 1 << 31
"""The broker is trusted: a body may have this many bytes."""


class Worker:
    """Serves one channel. ``folders`` are descriptors, in the order in which attempts name them."""

    def __init__(self, channel: socket.socket, component: Component, folders: Sequence[int]) -> None:
        self._channel = channel
        self._component = component
        self._folders = folders
        self._writing = threading.Lock()
        self._programs: OrderedDict[int, ProgramTable] = OrderedDict()
        self._jobs: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._prepared: Prepared | None = None
        self._interrupt = Interrupt()
        self._services: RemoteServices | None = None

    def serve(self) -> NoReturn:
        """Takes messages until the channel ends. The sandboxes have a thread of their own."""
        before = threading.stack_size(THREAD_STACK)
        threading.Thread(target=self._work, name="capsule-sandbox", daemon=True).start()
        threading.stack_size(before)
        reader = FrameReader(ANY_SIZE)
        while data := self._channel.recv(PIECE):
            for frame in reader.feed(data):
                self._take(frame)
        os._exit(0)

    def send(self, kind: Kind, head: Mapping[str, Any], body: bytes = b"") -> None:
        """Sends a frame, on any thread."""
        data = encode(kind, head, body)
        with self._writing:
            try:
                self._channel.sendall(data)
            except OSError:
                os._exit(0)  # nobody is there any more

    def _take(self, frame: Frame) -> None:
        head = frame.head
        match frame.kind:
            case Kind.PROGRAM:
                for number in head["forget"]:
                    self._programs.pop(number, None)
                self._programs[head["program"]] = ProgramTable(frame.body)
            case Kind.START:
                # Made here, so that a cancellation that comes right behind it finds it.
                self._interrupt = interrupt = Interrupt()
                self._services = services = RemoteServices(self.send, head["attempt"], head["result_bytes"])
                self._jobs.put(lambda: self._attempt(head, frame.text(), interrupt, services))
            case Kind.CANCEL:
                self._interrupt.cancel()
            case Kind.ANSWER | Kind.ENDED:
                if self._services is not None and head["attempt"] == self._services.attempt:
                    self._services.take(frame)
            case _:
                os._exit(70)

    def _work(self) -> None:
        try:
            while True:
                self._jobs.get()()
        finally:
            os._exit(70)  # a fault of ours: the broker makes an outcome of it

    def _attempt(
        self, head: Mapping[str, Any], call: str, interrupt: Interrupt, services: RemoteServices
    ) -> None:
        program = None if head["program"] is None else self._programs[head["program"]]
        output = Output(self.send, head["attempt"], head["output_bytes"])
        setting = self._setting(head, call, output)
        budget = Budget(head["fuel"], head["seconds"], head["result_bytes"], head["words"], head["total"])
        guest = Guest(interrupt, services, program)
        watched = Watched(interrupt)
        sandbox: Sandbox | None = None
        clock.watch(watched)
        try:
            sandbox = self._sandbox(head["use_prepared"], setting, guest, budget)
            answered = execute(
                sandbox,
                guest,
                call,
                budget,
                output.tail,
                until=setting.until,
                loaded=None
                if head["ready"]
                else lambda: self.send(Kind.LOADED, {"attempt": services.attempt}),
                export=head["export"],
            )
        except CapsuleError as error:
            answered = broken(str(error))
        finally:
            clock.forget(watched)
        self._report(answered, services.attempt, budget.result_bytes)
        interrupt.cancel()  # the threads of its requests have nobody to answer any more
        if sandbox is not None:
            sandbox.close()
        if head["ahead"] and answered.failure is None and self._jobs.empty():
            self._prepare(setting, program, services.attempt)

    def _sandbox(self, use_prepared: bool, setting: Setting, guest: Guest, budget: Budget) -> Sandbox:
        prepared, self._prepared = self._prepared, None
        if prepared is not None and use_prepared:
            prepared.tap.connect(setting)
            prepared.sandbox.adopt(guest, setting.until)
            return prepared.sandbox
        if prepared is not None:
            prepared.sandbox.close()
        return Sandbox(setting, guest, load_fuel=budget.load_fuel)

    def _setting(self, head: Mapping[str, Any], call: str, output: Output) -> Setting:
        contract = Contract(head["contract"])
        preopens = tuple(
            Preopen(self._folder(number, path), guest, writable)
            for number, (path, guest, writable) in enumerate(head["preopens"])
        )
        return Setting(
            self._component,
            preopens,
            head["environment"],
            head["ram"],
            output.stdout,
            output.stderr,
            head["until"],
            opened=True,
            contract=contract,
            command=command_line(contract, call, head["result_bytes"]),
        )

    def _folder(self, number: int, path: str) -> Path:
        """Where the folder is to be opened: by its descriptor, which nobody can redirect."""
        return DESCRIPTORS / str(self._folders[number]) if DESCRIPTORS.is_dir() else Path(path)

    def _report(self, answered: Answered, attempt: int, result_bytes: int) -> None:
        head: dict[str, Any] = {
            "attempt": attempt,
            "fuel": answered.fuel,
            "load_fuel": answered.load_fuel,
            "load_seconds": answered.load_seconds,
            "seconds": answered.seconds,
        }
        body = b""
        if answered.failure is not None:
            head["failure"] = _failure(answered.failure)
        elif answered.answer is not None and len(answered.answer) > result_bytes:
            head["too_large"] = len(answered.answer)
        elif answered.answer is not None:
            body = answered.answer.encode()
        self.send(Kind.RESULT, head, body)

    def _prepare(self, setting: Setting, program: ProgramTable | None, attempt: int) -> None:
        try:
            self._prepared = make_prepared(setting, program)
        except Exception:  # whatever is wrong with it, the next attempt meets it and says so
            self._prepared = None
        self.send(Kind.PREPARED, {"attempt": attempt, "ready": self._prepared is not None})


class Watched:
    """An attempt, for the clock to keep epochs going; what blocks is the broker's to end."""

    def __init__(self, interrupt: Interrupt) -> None:
        self.interrupt = interrupt

    def give_up(self) -> None:
        """Nothing: the broker kills this process."""


class Output:
    """Sends what a guest writes, up to ``left`` bytes and one more, which tells that there was more."""

    def __init__(
        self, send: Callable[[Kind, Mapping[str, Any], bytes], None], attempt: int, left: int
    ) -> None:
        self._send = send
        self._attempt = attempt
        self._left = left + 1
        self._tail = b""

    def stdout(self, data: bytes) -> None:
        """Takes what was written to standard output."""
        self._take(data, False)

    def stderr(self, data: bytes) -> None:
        """Takes what was written to standard error."""
        self._tail = (self._tail + data[-TAIL:])[-TAIL:]
        self._take(data, True)

    def tail(self) -> str:
        """The end of standard error."""
        return self._tail.decode("utf-8", "replace")

    def _take(self, data: bytes, is_error: bool) -> None:
        kept = data[: self._left]
        self._left -= len(kept)
        for start in range(0, len(kept), PIECE):
            head = {"attempt": self._attempt, "error": is_error}
            self._send(Kind.OUTPUT, head, kept[start : start + PIECE])


def _failure(failure: Failure) -> dict[str, Any]:
    shortened = replace(failure, message=failure.message[:LONGEST_TEXT])
    traceback = None if failure.traceback is None else failure.traceback[:LONGEST_TEXT]
    return {"error_type": shortened.error_type, "message": shortened.message, "traceback": traceback}
