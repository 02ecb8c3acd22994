"""``capsule plugin new``: a working frontend plugin to start from."""

from __future__ import annotations

import shlex
from pathlib import Path

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line
from capsule.frontend.installing import installer, python


def new(name: str, *, folder: Path | None) -> int:
    """Writes the skeleton, and says what to do with it."""
    from capsule.frontend.skeleton import write_skeleton

    target = folder if folder is not None else Path(f"capsule-{name}")
    for path in write_skeleton(name, target):
        write_line(str(path))
    install = shlex.join([*installer(), "-e", ".[testing]"])
    test = shlex.join([*python(), "-m", "pytest"])
    write_line(f"next: cd {shlex.quote(str(target))} && {install} && {test}")
    return EXIT_OK
