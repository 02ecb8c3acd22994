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

from capsule.frontend.inputs import LARGEST_SOURCE, InputError, read_input

OUTSIDE = "outside the project"

_MODULES = "node_modules"


class Reach:
    """The files that a program of the project at ``root`` (absolute, without links) may bring in."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def admits(self, path: str) -> bool:
        """Whether a file, by its real path, may become part of the program."""
        return self._place(Path(os.path.realpath(path))) is not None

    def read(self, path: str) -> bytes:
        """A file that is in reach, and still is when it is opened.

        Raises `InputError` for one that isn't, that is no regular file, or that is larger than
        `LARGEST_SOURCE`.
        """
        real = Path(os.path.realpath(path))
        place = self._place(real)
        if place is None:
            raise InputError(OUTSIDE, "put capsule.toml into the folder that holds both")
        return read_input(real, most=LARGEST_SOURCE, within=place)

    @property
    def places(self) -> tuple[Path, ...]:
        """The folders in which files are in reach."""
        return (self._root, *self._above)

    def _place(self, real: Path) -> Path | None:
        """The folder that brings a file into reach."""
        return next((place for place in self.places if real.is_relative_to(place)), None)

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
