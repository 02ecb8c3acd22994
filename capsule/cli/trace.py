"""``capsule trace``: what was run here, and how it went."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from capsule.cli.common.columns import terminal_width

TRACE_FILE = Path(".capsule", "trace.db")


def trace(
    run: str | None = None,
    *,
    limit: int = 20,
    json: bool = False,
    output: bool = False,
    html: Path | None = None,
    perfetto: Path | None = None,
) -> int:
    """Lists the newest runs of this project, or shows one with its tasks.

    RUN is a run's id or its beginning. With ``output``, what the tasks wrote is shown too. With ``html`` or
    ``perfetto``, the run is written to these files instead. Raises `CapsuleError`.
    """
    from capsule.project.config import find_root

    here = Path.cwd()
    root, _ = find_root(here, here)
    if html is not None or perfetto is not None:
        written(root, run, html=html, perfetto=perfetto)
        return 0
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


def written(root: Path, run: str | None, *, html: Path | None, perfetto: Path | None) -> None:
    """Writes a run of the project at ``root`` to files. Raises `CapsuleError`."""
    from capsule.errors import UsageError
    from capsule.journal import reader

    if run is None:
        raise UsageError(
            "a page is of one run",
            hint="capsule trace lists the runs; then: capsule trace RUN --html run.html",
        )
    tree = reader.load(root / TRACE_FILE, run, output=html is not None)
    if html is not None:
        from capsule.journal.page.document import page

        _write(html, page(tree))
    if perfetto is not None:
        from capsule.journal.perfetto import events

        _write(perfetto, events(tree))


def _write(path: Path, text: str) -> None:
    from capsule.errors import UsageError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from None
    print(f"wrote {path}", file=sys.stderr)
