"""Waits for saves: of what programs were read from, and of what could come to be a part of them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import UsageError
from capsule.frontend.patterns import is_skipped
from capsule.frontend.tracking import Lookups, PlaceState, folder_time, place_state
from capsule.project.config import CONFIG_NAME
from capsule.workspace.record import NotedFile, file_unchanged

if TYPE_CHECKING:
    from watchfiles import Change

    from capsule.workspace.builder import Prospect

MAX_FOLDERS = 20_000
"""How many folders are watched while a source is broken and nobody knows what it needs."""

_STEP = 10
_DEBOUNCE = 60
"""Milliseconds: a save is over when nothing has followed for a step, or when this has passed."""

_LOOK_AGAIN = 200
"""Milliseconds after which files are looked at once, if nothing was heard since the system listens."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a program was read from, and the states that its files and settings had just before.

    Paths are absolute. ``files`` are compared by content, the others by state.
    """

    files: dict[str, NotedFile]
    lookups: Lookups
    settings: dict[str, PlaceState]

    def holds(self) -> bool:
        """Whether all of it is as it was."""
        return (
            all(place_state(path) == state for path, state in self.settings.items())
            and all(place_state(path) == state for path, state in self.lookups.places.items())
            and all(folder_time(path) == modified for path, modified in self.lookups.folders.items())
            and all(file_unchanged(path, noted) for path, noted in self.files.items())
        )

    def folders(self) -> set[str]:
        """The folders in which something would show."""
        paths = (*self.files, *self.lookups.places, *self.settings)
        return {_existing(os.path.dirname(path)) for path in paths} | {  # noqa: PTH120
            _existing(path) for path in self.lookups.folders
        }


def settings_states(source: Path, base: Path) -> dict[str, PlaceState]:
    """The states of every ``capsule.toml`` and ``.env`` that could speak of a source."""
    folders = [folder for folder in source.parents if folder == base or folder.is_relative_to(base)]
    return {
        str(folder / name): place_state(str(folder / name))
        for folder in folders
        for name in (CONFIG_NAME, ".env")
    }


def interest_in(prospect: Prospect, settings: dict[str, PlaceState]) -> Interest:
    """What a plan was made from; ``settings`` were taken before it was made."""
    base = prospect.planned.project.base
    return Interest(
        files={f"{base}/{name}": noted for name, noted in prospect.new.files.items()},
        lookups=prospect.lookups or Lookups(),
        settings=settings,
    )


def all_folders(base: Path) -> set[str]:
    """Every folder below ``base`` that isn't hidden or installed, `MAX_FOLDERS` at most."""
    found: set[str] = set()
    for folder, inside, _ in os.walk(base):
        inside[:] = [name for name in inside if not is_skipped(name)]
        found.add(folder)
        if len(found) >= MAX_FOLDERS:
            break
    return found


class Saves:
    """Tells of changes in folders. What happens while nobody listens is told on the next call."""

    def __init__(self) -> None:
        self._folders: frozenset[tuple[str, int]] = frozenset()
        self._fresh = False
        self._changes: Iterator[set[tuple[Change, str]]] | None = None

    def wait(self, folders: Iterable[str]) -> bool:
        """Blocks until something may have changed in one of the folders; True when something has.

        Once after the folders have become others it returns False without news: what happened before the
        system listened has to be looked for. Raises `UsageError` when the system can't watch.
        """
        # With the inode: a folder that was removed and made again is another one to the system.
        wanted = frozenset((folder, _inode(folder)) for folder in folders)
        if self._changes is None or wanted != self._folders:
            self._folders = wanted
            self._changes = _watch(folder for folder, inode in wanted if inode)
            self._fresh = True
        try:
            while not _of_others(next(self._changes)):
                if self._fresh:
                    self._fresh = False
                    return False
            return True
        except StopIteration:
            self._changes = None
            return False
        except (OSError, RuntimeError) as error:
            self._changes = None
            if isinstance(error, FileNotFoundError):
                return True  # a folder went while it was being set up
            raise UsageError(
                f"changes can't be watched: {error}",
                hint="set WATCHFILES_FORCE_POLLING=1 to look at the files again and again instead",
            ) from None


def _of_others(changes: set[tuple[Change, str]]) -> bool:
    """Whether one is no change of our own: what we say may go to a file in a folder that is watched."""
    return any(not _is_our_output(path) for _, path in changes)


def _is_our_output(path: str) -> bool:
    for descriptor in (1, 2):
        try:
            if os.path.samestat(os.stat(path), os.fstat(descriptor)):  # noqa: PTH116
                return True
        except OSError:
            continue
    return False


def _inode(folder: str) -> int:
    """Zero when there is no such folder."""
    try:
        return os.stat(folder).st_ino if os.path.isdir(folder) else 0  # noqa: PTH112, PTH116
    except OSError:
        return 0


def _watch(folders: Iterable[str]) -> Iterator[set[tuple[Change, str]]]:
    import watchfiles

    return watchfiles.watch(
        *sorted(folders),
        watch_filter=None,
        debounce=_DEBOUNCE,
        step=_STEP,
        rust_timeout=_LOOK_AGAIN,
        yield_on_timeout=True,
        recursive=False,
    )


def _existing(folder: str) -> str:
    """The folder itself, or the nearest above it that is there."""
    while not os.path.isdir(folder):  # noqa: PTH112
        above = os.path.dirname(folder)  # noqa: PTH120
        if above == folder:
            break
        folder = above
    return folder
