"""What a frontend may say besides its inputs, so that a host with hundreds of sources can leave it alone.

This is optional: a frontend without it is asked for its inputs every time, which is always right. One that
has the two methods of `Tracker` is asked again only when something that it looked at has changed.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from capsule.frontend.spec import Host, Inputs, Source

FileState: TypeAlias = tuple[int, int, int, int]
"""Size, modification time and change time (nanoseconds), inode: together, no write leaves them alone."""

PlaceState: TypeAlias = FileState | Literal["folder", "absent"]


@dataclass(frozen=True, slots=True)
class Lookups:
    """Where a frontend looked, besides its inputs, and what it found there.

    ``places`` maps absolute paths to what was there, nothing included: a new file there could change the
    inputs. ``folders`` maps absolute paths of folders to their modification time in nanoseconds, where any
    new name could (-1 for a folder that isn't there).
    """

    places: Mapping[str, PlaceState] = field(default_factory=dict)
    folders: Mapping[str, int] = field(default_factory=dict)


@runtime_checkable
class Tracker(Protocol):
    """What a frontend has besides, when it can say cheaply what its inputs depend on."""

    def toolchain(self, source: Source) -> Mapping[str, str]:
        """What `Inputs.toolchain` would be."""

    def lookups(self, source: Source, inputs: Inputs, host: Host) -> Lookups | None:
        """Where it looked to make ``inputs``, which were made just before; None when it can't tell.

        Raises what `Frontend.inputs` raises.
        """


def place_state(path: str) -> PlaceState:
    """What is at a path now, links followed."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - called thousands of times in a build of a monorepo
    except (OSError, ValueError):
        return "absent"
    if stat.S_ISDIR(facts.st_mode):
        return "folder"
    return (facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino)


def folder_time(path: str) -> int:
    """When names in a folder last changed, in nanoseconds; -1 when it isn't there."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except (OSError, ValueError):
        return -1
