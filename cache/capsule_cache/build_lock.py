"""One builder at a time for each entry, across threads and processes."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from capsule_cache import kernel_lock
from capsule_cache.errors import BuildTimeout, StoreError
from capsule_cache.files import NotRegular, open_regular, read_all, remove
from capsule_cache.names import LOCK

POLL_SECONDS = 0.02
_LARGEST_OWNER = 1024
_LONGEST_HOST = 255
_ATTEMPTS = 16


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is building: for messages only. ``since`` is seconds since the epoch.

    It is read from a file that anybody with access to the folder can write.
    """

    pid: int
    host: str
    since: float

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


class BuildLock:
    """The lock on one entry: a file that its holder has locked, and removes when done.

    The kernel drops the lock of a process that dies, so nobody waits for the dead; a file that is left
    behind is no lock. On a file system without locks, everybody gets the lock: entries are then built
    more than once, and still written whole.
    """

    def __init__(self, folder: int, payload: str) -> None:
        self._folder = folder
        self._name = payload + LOCK
        self._process = os.getpid()

    @contextmanager
    def attempt(self) -> Iterator[bool]:
        """Takes the lock if it is free, and says whether it did."""
        fd, _ = self._take()
        try:
            yield fd is not None
        finally:
            self._release(fd)

    @contextmanager
    def waiting(
        self, timeout: float, on_wait: Callable[[Owner | None], None] | None = None
    ) -> Iterator[None]:
        """Takes the lock, waiting at most ``timeout`` seconds for it.

        ``on_wait`` is called once for each owner that has to be waited for. Raises `BuildTimeout`.
        """
        deadline = time.monotonic() + timeout
        told: list[Owner | None] = []
        while True:
            fd, owner = self._take()
            if fd is not None:
                break
            if on_wait and owner not in told:
                told = [owner]
                on_wait(owner)
            if time.monotonic() >= deadline:
                raise BuildTimeout(
                    f"{owner or 'another process'} is building {self._name.removesuffix(LOCK)}, "
                    f"and is not done after {timeout:g} s",
                    hint="wait for it, or end it",
                )
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            self._release(fd)

    def _take(self) -> tuple[int | None, Owner | None]:
        for _ in range(_ATTEMPTS):
            try:
                fd = open_regular(self._folder, self._name, os.O_RDWR | os.O_CREAT)
            except NotRegular:
                remove(self._folder, self._name)
                continue
            owner = None
            try:
                taken = kernel_lock.take(fd)
                if taken is not False and self._is_ours(fd):
                    _write_owner(fd)
                    return fd, None
                if taken is False:
                    owner = _read_owner(fd)
            except BaseException:
                kernel_lock.drop(fd)
                raise
            kernel_lock.drop(fd)
            if taken is False:
                return None, owner
        raise StoreError(f"the lock {self._name} changes all the time")

    def _is_ours(self, fd: int) -> bool:
        # The holder before us removes the file: what we have locked may have lost its name. A file
        # with a second name is not ours to write to.
        held = os.fstat(fd)
        try:
            named = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if (held.st_ino, held.st_dev) != (named.st_ino, named.st_dev):
            return False
        if held.st_nlink != 1:
            remove(self._folder, self._name)
            return False
        return True

    def _release(self, fd: int | None) -> None:
        # A child forked by the builder has no part in the lock, and its descriptor is closed.
        if fd is None or os.getpid() != self._process:
            return
        with suppress(OSError):
            remove(self._folder, self._name)
        kernel_lock.drop(fd)


def _write_owner(fd: int) -> None:
    owner = {"pid": os.getpid(), "host": os.uname().nodename, "since": time.time()}
    os.ftruncate(fd, 0)
    os.pwrite(fd, json.dumps(owner).encode(), 0)


def _read_owner(fd: int) -> Owner | None:
    try:
        fields = json.loads(read_all(fd, _LARGEST_OWNER))
        pid, host, since = fields["pid"], fields["host"], fields["since"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    # What is shown on a terminal must not be able to drive it.
    sound = (
        type(pid) is int
        and 0 < pid < 2**32
        and type(host) is str
        and len(host) <= _LONGEST_HOST
        and host.isascii()
        and host.isprintable()
        and type(since) is float
        and math.isfinite(since)
    )
    return Owner(pid, host, since) if sound else None
