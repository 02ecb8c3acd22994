"""Folders of the user's cache that are filled once: under a lock, beside their place, then renamed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[str], None]


def install_once(folder: Path, fill: Callable[[Path], None], progress: Progress) -> Path:
    """``folder``, filled by ``fill`` if it isn't there yet.

    ``fill`` gets an empty folder, which becomes ``folder`` when it returns: a folder that is there is
    complete. Any number of processes may ask at once; one of them fills.
    """
    if folder.is_dir():
        return folder
    with _locked(folder.with_name(f"{folder.name}.lock"), progress):
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


@contextmanager
def _locked(file: Path, progress: Progress) -> Iterator[None]:
    # The kernel drops the lock with the process that holds it.
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that installs the same")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
