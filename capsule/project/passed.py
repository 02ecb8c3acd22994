"""The folders that a path leads through: each may have something to say about what lies at its end."""

from __future__ import annotations

import os
import stat
from collections import deque
from pathlib import Path, PurePath

MOST_LINKS = 40
"""Symbolic links that a path may lead through, as in Linux."""


def folders_passed(path: Path) -> tuple[Path, ...]:
    """The folders that the system goes through to get to ``path`` (absolute), in order, itself included.

    Links are followed one by one, so that the folders a link lies in count as well as those that it leads
    to; all are real paths, and the parents of each are among them. What isn't there ends the way.
    """
    passed: dict[Path, None] = {}
    here = Path(path.anchor)
    parts = deque(path.parts[1:])
    links = 0
    passed[here] = None
    while parts:
        part = parts.popleft()
        if part == "..":
            here = here.parent
            continue
        there = here / part
        try:
            mode = there.lstat().st_mode
            if stat.S_ISLNK(mode):
                links += 1
                if links > MOST_LINKS:
                    break
                target = PurePath(os.readlink(there))  # noqa: PTH115 - Path.readlink drops what follows "./"
                parts.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))
                here = Path(target.anchor) if target.is_absolute() else here
                continue
        except (OSError, ValueError):
            break
        if not stat.S_ISDIR(mode):
            break
        here = there
        passed[here] = None
    return tuple(passed)


def working_folder_as_typed(cwd: Path) -> Path:
    """The way by which the user got to the working folder, where the shell says it; else ``cwd`` itself.

    A shell keeps the links of a ``cd link`` in ``PWD``, where the system's own answer has none left.
    """
    typed = os.environ.get("PWD", "")
    try:
        if Path(typed).is_absolute() and os.path.samefile(typed, cwd):  # noqa: PTH121
            return Path(typed)
    except (OSError, ValueError):
        pass
    return cwd
