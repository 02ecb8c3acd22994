"""``capsule run`` and ``capsule exec``: one run, from the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli.common.exits import end_process
from capsule.cli.common.starting import FAREWELL, RunOptions, begin_run, show_outcome
from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.runtime.execution import Execution


def run_file(file: Path | None, args: tuple[str, ...], options: RunOptions) -> int:
    """Runs a task and shows its outcome. Returns the exit code; raises `CapsuleError`."""
    if options.mcp_server or options.mcp_env:
        from capsule.cli.common.mcp_servers import started

        with started(options.mcp_server, options.mcp_env) as tools:
            rest = replace(options, mcp_server=(), mcp_env=(), tools=tools)
            return run_file(file, args, rest)
    if options.watch:
        if options.code is not None or options.from_stdin:
            raise UsageError("--watch watches a file, and this code is in none", hint="write it to a file")
        from capsule.cli.watch_run import watch_run

        return watch_run(file, args, options)
    from capsule.launch.journals import close_journals

    execution = begin_run(file, args, options)
    code = _wait(execution, options)
    close_journals()
    if execution.run.blocked:
        # A sandbox that blocks where nothing reaches it must not keep the process alive.
        end_process(code)
    return code


def _wait(execution: Execution, options: RunOptions) -> int:
    try:
        execution.done.wait()
    except KeyboardInterrupt:
        execution.run.cancel()
        execution.done.wait(FAREWELL)
        raise
    return show_outcome(execution, options)
