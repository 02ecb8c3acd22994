"""The artifact store: entries in a folder, each a payload and the seal that commits it.

``main_<key>.wasm`` holds exactly the stored bytes, ``main_<key>.wasm.seal`` their digest and a MAC under the
user's secret. The seal is written last: a payload without one doesn't count, whatever happened to its writer.

Whoever wants to fetch entries from elsewhere before building them (a shared cache) does so in the
function handed to `Store.get_or_build`: it runs once per key at a time, and its bytes are sealed here
only after it has vouched for them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from capsule_cache import inventory, names
from capsule_cache import seal as seals
from capsule_cache.build_lock import BuildLock, Owner
from capsule_cache.errors import StoreError, as_store_error
from capsule_cache.files import Folder, NotRegular, open_regular, read_all, replace_file, sync_folder
from capsule_cache.key import Key

Verify: TypeAlias = Literal["content", "stat"]
"""How `Store.get` makes sure of a payload: by its digest, or by its inode, size and times."""

_TOUCH_SECONDS = 3600.0
_SHORTEST_SECRET = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A verified entry. ``path`` is its payload; ``size`` is bytes; ``sha256`` is the payload's, in hex.

    In a folder that others can write, the file may change after it was verified: use `read` there, and
    not ``path``.
    """

    path: Path
    key: Key
    size: int
    sha256: str
    _data: bytes | None = field(default=None, repr=False, compare=False)

    def read(self) -> bytes:
        """The payload, verified. Raises `StoreError` when the file was removed or changed."""
        if self._data is not None:
            return self._data
        folder = Folder(path=self.path.parent, base=self.path.parent, private=False)
        try:
            with folder.opened() as fd:
                data, _ = _read_payload(fd, self.path.name, self.size)
        except OSError as error:
            raise StoreError(f"{self.path} can't be read any more: {error.strerror or error}") from error
        if len(data) != self.size or seals.digest(data) != self.sha256:
            raise StoreError(f"{self.path} has changed since it was verified")
        return data


class _Damaged(Exception):
    """An entry that can't be what was stored, and may be removed."""


