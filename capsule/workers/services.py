"""What a sandbox in a worker asks of its run: questions over the channel, and the answers to them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from capsule.egress.wire import MAX_REQUEST_TEXT, RequestFailure, parse_request
from capsule.runtime.attempt import outcome_not_kept
from capsule.runtime.denials import PathUse
from capsule.runtime.host.guest import LONGEST_WAIT, TaskRefused
from capsule.runtime.interrupt import Interrupt
from capsule.workers.frames import Frame, Kind
from capsule.workers.messages import LONGEST_NAME

Send = Callable[[Kind, Mapping[str, Any], bytes], None]


class RemoteServices:
    """The services of one attempt. ``result_bytes`` bounds a sub-task's arguments, here as in the broker."""

    def __init__(self, send: Send, attempt: int, result_bytes: int) -> None:
        self.attempt = attempt
        self._send = send
        self._result_bytes = result_bytes
        self._numbers = count(1)
        self._changed = threading.Condition()
        self._answers: dict[int, Frame | None] = {}
        self._children: dict[int, Callable[[str], bool]] = {}

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Starts a sub-task. Raises `TaskRefused`."""
        number = next(self._numbers)
        self._children[number] = ended
        text = arguments if len(arguments) <= self._result_bytes else ""
        answer = self._ask(Kind.START_TASK, number, text, None, name=name[:LONGEST_NAME])
        if "reason" in answer.head:
            del self._children[number]
            raise TaskRefused(answer.head["reason"], answer.head["message"])

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Makes an HTTP request. Raises `RequestFailure`."""
        if len(text) > MAX_REQUEST_TEXT:
            parse_request(text)  # says what is wrong with it, here as there
        number = next(self._numbers)
        answer = self._ask(Kind.REQUEST, number, text, interrupt)
        if "reason" in answer.head:
            raise RequestFailure(answer.head["reason"], answer.head["message"])
        return answer.text()

    def denial(self, asked: PathUse) -> str | None:
        """Why the task may not use a path; None when its policy isn't the reason."""
        uses = {"folder": asked.folder, "change": asked.change, "refused": asked.refused}
        answer = self._ask(Kind.DENIAL, next(self._numbers), asked.path, None, **uses)
        return answer.text() or None

    def waiting(self) -> None:
        """The sandbox's place is free."""
        self._send(Kind.WAITING, {"attempt": self.attempt}, b"")

    def resumed(self) -> None:
        """The sandbox goes on."""
        self._send(Kind.RESUMED, {"attempt": self.attempt}, b"")

    def take(self, frame: Frame) -> None:
        """An answer, or the end of a sub-task. Called on the channel's thread."""
        number = frame.head["number"]
        if frame.kind is Kind.ANSWER:
            with self._changed:
                if number in self._answers:
                    self._answers[number] = frame
                    self._changed.notify_all()
            return
        ended = self._children.pop(number, None)
        if ended is not None:
            envelope = frame.text()
            if not ended(envelope):
                ended(outcome_not_kept(json.loads(envelope)))

    def _ask(
        self, kind: Kind, number: int, text: str, interrupt: Interrupt | None, **more: str | bool
    ) -> Frame:
        with self._changed:
            self._answers[number] = None
        try:
            self._send(kind, {"attempt": self.attempt, "number": number, **more}, text.encode())
            with self._changed:
                while (answer := self._answers[number]) is None:
                    if interrupt is not None:
                        interrupt.check()
                    self._changed.wait(LONGEST_WAIT)
                return answer
        finally:
            with self._changed:
                del self._answers[number]
