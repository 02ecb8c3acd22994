"""``capsule trace``: what was run here, and how it went."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from capsule.cli.common.columns import terminal_width

TRACE_FILE = Path(".capsule", "trace.db")


def trace(run: str | None = None, *, limit: int = 20, json: bool = False, output: bool = False) -> int:
    """Lists the newest runs of this project, or shows one with its tasks.

    RUN is a run's id or its beginning. With ``output``, what the tasks wrote is shown too.
    Raises `CapsuleError`.
    """
    from capsule.project.config import find_root

    here = Path.cwd()
    root, _ = find_root(here, here)
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    text = report(root, run, limit=limit, json=json, output=output, colour=colour, width=terminal_width())
    sys.stdout.write(
        text.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8")
    )
    return 0


def report(
    root: Path,
    run: str | None,
    *,
    limit: int,
    json: bool,
    output: bool,
    colour: bool,
    width: int | None = None,
) -> str:
    """What `trace` prints for the project at ``root``. Raises `CapsuleError`."""
    from capsule.errors import UsageError
    from capsule.journal import reader, render

    path = root / TRACE_FILE
    if run is not None:
        tree = reader.load(path, run, output=output)
        return render.to_json(tree) if json else render.tree_text(tree, colour=colour)
    if limit < 1:
        raise UsageError(f"--limit {limit} shows nothing", hint="give a number of 1 or more")
    runs = reader.recent(path, limit)
    return render.to_json(runs) if json else render.runs_text(runs, colour=colour, width=width)
