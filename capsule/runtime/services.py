"""What the sandbox of a task may ask of its run: sub-tasks, requests, and its place back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from capsule import events
from capsule.policy.model import TaskPolicy
from capsule.runtime.attempt import outcome_not_kept
from capsule.runtime.denials import PathUse, why_denied
from capsule.runtime.interrupt import Interrupt
from capsule.runtime.preopens import Preopen
from capsule.runtime.requests import Requests
from capsule.runtime.scheduler import Scheduler
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.egress.fetch import Credentials


MOST_DENIALS = 100
"""Files and folders denied to one sandbox that are recorded: it can ask as often as its fuel allows."""


class Provider(Protocol):
    """The run, as its sandboxes reach it."""

    id: str
    requests: Requests
    scheduler: Scheduler

    def emit(self, event: events.Event) -> None:
        """Hands an event to every sink."""


class Client(Protocol):
    """The execution whose sandbox asks."""

    number: int
    policy: TaskPolicy

    @property
    def credentials(self) -> Credentials | None:
        """What puts the task's secrets into its requests."""

    @property
    def preopens(self) -> tuple[Preopen, ...]:
        """The folders that its sandbox sees."""

    def described(self, option: str) -> str:
        """Words for denials: the task, and where it says what an option of its is."""

    def start_child(self, task: str, arguments: str, ended: Callable[[Envelope], None]) -> None:
        """Starts a sub-task. Raises `TaskRefused`."""


class AttemptServices:
    """What a sandbox of an execution may ask for."""

    def __init__(self, client: Client, run: Provider) -> None:
        self._client = client
        self._run = run
        self._denied: set[str] = set()

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Starts a sub-task. Raises `TaskRefused`."""

        def deliver(envelope: Envelope) -> None:
            if not ended(json.dumps(envelope)):
                ended(outcome_not_kept(envelope))

        self._client.start_child(name, arguments, deliver)

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Makes an HTTP request as the task's policy allows. Raises `RequestFailure`."""
        client = self._client
        return self._run.requests.make(
            text,
            client.policy.policy.allowed_hosts,
            interrupt,
            run=self._run.id,
            task=client.number,
            emit=self._run.emit,
            whose=client.described("allowed_hosts"),
            credentials=client.credentials,
        )

    def denial(self, asked: PathUse) -> str | None:
        """Why the task may not use a path; the first `MOST_DENIALS` different ones go into the record."""
        client = self._client
        why = why_denied(
            asked, client.policy.policy.allowed_files, client.preopens, client.described("allowed_files")
        )
        if why is not None:
            subject = f"{asked.shown}: {why}"
            if subject not in self._denied and len(self._denied) < MOST_DENIALS:
                self._denied.add(subject)
                event = events.Refused(self._run.id, client.number, time.time(), "allowed_files", subject)
                self._run.emit(event)
        return why

    def waiting(self) -> None:
        """The sandbox's place is free."""
        self._run.scheduler.waiting()

    def resumed(self) -> None:
        """The sandbox goes on."""
        self._run.scheduler.resumed()
