"""The contracts that components are run under: ours, and two of others."""

from __future__ import annotations

from enum import StrEnum


class Contract(StrEnum):
    """How a component is called, and what it imports besides WASI.

    ``TASK`` is the world of ``wit/``, whose artifacts bring a manifest. ``HOST`` is what the reference
    implementation's ``build --export`` writes: package ``capsule:host``, with ``api`` and ``task-runner``.
    ``COMMAND`` is a plain command of WASI 0.2: arguments, standard streams, an exit code.
    """

    TASK = "capsule:runtime/task"
    HOST = "capsule:host/task-runner"
    COMMAND = "wasi:cli/run"

    @property
    def foreign(self) -> bool:
        """Whether such components say nothing about their tasks that this host would believe."""
        return self is not Contract.TASK

    @property
    def names_tasks_freely(self) -> bool:
        """Whether the component alone knows the names of its tasks, so that all have one policy."""
        return self is Contract.HOST


COMMAND_INTERFACE = "wasi:cli/run@0.2.0"
"""What a command exports; wasmtime finds any release of 0.2 by this name."""

MAIN_TASK = "main"

ASKED = "asked"
"""Where a foreign sub-task's arguments, name the options of the guest's own policy for it."""

LONGEST_TASK_NAME = 200


def is_task_name(name: str) -> bool:
    """Whether a name may be that of a task which no manifest declares."""
    return 0 < len(name) <= LONGEST_TASK_NAME and name.isprintable()
