"""Which files a program may bring in: bundling must not carry the host's files into a sandbox.

A source may come from anybody, and its imports may name any path: ``import key from "/home/me/key.json"``,
or a link in the project that leads out of it. So a file counts only with its real path inside the project,
inside a ``node_modules`` folder above it, or inside a package that such a folder links to within its own
workspace.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

_MODULES = "node_modules"


class Reach:
    """The files that a program of the project at ``root`` (absolute, without links) may bring in."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def admits(self, path: str) -> bool:
        """Whether a file, by its real path, may become part of the program."""
        real = Path(os.path.realpath(path))
        return real.is_relative_to(self._root) or any(real.is_relative_to(place) for place in self._above)

    @cached_property
    def _above(self) -> tuple[Path, ...]:
        places = []
        for folder in self._root.parents:
            modules = folder / _MODULES
            if Path(os.path.realpath(modules)) == modules and modules.is_dir():
                places.append(modules)
                places.extend(target for target in _links(modules) if _is_inside(target, folder))
        return tuple(places)


def _links(modules: Path) -> Iterator[Path]:
    """The real paths of the packages that a ``node_modules`` folder links to."""
    with suppress(OSError), os.scandir(modules) as entries:
        for entry in entries:
            if entry.is_symlink():
                yield Path(os.path.realpath(entry.path))
            elif entry.name.startswith("@") and entry.is_dir():
                yield from _links(Path(entry.path))


def _is_inside(target: Path, folder: Path) -> bool:
    return target != folder and target.is_relative_to(folder)
