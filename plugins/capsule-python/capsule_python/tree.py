"""Where own modules are looked up: the project's folder, or what was read of it before."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from capsule.errors import BuildError, Location

MAX_SOURCE = 8 << 20
"""Bytes that one own module may have."""


class Tree(Protocol):
    """Where modules are looked up, by paths relative to the project root, with forward slashes."""

    def read(self, file: str) -> bytes | None:
        """The content of a file, None when there is no such file. Raises `BuildError`."""

    def is_folder(self, folder: str) -> bool:
        """Whether there is such a folder."""


class DiskTree:
    """The project's folder, as it is now."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._real_root = os.path.realpath(root)

    def read(self, file: str) -> bytes | None:
        """The content of a regular file that lies within the root, also after following its links."""
        path = f"{self._root}/{file}"
        # Strings, not `Path`: this is asked many times in every run, mostly about files that aren't there.
        try:
            # Without O_NONBLOCK, opening a named pipe would wait for its writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            if os.path.islink(path):  # noqa: PTH114
                raise BuildError("a symbolic link that leads nowhere", location=Location(file)) from None
            return None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise BuildError(f"can't be read: {reason}", location=Location(file)) from None
        try:
            return self._checked(descriptor, file, path)
        finally:
            os.close(descriptor)

    def _checked(self, descriptor: int, file: str, path: str) -> bytes | None:
        facts = os.fstat(descriptor)
        if stat.S_ISDIR(facts.st_mode):
            return None
        if not stat.S_ISREG(facts.st_mode):
            raise BuildError("not a regular file", location=Location(file))
        real = os.path.realpath(path)
        if os.path.commonpath((real, self._real_root)) != self._real_root:
            raise BuildError(
                "a symbolic link that leaves the project",
                hint="put a copy of the file into the project, or capsule.toml into a folder above both",
                location=Location(file),
            )
        with os.fdopen(descriptor, "rb", closefd=False) as opened:
            content = opened.read(MAX_SOURCE + 1)
        if len(content) > MAX_SOURCE:
            raise BuildError(
                f"larger than {MAX_SOURCE >> 20} MB",
                hint="keep data out of modules: a task reads files through allowed_files",
                location=Location(file),
            )
        return content

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

    def read(self, file: str) -> bytes | None:
        """The content that was read."""
        return self._files.get(file)

    def is_folder(self, folder: str) -> bool:
        """Whether a file below it was read."""
        return folder in self._folders
