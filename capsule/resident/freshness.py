"""Whether what a resident host has loaded is still what an interpreter that starts now would load."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

States = dict[str, tuple[int, int, int] | None]


class Freshness:
    """The files that were loaded from packages of ours and of plugins, and the folders of installed packages.

    ``began`` is when the first of them was loaded, in ns of the clock: what is younger counts as changed.
    """

    def __init__(self, began: int, packages: Collection[str]) -> None:
        self.packages = set(packages)
        """The packages every file of which is looked at; of all others, whether something was installed."""
        self._began = began
        self._states: States = {}
        self._doubtful = False

    def note(self) -> None:
        """Takes note of what has been loaded since the last time."""
        paths = [
            file
            for name, module in list(sys.modules.items())
            if name.partition(".")[0] in self.packages and (file := getattr(module, "__file__", None))
        ]
        for path in (*paths, *_installed(), sys.executable):
            if path not in self._states:
                state = self._states[path] = _state(path)
                self._doubtful = self._doubtful or state is None or state[0] >= self._began
        self._began = time.time_ns()

    def holds(self) -> bool:
        """Whether all of it is as it was."""
        return not self._doubtful and all(_state(path) == state for path, state in self._states.items())


def _installed() -> list[str]:
    """The folders in which packages are installed: what comes or goes there leaves a mark in its folder."""
    return [path for path in sys.path if next(Path(path).glob("*.dist-info"), None) is not None]


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # hundreds of times for each command
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
