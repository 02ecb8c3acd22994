"""What the sandbox of a task may ask of its run: sub-tasks, requests, and its place back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from capsule.runtime.attempt import outcome_not_kept
from capsule.runtime.interrupt import Interrupt
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.runtime.execution import Execution


class AttemptServices:
    """What a sandbox of an execution may ask for."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution

    def start_task(self, name: str, arguments: str, ended: Callable[[str], bool]) -> None:
        """Starts a sub-task. Raises `TaskRefused`."""
        execution = self._execution

        def deliver(envelope: Envelope) -> None:
            if not ended(json.dumps(envelope)):
                ended(outcome_not_kept(envelope))

        child = execution.run.start_child(execution, name, arguments, deliver)
        execution.adopt(child)

    def request(self, text: str, interrupt: Interrupt) -> str:
        """Makes an HTTP request as the task's policy allows. Raises `RequestFailure`."""
        execution = self._execution
        return execution.run.requests.make(
            text,
            execution.policy.policy.allowed_hosts,
            interrupt,
            run=execution.run.id,
            task=execution.number,
            emit=execution.run.emit,
            whose=execution.described("allowed_hosts"),
            credentials=execution.credentials,
        )

    def waiting(self) -> None:
        """The sandbox's place is free."""
        self._execution.run.scheduler.waiting()

    def resumed(self) -> None:
        """The sandbox goes on."""
        self._execution.run.scheduler.resumed()
