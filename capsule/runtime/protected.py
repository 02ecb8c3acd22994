"""What decides the next run, and so isn't writable by a task unless the operator allows it.

A folder that a task may write is refused when it could hold something that a later build or run reads: the
settings, the store, the sources, each place in which an import was looked up (also those at which nothing was
found yet: what is put there wins next time), and what other tools run or trust by its name.

This is looked at when a run starts, by path. What a task makes within its own folders is not looked at while
it runs: see "What decides the next run" in docs/reference.md.
"""

from __future__ import annotations

import json
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

DECISIVE_FOLDERS = frozenset(
    {
        ".capsule", ".git", ".hg", ".svn", ".jj", "node_modules", "site-packages", ".venv", "venv",
        ".github", ".husky", ".vscode", ".idea",
    }
)  # fmt: skip
"""Folders of which tools run or import what they find, wherever they lie."""

HELD = frozenset({".capsule", ".git", "node_modules", "capsule.toml"})
"""What makes a folder around it a project or a repository, of which something runs next time."""

MOST_LOOKED_AT = 2000
"""Names in a writable folder that are looked at to find `HELD` ones."""


@dataclass(frozen=True, slots=True)
class Covered:
    """Why a folder isn't writable: ``place`` is what decides the next run, ``why`` says how."""

    place: Path
    why: str


@dataclass(frozen=True, slots=True)
class Protected:
    """What no writable folder may cover: it decides what runs next time.

    ``allowed`` is ``[limits] allow_project_writes``: True, or the folders of the project that may be writable
    whatever they cover, by their own paths and not where links lead. ``looked_up`` gives the places in which
    a build has looked for something, found or not, and ``others`` what other programs of the project are
    built from, and where their imports are looked up; they are asked only when a folder is to be writable.
    """

    paths: tuple[Path, ...]
    allowed: bool | tuple[str, ...] = False
    looked_up: Callable[[], Iterable[Path]] = tuple
    root: Path | None = None
    others: Callable[[], Iterable[Path]] = tuple
    _of_others: dict[Path, Path | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(
        cls,
        root: Path,
        inputs: Iterable[Path],
        *,
        allowed: bool | tuple[str, ...],
        looked_up: Callable[[], Iterable[Path]] = tuple,
        others: Callable[[], Iterable[Path]] = tuple,
    ) -> Protected:
        """What has to be protected in a project: its settings, its store, and what is being run."""
        settings = (root / ".capsule", root / "capsule.toml", root / ".env")
        return cls((*settings, *inputs), allowed, looked_up, Path(os.path.realpath(root)), others)

    def covered_by(self, folder: Path) -> Covered | None:
        """What a writable ``folder`` (a real path) would cover, or None."""
        if self._is_allowed(folder):
            return None
        same = _Sameness()
        for path in self.paths:
            real = same.real(path)
            if same.within(real, folder) or same.within(folder, real):
                return Covered(path, f"covers {path.name}, which decides what runs next")
        named = self._named(folder)
        if named is not None:
            why = f"lies in {named.name}, of which tools run what they find: it decides what runs next"
            return Covered(named, why)
        for path in self.looked_up():
            if same.within(same.real(path), folder):
                shown = self._shown(path)
                why = f"is looked into for what the program imports ({shown}): that decides what runs next"
                return Covered(path, why)
        if folder not in self._of_others:
            # There may be thousands, and a run may ask for one folder as often.
            inside = (path for path in self.others() if same.within(same.real(path), folder))
            self._of_others[folder] = next(inside, None)
        other = self._of_others[folder]
        if other is not None:
            why = f"holds what another program is built from ({self._shown(other)}), or would be"
            return Covered(other, f"{why}: that decides what runs next")
        held = next(_held(folder), None)
        if held is not None:
            return Covered(held, f"holds {self._shown(held)}, which decides what runs next")
        return None

    def word_for(self, folder: Path) -> str:
        """What ``allow_project_writes`` has to be, as TOML, for ``folder`` (a real path) to be writable."""
        if self.root is None or not folder.is_relative_to(self.root):
            return "true"
        already = () if isinstance(self.allowed, bool) else self.allowed
        return json.dumps([*already, self._shown(folder)], ensure_ascii=False)

    def _is_allowed(self, folder: Path) -> bool:
        if isinstance(self.allowed, bool):
            return self.allowed
        root = self.root
        return root is not None and any(folder.is_relative_to(root / path) for path in self.allowed)

    def _named(self, folder: Path) -> Path | None:
        """The folder at or above ``folder`` whose name says what it is; not the way to the project."""
        for each in (folder, *folder.parents):
            if self.root is not None and (each == self.root or each in self.root.parents):
                return None
            if _folded(each.name) in DECISIVE_FOLDERS or _folded(each.name).startswith(".env"):
                return each
        return None

    def _shown(self, path: Path) -> str:
        if self.root is not None and path.is_relative_to(self.root):
            return path.relative_to(self.root).as_posix()
        return str(path)


def _held(folder: Path) -> Iterator[Path]:
    """Names of `HELD` among the first `MOST_LOOKED_AT` names in a folder; no links are followed."""
    seen = 0
    waiting = [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop(0)))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if seen > MOST_LOOKED_AT:
                return
            if _folded(entry.name) in HELD:
                yield Path(entry.path)
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))


class _Sameness:
    """Whether paths lead to one thing, also where a file system takes two spellings for one name.

    What is not there yet has nothing but its spelling to go by. Remembers what it has asked the system.
    """

    def __init__(self) -> None:
        self._real: dict[str, str] = {}
        self._ids: dict[Path, tuple[int, int] | None] = {}
        self._within: dict[tuple[Path, Path], bool] = {}

    def real(self, path: Path) -> Path:
        """The path with its links followed; many lie in the same folders."""
        if path.is_symlink():
            return Path(os.path.realpath(path))
        parent = str(path.parent)
        if parent not in self._real:
            self._real[parent] = os.path.realpath(parent)
        return Path(self._real[parent], path.name)

    def within(self, path: Path, folder: Path) -> bool:
        """Whether ``path`` is ``folder`` or lies in it."""
        if self._same(folder, path):
            return True
        if path.parent == path:
            return False
        above = path.parent, folder
        if above not in self._within:
            self._within[above] = self.within(*above)
        return self._within[above]

    def _same(self, one: Path, other: Path) -> bool:
        if one == other:
            return True
        first, second = self._id(one), self._id(other)
        if first is None or second is None:
            return _spelling(str(one)) == _spelling(str(other))
        return first == second

    def _id(self, path: Path) -> tuple[int, int] | None:
        if path not in self._ids:
            try:
                facts = path.stat()
                self._ids[path] = (facts.st_dev, facts.st_ino)
            except (OSError, ValueError):
                self._ids[path] = None
        return self._ids[path]


@lru_cache(maxsize=4096)
def _spelling(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
