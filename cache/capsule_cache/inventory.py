"""What lies in a store's folder: listing it, and making room."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from capsule_cache import kernel_lock, names
from capsule_cache.build_lock import BuildLock
from capsule_cache.errors import StoreError
from capsule_cache.files import NotRegular, open_regular, remove
from capsule_cache.key import Key

_ABANDONED_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Item:
    """An entry as the folder shows it: nothing of it has been verified.

    ``file`` is the payload's file name; ``size`` is bytes, with the seal; ``last_used`` is seconds since the
    epoch, and may be an hour old. Without ``sealed`` it is a remnant that counts for nothing.
    """

    file: str
    key: Key
    size: int
    last_used: float
    sealed: bool


@dataclass(frozen=True, slots=True)
class Stat:
    """A store in numbers: ``bytes`` counts payloads and seals; times are seconds since the epoch."""

    entries: int
    bytes: int
    oldest_use: float | None
    newest_use: float | None


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed."""

    entries: int
    bytes: int


def items(folder: int) -> Iterator[Item]:
    """The entries and remnants of entries in an open folder, in no order."""
    present = set(os.listdir(folder))
    for payload in {name.removesuffix(names.SEAL) for name in present}:
        key = names.key_of(payload)
        if key is None:
            continue
        parts: dict[str, os.stat_result] = {}
        for name in {payload, payload + names.SEAL} & present:
            with suppress(FileNotFoundError):
                parts[name] = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if parts:
            last = parts.get(payload + names.SEAL) or parts[payload]
            yield Item(
                file=payload,
                key=Key(key),
                size=sum(part.st_size for part in parts.values()),
                last_used=last.st_mtime,
                sealed=len(parts) == 2 and all(stat.S_ISREG(part.st_mode) for part in parts.values()),
            )


def measure(folder: int) -> Stat:
    """Counts the sealed entries of an open folder."""
    sealed = [item for item in items(folder) if item.sealed]
    uses = [item.last_used for item in sealed]
    return Stat(
        entries=len(sealed),
        bytes=sum(item.size for item in sealed),
        oldest_use=min(uses, default=None),
        newest_use=max(uses, default=None),
    )


def prune(folder: int, max_bytes: int | None, max_age_seconds: float | None) -> Pruned:
    """Removes remnants, then what was last used longest ago, until the rest is within the limits.

    What is being built at the moment stays. Raises `OSError` where the folder can't be written.
    """
    sweep(folder)
    known = sorted(items(folder), key=lambda item: (item.sealed, item.last_used))
    total = sum(item.size for item in known)
    now = time.time()
    entries = removed = 0
    for item in known:
        too_old = max_age_seconds is not None and now - item.last_used > max_age_seconds
        too_much = max_bytes is not None and total > max_bytes
        if (too_old or too_much or not item.sealed) and discard(folder, item.file):
            total -= item.size
            removed += item.size
            entries += item.sealed
    return Pruned(entries=entries, bytes=removed)


def discard(folder: int, payload: str) -> bool:
    """Removes an entry; False when somebody is building it, or a full folder is in the way."""
    try:
        with BuildLock(folder, payload).attempt() as free:
            if free:
                remove_files(folder, payload)
            return free
    except StoreError:
        return False


def remove_files(folder: int, payload: str) -> None:
    """Removes the files of an entry, whose lock the caller holds."""
    # The seal first: a payload alone counts for nothing, wherever this is interrupted.
    remove(folder, payload + names.SEAL)
    remove(folder, payload)


def sweep(folder: int) -> None:
    """Removes what dead processes left behind, as far as it can: files half written, and locks."""
    for name in os.listdir(folder):
        with suppress(OSError):
            if names.is_temporary(name):
                _sweep_temporary(folder, name)
            elif name.endswith(names.LOCK) and names.key_of(payload := name.removesuffix(names.LOCK)):
                # Whoever can take a lock removes it on letting go.
                with BuildLock(folder, payload).attempt():
                    pass


def _sweep_temporary(folder: int, name: str) -> None:
    try:
        fd = open_regular(folder, name, os.O_RDWR)
    except NotRegular:
        remove(folder, name)
        return
    try:
        # A living writer holds the lock. Without locks, age has to tell.
        taken = kernel_lock.take(fd)
        age = time.time() - os.fstat(fd).st_mtime
        if taken or age > _ABANDONED_SECONDS:
            remove(folder, name)
    finally:
        kernel_lock.drop(fd)
