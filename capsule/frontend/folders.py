"""A frontend's folders in the user's cache, where no host is at hand, and who may fill one."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from capsule.project.user_cache import private_folder


def cache_folder(frontend: str, name: str) -> Path:
    """The folder that `Host.cache_folder` gives the frontend of this name, made if need be (mode 0700).

    Raises `ConfigError` when the user's cache can't be used.
    """
    return private_folder(f"{frontend}-{name}")


@contextmanager
def locked(file: Path, progress: Callable[[str], None], waiting: str) -> Iterator[None]:
    """Holds the lock ``file``, made if need be; tells ``waiting`` when another process has it.

    The kernel drops it with the process that holds it.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(waiting)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
