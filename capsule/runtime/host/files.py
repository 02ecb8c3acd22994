"""The interface ``files``: why a task may not use a path. It reaches no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from capsule.runtime.denials import LONGEST_PATH, PathUse
from capsule.runtime.host.guest import Guest


def denial(guest: Guest, path: str, folder: bool, change: bool, refused: bool) -> str | None:
    """``files.denial``: a sentence, or None when the task's policy isn't the reason."""
    return guest.services.denial(PathUse(path[:LONGEST_PATH], folder, change, refused))


FILES: Mapping[str, Callable[..., Any]] = {"denial": denial}
