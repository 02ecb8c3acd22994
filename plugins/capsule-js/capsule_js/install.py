"""Folders of the user's cache that are filled once: under a lock, beside their place, then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from capsule.frontend.folders import locked

Progress = Callable[[str], None]


def install_once(folder: Path, fill: Callable[[Path], None], progress: Progress) -> Path:
    """``folder``, filled by ``fill`` if it isn't there yet.

    ``fill`` gets an empty folder, which becomes ``folder`` when it returns: a folder that is there is
    complete. Any number of processes may ask at once; one of them fills.
    """
    if folder.is_dir():
        return folder
    waiting = "waiting for another process that installs the same"
    with locked(folder.with_name(f"{folder.name}.lock"), progress, waiting):
        if folder.is_dir():
            return folder
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            fill(temporary)
            temporary.replace(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
    return folder
