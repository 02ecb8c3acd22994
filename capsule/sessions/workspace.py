"""The workspace of a session: a private folder, what a turn did to it, and the way back.

A family of sessions (one and its forks) has one folder in the user's cache, and each session a folder in it.
It goes when the last of them is closed; what a killed process has left is removed by the next one.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.errors import CapsuleError
from capsule.project.user_cache import private_folder
from capsule.sessions import tree

MOST_KEPT: Final = 64 << 20
"""Bytes of a workspace that are kept to go back to; a larger one stays as a failed turn has left it."""

MOST_COPIED: Final = 1 << 30
"""Bytes of a workspace that a fork gets a copy of."""

Facts = tuple[int, int, int, int]
"""What tells that a file has changed: inode, size, and the times of content and of state."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What a turn did to the files of its workspace, as paths with forward slashes, sorted."""

    created: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.created or self.changed or self.deleted)


class Family:
    """The folder of a session and its forks. Raises `ConfigError` when the user's cache can't be used."""

    def __init__(self) -> None:
        parent = private_folder("sessions")
        _sweep(parent)
        self._name = secrets.token_hex(8)
        self._parent = parent
        self.folder = parent / self._name
        self._lock_file = parent / f"{self._name}.lock"
        self._descriptor = os.open(self._lock_file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        self.folder.mkdir(mode=0o700)
        self._lock = threading.Lock()
        self._members = 0
        self._made = 0

    def join(self) -> str:
        """Makes a folder for one more session, and gives its name."""
        with self._lock:
            self._members += 1
            self._made += 1
            name = str(self._made)
        (self.folder / name).mkdir(mode=0o700)
        return name

    def leave(self, name: str) -> None:
        """Removes the folder of a session, and with the last of them the family's own."""
        _remove(self.folder, name)
        with self._lock:
            self._members -= 1
            last = self._members == 0
        if last:
            _remove(self._parent, self._name)
            with suppress(OSError):
                self._lock_file.unlink()
            os.close(self._descriptor)


class Workspace:
    """The folder of one session. What is in it is the guest's."""

    def __init__(self, folder: Path, *, private: bool) -> None:
        self.folder = folder
        self._private = private
        self._before: dict[str, Facts] = {}
        self._complete = True
        """Whether ``_before`` has all of the files."""
        self._kept: dict[str, Facts] | None = None
        """The files that there is a copy of; None when there is none."""

    def begin(self, *, keep: bool) -> None:
        """A turn begins: notes what there is, and with ``keep`` keeps it, up to `MOST_KEPT` bytes."""
        self._before, self._complete = self._now()
        if keep and self._private and self._kept != self._before:
            self._keep()

    def changes(self) -> Changes:
        """What has changed since the turn began."""
        before, (after, _) = self._before, self._now()
        return Changes(
            tuple(sorted(after.keys() - before.keys())),
            tuple(sorted(name for name in after.keys() & before.keys() if after[name] != before[name])),
            tuple(sorted(before.keys() - after.keys())),
        )

    def go_back(self) -> bool:
        """Puts everything back as it was when the turn began; False when that was too large to keep."""
        if self._kept is None or not self._private:
            return not self.changes()
        with self._opened() as folder:
            tree.emptied(folder)
            if self._kept:
                kept = tree.opened(self._copy)
                try:
                    tree.copied(kept, folder, most=MOST_KEPT)
                finally:
                    os.close(kept)
        self._kept = self._now()[0]  # the copies have times and numbers of their own
        return True

    def copy_to(self, other: Workspace) -> None:
        """Gives another workspace, an empty one, what is in this one. Raises `CapsuleError`."""
        with self._opened() as source, other._opened() as target:
            try:
                tree.copied(source, target, most=MOST_COPIED)
            except (tree.TooMuch, OSError) as error:
                raise CapsuleError(f"the files of the workspace can't be copied: {error}") from None

    def close(self) -> None:
        """Removes what was kept."""
        if self._kept is not None:
            self._kept = None
            _remove(self._copy.parent, self._copy.name)

    @property
    def _copy(self) -> Path:
        return self.folder.with_name(f".kept-{self.folder.name}")

    def _keep(self) -> None:
        self.close()
        if not self._complete or sum(size for _, size, _, _ in self._before.values()) > MOST_KEPT:
            return
        if self._before:
            self._copy.mkdir(mode=0o700)
            kept = tree.opened(self._copy)
            try:
                with self._opened() as folder:
                    tree.copied(folder, kept, most=MOST_KEPT)
            except (tree.TooMuch, OSError):
                _remove(self._copy.parent, self._copy.name)
                return
            finally:
                os.close(kept)
        self._kept = self._before

    def _now(self) -> tuple[dict[str, Facts], bool]:
        """The files as they are, and whether these are all."""
        found: dict[str, Facts] = {}
        with self._opened() as folder:
            try:
                for entry in tree.listed(folder):
                    facts = entry.facts
                    if not stat.S_ISDIR(facts.st_mode):
                        found[entry.path] = facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns
            except tree.TooMuch:
                return found, False
        return found, True

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            folder = tree.opened(self.folder)
        except OSError as error:
            raise CapsuleError(f"the workspace {self.folder} is gone: {error.strerror}") from None
        try:
            yield folder
        finally:
            os.close(folder)


def _remove(parent: Path, name: str) -> None:
    with suppress(OSError):
        folder = tree.opened(parent)
        try:
            tree.removed(folder, name)
        finally:
            os.close(folder)


def _sweep(parent: Path) -> None:
    """Removes the folders of processes that have ended without removing them."""
    for lock_file in parent.glob("*.lock"):
        with suppress(OSError):
            descriptor = os.open(lock_file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(parent, lock_file.stem)
                lock_file.unlink()
            finally:
                os.close(descriptor)
