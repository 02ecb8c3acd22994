"""Where the search for own modules looked, so that the host can tell later whether it would end alike."""

from __future__ import annotations

from pathlib import Path

from capsule.frontend.tracking import Lookups, PlaceState, place_state
from capsule_python.tree import Tree


class RecordingTree:
    """A tree that remembers what it was asked for, and what was there."""

    def __init__(self, root: Path, tree: Tree) -> None:
        self._root = root
        self._tree = tree
        self._seen: dict[str, PlaceState] = {}

    def read(self, file: str, *, owned: bool = False) -> bytes | None:
        """The content of a file, None when there is no such file. Raises what the tree raises."""
        self._note(file)
        return self._tree.read(file, owned=owned)

    def is_folder(self, folder: str) -> bool:
        """Whether there is such a folder."""
        self._note(folder)
        return self._tree.is_folder(folder)

    def lookups(self) -> Lookups:
        """All of it."""
        return Lookups(places=self._seen)

    def _note(self, name: str) -> None:
        path = f"{self._root}/{name}"
        if path not in self._seen:
            # Before it is read: what changes in between is then found changed later.
            self._seen[path] = place_state(path)
