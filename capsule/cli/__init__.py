"""The command line: one module for each command, and `main`, which runs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

from capsule.cli.common.exits import EXIT_INTERRUPTED, before_the_end, end_process


def main(resident: tuple[Sequence[str], Sequence[str]] | None = None) -> NoReturn:
    """The ``capsule`` command.

    With ``resident``, its words and the import path, a resident host is started at the end, for the next one.
    """
    _open_what_was_closed()
    if resident is not None:
        from capsule.resident.starting import starter

        before_the_end(starter(*resident))
    if sys.argv[1:2] in (["run"], ["exec"], ["worker"]):
        from capsule.workers.spawner import start_early

        start_early()
    from capsule.cli.dispatch import dispatch

    code = dispatch(sys.argv[1:])
    journals = sys.modules.get("capsule.launch.journals")
    if journals is not None:
        journals.close_journals()
    with suppress(OSError):  # whoever reads has gone
        sys.stdout.flush()
    remotes = sys.modules.get("capsule.build.remote.session")
    if remotes is not None:
        # Whoever interrupts doesn't want to wait.
        remotes.finish_uploads(0 if code >= EXIT_INTERRUPTED else remotes.UPLOAD_SECONDS)
    telemetry = sys.modules.get("capsule.telemetry.providers")
    if telemetry is not None:
        telemetry.finish()
    end_process(code)


def _open_what_was_closed() -> None:
    """Standard streams that this process was started without: a file of ours must not get their numbers."""
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)
        for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
            if getattr(sys, name) is None:
                setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
