"""A tool that only has to look: it reads what it is shown, writes nothing, and reaches no network."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

_START: Final = """
import os, stat, sys
home, count = sys.argv[1], int(sys.argv[2])
places, command = sys.argv[3 : 3 + count], sys.argv[3 + count :]
sys.path.insert(0, home)
from capsule.confinement import landlock
from capsule.confinement.worker import drop_privileges
def opened(path):
    try:
        return os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return None
folders = [descriptor for descriptor in map(opened, places) if descriptor is not None]
program = os.open(command[0], os.O_PATH | os.O_CLOEXEC)
drop_privileges()
landlock.restrict([(folder, False) for folder in folders], programs=[program])
os.execv(command[0], command)
"""


def looking_at(command: Sequence[str], places: Iterable[str | Path]) -> list[str]:
    """``command`` (its program an absolute path), started so that it may read ``places`` and nothing else.

    Places are folders, with all that lies in them, and files; one that isn't there is left out. The kernel
    sees to it, by Landlock; where there is none, the command is as it was, and only `ToolLimits` hold.
    """
    if sys.platform != "linux":
        return list(command)
    home = str(Path(__file__).parent.parent.parent)
    shown = [os.fspath(place) for place in places]
    return [sys.executable, "-I", "-S", "-c", _START, home, str(len(shown)), *shown, *command]
