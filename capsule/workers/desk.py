"""The broker's desk for one attempt: takes what the worker asks, hands it to the run, sends the answers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from capsule.egress.wire import RequestFailure
from capsule.runtime.host.guest import RequestQueue, Services, TaskRefused
from capsule.runtime.interrupt import Interrupt
from capsule.runtime.output import Capture
from capsule.workers.frames import Kind
from capsule.workers.messages import Denial, Message, Output, Request, StartTask, Waiting
from capsule.workers.process import WorkerProcess


class Desk:
    """Serves one attempt. Nothing that it is asked can do more than the task's policy lets a guest do."""

    def __init__(
        self, worker: WorkerProcess, attempt: int, services: Services, capture: Capture, interrupt: Interrupt
    ) -> None:
        self._worker = worker
        self._attempt = attempt
        self._services = services
        self._capture = capture
        self._interrupt = interrupt
        self._requests = RequestQueue()
        self._waiting = False

    def take(self, message: Message) -> None:
        """Serves one message, without waiting for anything."""
        match message:
            case Output(stream, data):
                (self._capture.stderr if stream == "stderr" else self._capture.stdout)(data)
            case Waiting(now):
                self._wait(now)
            case StartTask():
                self._start_task(message)
            case Request(number, text):
                if not self._requests.add(partial(self._request, number, text), len(text)):
                    self._refuse(number, "too-large", "the requests that wait their turn hold too much")
            case Denial(number, asked):
                why = self._services.denial(asked)
                self._send(Kind.ANSWER, number, why or "")
            case _:
                pass  # it says nothing to a run

    def close(self) -> None:
        """The attempt is over: nothing more is asked, and its place is taken back if it was given away."""
        self._requests.clear()
        self._wait(False)

    def _wait(self, now: bool) -> None:
        if now != self._waiting:
            self._waiting = now
            (self._services.waiting if now else self._services.resumed)()

    def _start_task(self, asked: StartTask) -> None:
        try:
            self._services.start_task(asked.name, asked.arguments, self._ended(asked.number))
        except TaskRefused as refused:
            self._refuse(asked.number, refused.reason, refused.message)
        else:
            self._send(Kind.ANSWER, asked.number)

    def _ended(self, number: int) -> Callable[[str], bool]:
        def ended(envelope: str) -> bool:
            return self._send(Kind.ENDED, number, envelope)

        return ended

    def _request(self, number: int, text: str) -> None:
        try:
            self._interrupt.check()
            response = self._services.request(text, self._interrupt)
        except RequestFailure as failed:
            self._refuse(number, failed.reason, failed.message)
        except Exception as error:  # the attempt is ending, or we are at fault: the guest hears of it
            self._refuse(number, "network", f"the request was given up: {error}")
        else:
            if not self._send(Kind.ANSWER, number, response):
                message = "the responses that were not taken yet hold too much already"
                self._refuse(number, "too-large", message)

    def _refuse(self, number: int, reason: str, message: str) -> None:
        self._send(Kind.ANSWER, number, reason=reason, message=message)

    def _send(self, kind: Kind, number: int, body: str = "", **more: str) -> bool:
        return self._worker.send(kind, {"attempt": self._attempt, "number": number, **more}, body.encode())