class Store:
    """Entries in ``folder``, signed with ``secret`` (see `user_secret`).

    A ``private`` store's folder must belong to the user and be closed to others (mode 0700); it is made so.
    No part of the folder's path below ``within`` may be a symbolic link; without ``within``, that goes
    for its last part. Without ``durable``, storing doesn't wait for the disk, and what was stored may be lost
    when the machine loses its power. Nothing is read or made before the first use. Safe to use from many
    threads and processes at once, and after a fork.
    """

    def __init__(
        self,
        folder: Path,
        secret: bytes,
        *,
        private: bool = False,
        within: Path | None = None,
        durable: bool = True,
    ) -> None:
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"a secret has at least {_SHORTEST_SECRET} bytes")
        path = folder.absolute()
        base = path.parent if within is None else within.absolute()
        if ".." in path.relative_to(base).parts:
            raise ValueError(f"{folder} leaves {base}")
        self._folder = Folder(path=path, base=base, private=private)
        self._secret = secret
        self._durable = durable

    @property
    def folder(self) -> Path:
        """Where the entries are; absolute."""
        return self._folder.path

    def get(
        self, key: Key, *, name: str = "main", suffix: str = ".wasm", verify: Verify = "content"
    ) -> Entry | None:
        """The entry, or None when it is absent, damaged, or signed with another secret. Never raises for
        what lies in the folder; what is damaged is removed.

        ``verify="content"`` reads the payload and compares its digest. ``verify="stat"`` reads the seal only
        and compares the payload's inode, size and times with what was sealed: meant for large files in a
        private store, which are mapped afterwards. A file that was copied is compared by content once.
        """
        file = names.payload_name(name, key, suffix)
        try:
            with self._folder.opened() as folder:
                try:
                    return self._find(folder, file, key, verify)
                except (_Damaged, NotRegular):
                    self._discard(folder, file, key)
        except OSError:
            pass
        return None

    def put(self, key: Key, data: bytes, *, name: str = "main", suffix: str = ".wasm") -> Entry:
        """Stores ``data``, in place of what the entry held before.

        Waits for a builder of the same entry. Raises `StoreReadOnly` when the folder can't be written, and
        `StoreError` for anything else that is in the way.
        """
        return self._obtain(key, lambda: data, names.payload_name(name, key, suffix), None, 600.0, None)[0]

    def get_or_build(
        self,
        key: Key,
        build: Callable[[], bytes],
        *,
        name: str = "main",
        suffix: str = ".wasm",
        verify: Verify = "content",
        timeout: float = 600.0,
        on_wait: Callable[[Owner | None], None] | None = None,
    ) -> tuple[Entry, bool]:
        """The entry, built with ``build`` when there is none; and whether it was built here.

        However many threads and processes ask at once, one builds and the others wait, at most ``timeout``
        seconds; ``on_wait`` is told for whom. When the builder dies or fails, the next one builds. What
        ``build`` raises comes out unchanged.

        Raises `BuildTimeout`; `StoreReadOnly` before anything is built, when the folder can't be written; and
        `StoreError`, which has the built bytes in ``data`` when only storing them failed.
        """
        entry = self.get(key, name=name, suffix=suffix, verify=verify)
        if entry:
            return entry, False
        return self._obtain(key, build, names.payload_name(name, key, suffix), verify, timeout, on_wait)

    def entries(self) -> Iterator[inventory.Item]:
        """What lies in the folder, unverified, in no order. Nothing when it can't be read."""
        try:
            with self._folder.opened() as folder:
                found = list(inventory.items(folder))
        except OSError:
            return
        yield from found

    def stat(self) -> inventory.Stat:
        """How much is stored; zeros when the folder can't be read."""
        try:
            with self._folder.opened() as folder:
                return inventory.measure(folder)
        except OSError:
            return inventory.Stat(entries=0, bytes=0, oldest_use=None, newest_use=None)

    def prune(
        self, *, max_bytes: int | None = None, max_age_seconds: float | None = None
    ) -> inventory.Pruned:
        """Removes what crashes left behind, entries unused for longer than ``max_age_seconds``, and then the
        least recently used ones until ``max_bytes`` are left. Entries being built stay.

        Raises `StoreError` when the folder can't be written.
        """
        try:
            with self._folder.opened() as folder:
                return inventory.prune(folder, max_bytes, max_age_seconds)
        except FileNotFoundError:
            return inventory.Pruned(entries=0, bytes=0)
        except OSError as error:
            raise as_store_error(error, self.folder) from error

    def clear(self) -> inventory.Pruned:
        """Removes every entry that isn't being built. Files that aren't the store's stay."""
        return self.prune(max_bytes=0)

    def _obtain(
        self,
        key: Key,
        build: Callable[[], bytes],
        file: str,
        verify: Verify | None,
        timeout: float,
        on_wait: Callable[[Owner | None], None] | None,
    ) -> tuple[Entry, bool]:
        with self._locked(file, timeout, on_wait):
            if verify:
                with suppress(OSError, _Damaged), self._folder.opened() as folder:
                    entry = self._find(folder, file, key, verify)
                    if entry:
                        return entry, False
            data = build()
            try:
                # Opened anew: a build takes time, and the folder may have been removed meanwhile.
                with self._folder.opened(create=True) as folder:
                    return self._write(folder, file, key, data), True
            except OSError as error:
                failure = as_store_error(error, self.folder)
                failure.data = data
                raise failure from error

    @contextmanager
    def _locked(
        self, file: str, timeout: float, on_wait: Callable[[Owner | None], None] | None
    ) -> Iterator[None]:
        entered = False
        try:
            with (
                self._folder.opened(create=True) as folder,
                BuildLock(folder, file).waiting(timeout, on_wait),
            ):
                entered = True
                yield
        except OSError as error:
            # Errors of the build itself come through here too, and are not ours to reword.
            if entered:
                raise
            raise as_store_error(error, self.folder) from error

    def _find(self, folder: int, file: str, key: Key, verify: Verify) -> Entry | None:
        """Raises `_Damaged`, or an `OSError` for what can't be opened."""
        try:
            fd = open_regular(folder, file + names.SEAL)
        except FileNotFoundError:
            return None
        try:
            seal = seals.decode(read_all(fd, seals.LARGEST_SEAL + 1), self._secret)
            used = os.fstat(fd).st_mtime
            if (seal.file, seal.key) != (file, key):
                raise _Damaged
            digest = key.digest
            if digest and seal.inputs != digest:
                return None  # somebody else's result, of inputs that were made to have the same key
            data = self._verified(folder, seal, verify)
            now = time.time()
            if abs(now - used) > _TOUCH_SECONDS:
                with suppress(OSError):
                    os.utime(fd, (now, now))
        except seals.ForeignSeal:
            return None
        except (seals.BadSeal, FileNotFoundError) as error:
            raise _Damaged from error
        finally:
            os.close(fd)
        return Entry(self.folder / file, key, seal.size, seal.sha256, data if verify == "content" else None)

    def _verified(self, folder: int, seal: seals.Seal, verify: Verify) -> bytes | None:
        if verify == "stat" and seal.untouched(os.stat(seal.file, dir_fd=folder, follow_symlinks=False)):
            return None
        data, status = _read_payload(folder, seal.file, seal.size)
        if not seal.holds_for(data):
            raise _Damaged
        if verify == "stat":
            self._reseal(folder, seal, data, status)
        return data

    def _reseal(self, folder: int, seal: seals.Seal, data: bytes, status: os.stat_result) -> None:
        fresh = seals.Seal.of(seal.file, seal.key, data, status, seal.inputs)
        # Only a saving of time for the next one, so a folder that can't be written is no matter.
        with suppress(OSError), BuildLock(folder, seal.file).attempt() as free:
            if free and fresh.untouched(os.stat(seal.file, dir_fd=folder, follow_symlinks=False)):
                replace_file(folder, seal.file + names.SEAL, seals.encode(fresh, self._secret))

    def _write(self, folder: int, file: str, key: Key, data: bytes) -> Entry:
        status = replace_file(folder, file, data, durable=self._durable)
        seal = seals.Seal.of(file, key, data, status, key.digest)
        replace_file(folder, file + names.SEAL, seals.encode(seal, self._secret), durable=self._durable)
        if self._durable:
            sync_folder(folder)
        return Entry(self.folder / file, key, seal.size, seal.sha256, data)

    def _discard(self, folder: int, file: str, key: Key) -> None:
        with BuildLock(folder, file).attempt() as free:
            if not free:
                return
            # A builder may have replaced what was found damaged just before.
            try:
                self._find(folder, file, key, "content")
            except (_Damaged, NotRegular):
                inventory.remove_files(folder, file)


def _read_payload(folder: int, file: str, size: int) -> tuple[bytes, os.stat_result]:
    fd = open_regular(folder, file)
    try:
        # One byte more than there should be tells a longer file from the right one.
        return read_all(fd, size + 1), os.fstat(fd)
    finally:
        os.close(fd)
