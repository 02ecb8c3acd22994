"""The files of a session, read and written by the program that has the session."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final

from capsule.errors import UsageError
from capsule.sessions import tree

LARGEST_FILE: Final = 1 << 30
"""Bytes of a file that are read or written at once."""


class SyncFiles:
    """The workspace of a session. Names are paths in it, such as ``"data/input.csv"``; links aren't followed.

    All methods raise `UsageError` for a name that leads nowhere, or elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        """Where the workspace is. What is in it was written by code that is not trusted."""

    def read(self, name: str) -> bytes:
        """The content of a file of at most `LARGEST_FILE` bytes."""
        with self._above(name) as (folder, last):
            try:
                descriptor = tree.reads(folder, last)
            except OSError as error:
                raise _refused(name, "read", error) from None
        with os.fdopen(descriptor, "rb") as file:
            if os.fstat(descriptor).st_size > LARGEST_FILE:
                raise UsageError(f"{name!r:.200} has more than {LARGEST_FILE >> 20} MiB")
            return file.read(LARGEST_FILE)

    def write(self, name: str, content: bytes | str) -> None:
        """Makes a file, or replaces it, with the folders above it. Text is written as UTF-8."""
        data = content.encode() if isinstance(content, str) else content
        if len(data) > LARGEST_FILE:
            raise UsageError(f"{name!r:.200} would have more than {LARGEST_FILE >> 20} MiB")
        with self._above(name, make=True) as (folder, last):
            try:
                with os.fdopen(tree.writes(folder, last), "wb") as file:
                    file.write(data)
            except OSError as error:
                raise _refused(name, "written", error) from None

    def list(self) -> tuple[str, ...]:
        """All files and folders, folders with a slash at the end, sorted."""
        folder = tree.opened(self.folder)
        try:
            return tuple(sorted(each.path + "/" * each.is_folder for each in tree.listed(folder)))
        except tree.TooMuch as error:
            raise UsageError(f"the workspace has {error}") from None
        finally:
            os.close(folder)

    def delete(self, name: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        with self._above(name) as (folder, last):
            try:
                os.stat(last, dir_fd=folder, follow_symlinks=False)
                tree.removed(folder, last)
            except OSError as error:
                raise _refused(name, "deleted", error) from None

    def upload(self, source: str | os.PathLike[str], name: str = ".") -> None:
        """Copies a file, or what is in a folder, into the workspace; links in it as what they lead to."""
        path = Path(source)
        if path.is_file():
            self.write(path.name if name == "." else name, path.read_bytes())
        elif path.is_dir():
            for each in sorted(path.rglob("*")):
                if each.is_file():
                    self.write(
                        str(PurePosixPath(name) / each.relative_to(path).as_posix()), each.read_bytes()
                    )
        else:
            raise UsageError(f"{os.fspath(source)!r:.200} is neither a file nor a folder")

    def download(self, target: str | os.PathLike[str]) -> None:
        """Copies the files of the workspace into a folder, which is made if need be. Links stay behind."""
        place = Path(target)
        place.mkdir(parents=True, exist_ok=True)
        for name in self.list():
            if name.endswith("/"):
                (place / name).mkdir(exist_ok=True)
            elif self._is_regular(name):
                (place / name).write_bytes(self.read(name))

    def _is_regular(self, name: str) -> bool:
        with self._above(name) as (folder, last):
            return stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode)

    @contextmanager
    def _above(self, name: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
        """The open folder that a file lies in, and its name there."""
        pure = PurePosixPath(name)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in name:
            raise UsageError(f"{name!r:.200} is no path in the workspace", hint="such as data/input.csv")
        try:
            top = tree.opened(self.folder)
        except OSError as error:
            raise UsageError(f"the workspace is gone: {error.strerror}") from None
        try:
            folder = tree.beneath(top, pure.parts[:-1], make=make)
        except OSError as error:
            raise _refused(name, "written" if make else "reached", error) from None
        finally:
            os.close(top)
        try:
            yield folder, pure.parts[-1]
        finally:
            os.close(folder)


class Files:
    """`SyncFiles` for code with an event loop: the same methods, to be awaited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = SyncFiles(folder)

    async def read(self, name: str) -> bytes:
        """The content of a file of at most `LARGEST_FILE` bytes."""
        return await asyncio.to_thread(self._files.read, name)

    async def write(self, name: str, content: bytes | str) -> None:
        """Makes a file, or replaces it, with the folders above it. Text is written as UTF-8."""
        await asyncio.to_thread(self._files.write, name, content)

    async def list(self) -> tuple[str, ...]:
        """All files and folders, folders with a slash at the end, sorted."""
        return await asyncio.to_thread(self._files.list)

    async def delete(self, name: str) -> None:
        """Removes a file, or a folder with all that is in it."""
        await asyncio.to_thread(self._files.delete, name)

    async def upload(self, source: str | os.PathLike[str], name: str = ".") -> None:
        """Copies a file, or what is in a folder, into the workspace; links in it as what they lead to."""
        await asyncio.to_thread(self._files.upload, source, name)

    async def download(self, target: str | os.PathLike[str]) -> None:
        """Copies the files of the workspace into a folder, which is made if need be. Links stay behind."""
        await asyncio.to_thread(self._files.download, target)


def _refused(name: str, what: str, error: OSError) -> UsageError:
    return UsageError(f"{name!r:.200} can't be {what}: {error.strerror or error}")
