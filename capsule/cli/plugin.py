"""``capsule plugin new``: a working frontend plugin to start from."""

from __future__ import annotations

from pathlib import Path

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line


def new(name: str, *, folder: Path | None) -> int:
    """Writes the skeleton, and says what to do with it."""
    from capsule.frontend.skeleton import write_skeleton

    target = folder if folder is not None else Path(f"capsule-{name}")
    for path in write_skeleton(name, target):
        write_line(str(path))
    write_line(f'next: cd {target} && pip install -e ".[testing]" && pytest')
    return EXIT_OK
