"""Where own modules are looked up: the project's folder, or what was read of it before."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from capsule.errors import BuildError, Location
from capsule.frontend.inputs import InputError, InputMissing, read_input

MAX_SOURCE = 8 << 20
"""Bytes that one own module may have."""


class Tree(Protocol):
    """Where modules are looked up, by paths relative to the project root, with forward slashes."""

    def read(self, file: str, *, owned: bool = False) -> bytes | None:
        """The content of a file, None when there is no such file. Raises `BuildError`.

        With ``owned`` it must be the user's own, or root's, else `ConfigError` is raised.
        """

    def is_folder(self, folder: str) -> bool:
        """Whether there is such a folder."""


class DiskTree:
    """The project's folder, as it is now."""

    def __init__(self, root: Path) -> None:
        self._root = os.path.realpath(root)

    def read(self, file: str, *, owned: bool = False) -> bytes | None:
        """The content of a regular file that lies within the root, also after following its links."""
        try:
            return read_input(f"{self._root}/{file}", most=MAX_SOURCE, within=self._root, owned=owned)
        except InputMissing:
            return None
        except InputError as error:
            hint = error.hint
            if error.reason.startswith("larger"):
                hint = "keep data out of modules: a task reads files through allowed_files"
            raise BuildError(error.reason, hint=hint, location=Location(file)) from None

    def is_folder(self, folder: str) -> bool:
        """Whether the folder is there."""
        return os.path.isdir(f"{self._root}/{folder}")  # noqa: PTH112


class FilesTree:
    """Files that were read before: what was hashed is what is compiled."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._folders = {
            name[:position] for name in files for position, letter in enumerate(name) if letter == "/"
        }

    def read(self, file: str, *, owned: bool = False) -> bytes | None:
        """The content that was read."""
        return self._files.get(file)

    def is_folder(self, folder: str) -> bool:
        """Whether a file below it was read."""
        return folder in self._folders
