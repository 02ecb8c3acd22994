"""The command line: one module for each command, and `main`, which runs them."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from capsule.cli.common.exits import EXIT_INTERRUPTED


def main() -> None:
    """The ``capsule`` command."""
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
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    # Taking the interpreter down as well takes time, and is no place for the threads of wasmtime.
    os._exit(code)
