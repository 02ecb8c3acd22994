"""Finding the programs of others that capsule starts, and never one that a project brings.

A project can put a program anywhere in its folder. Where the path leads there (``.``, an empty entry,
``node_modules/.bin``), the first ``uv``, ``npm`` or ``git`` would be the project's own.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_ROOTS = ("capsule.toml", ".git")


def find_program(name: str, *, besides: Iterable[str] = (), without: Iterable[str] = ()) -> str | None:
    """The absolute path of a program: from the path's own folders, then from ``besides``; None without one.

    Folders named in ``without`` are passed over, as are those that `program_folders` leaves out.
    """
    passed_over = frozenset(without)
    places = [*(place for place in program_folders() if Path(place).name not in passed_over), *besides]
    return shutil.which(name, path=os.pathsep.join(places)) if places else None


def program_folders() -> tuple[str, ...]:
    """The path's folders of which programs may be started: none that is relative or a project's.

    A project's are those in the working folder and in the project or repository around it, but not the
    environment that this Python runs in. A home folder is no project: the user put there what it holds.
    """
    roots = tuple(_projects_here())
    folders = [folder for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if folder]
    return tuple(folder for folder in folders if Path(folder).is_absolute() and not _lies_in(folder, roots))


def _projects_here() -> Iterator[str]:
    """The working folder and the projects around it, but not what holds the user's home."""
    try:
        here = Path.cwd()
    except OSError:
        return
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - without an error where there is none
    for folder in (here, *here.parents):
        if folder != here and not any((folder / name).exists() for name in _ROOTS):
            continue
        if not _is_below(home, str(folder)):
            yield str(folder)


def _lies_in(folder: str, roots: tuple[str, ...]) -> bool:
    own = os.path.realpath(sys.prefix)
    ways = (os.path.normpath(folder), os.path.realpath(folder))
    if _is_below(ways[1], own):
        return False
    return any(_is_below(way, root) for way in ways for root in roots)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
