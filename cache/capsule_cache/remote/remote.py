"""A remote as a build sees it: it has an entry or not, and nothing that happens to it fails a build."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from capsule_cache.remote import wire
from capsule_cache.remote.shared_key import SharedKey
from capsule_cache.remote.transport import TooLarge, Transport
from capsule_cache.remote.uploads import Uploads

Mode: TypeAlias = Literal["read", "write", "read-write"]

FAILURES = 3
"""After so many failures in a row, or one time-out, the remote is left alone for the rest of the process."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of asking a remote. Bytes are as transferred, compressed.

    ``refused`` entries were there and not to be trusted; ``failed`` ones could not be had or stored;
    ``skipped`` ones were not asked for any more.
    """

    hits: int = 0
    misses: int = 0
    refused: int = 0
    failed: int = 0
    skipped: int = 0
    uploaded: int = 0
    bytes_down: int = 0
    bytes_up: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in Counts.__slots__))


class Remote:
    """Entries on the other side of ``transport``, signed with ``key``. Safe to use from many threads.

    An entry is named by the SHA-256 of what decides it (`capsule_cache.derive_digest`). ``notify`` is told
    what a user should know, at most once of each kind.
    """

    def __init__(
        self, transport: Transport, key: SharedKey, *, mode: Mode, notify: Callable[[str], None]
    ) -> None:
        self.mode = mode
        self._transport = transport
        self._key = key
        self._notify = notify
        self._lock = threading.Lock()
        self._told: set[str] = set()
        self._counts = Counts()
        self._in_a_row = 0
        self._aside = False
        self._uploads = Uploads(self._upload)

    @property
    def counts(self) -> Counts:
        """What has happened so far."""
        with self._lock:
            return self._counts

    @property
    def aside(self) -> bool:
        """Whether the remote is left alone after failures."""
        with self._lock:
            return self._aside

    def fetch(self, inputs: str, accept: Callable[[bytes], bool] = lambda payload: True) -> bytes | None:
        """The payload for these inputs; None when the remote doesn't have it, or nothing to trust.

        ``accept`` has the last word on a payload that is signed and whole.
        """
        if self.mode == "write" or self._skips():
            return None
        name = self._key.entry_name(inputs)
        try:
            entry = self._transport.read(name, wire.LARGEST_ENTRY)
        except TooLarge as error:
            self._refuse(str(error))
            return None
        except Exception as error:
            self._fail(error)
            return None
        if entry is None:
            self._count(Counts(misses=1))
            return None
        try:
            payload = wire.decode(entry, name, self._key)
        except wire.BadEntry as error:
            self._refuse(str(error))
            return None
        if not accept(payload):
            self._refuse("not what these inputs build")
            return None
        self._count(Counts(hits=1, bytes_down=len(entry)))
        return payload

    def offer(self, inputs: str, payload: bytes) -> None:
        """Uploads a payload in the background, if this remote may be written to."""
        if self.mode != "read" and not self._skips(count=False):
            self._uploads.add(self._key.entry_name(inputs), payload)

    def push(self, inputs: str, payload: bytes) -> Literal["pushed", "there", "failed"]:
        """Uploads a payload now, unless something is there under its name."""
        if self._skips():
            return "failed"
        name = self._key.entry_name(inputs)
        try:
            if self._transport.exists(name):
                return "there"
        except Exception as error:
            self._fail(error)
            return "failed"
        return "pushed" if self._upload(name, payload) else "failed"

    def problem(self) -> str | None:
        """Why the remote can't be used at the moment; None when it answers. Counts for nothing."""
        try:
            self._transport.exists(self._key.entry_name(""))
        except Exception as error:
            return _said(error)
        return None

    def finish(self, seconds: float) -> None:
        """Waits for uploads, at most ``seconds``; what is under way then is given up."""
        left = self._uploads.finish(seconds)
        if left:
            self._tell("uploads", f"{left} uploads to the shared cache were given up after {seconds:g} s")

    def _upload(self, name: str, payload: bytes) -> bool:
        if self._skips():
            return False
        try:
            entry = wire.encode(payload, name, self._key)
        except ValueError as error:
            self._tell("large", f"an artifact is not shared: {error}")
            return False
        try:
            self._transport.write(name, entry)
        except Exception as error:
            self._fail(error)
            return False
        self._count(Counts(uploaded=1, bytes_up=len(entry)))
        return True

    def _skips(self, *, count: bool = True) -> bool:
        with self._lock:
            if self._aside and count:
                self._counts += Counts(skipped=1)
            return self._aside

    def _count(self, more: Counts) -> None:
        with self._lock:
            self._counts += more
            self._in_a_row = 0

    def _refuse(self, why: str) -> None:
        self._count(Counts(refused=1))
        self._tell(
            "refused", f"an entry of the shared cache was refused, and is built here instead: it is {why}"
        )

    def _fail(self, error: Exception) -> None:
        with self._lock:
            self._counts += Counts(failed=1)
            self._in_a_row += 1
            self._aside = self._aside or isinstance(error, TimeoutError) or self._in_a_row >= FAILURES
            aside = self._aside
        said = _said(error)
        if aside:
            self._tell("aside", f"the shared cache is left alone from here on: {said}")
        else:
            self._tell("failed", f"the shared cache can't be used: {said}")

    def _tell(self, kind: str, message: str) -> None:
        with self._lock:
            if kind in self._told:
                return
            # Having said that it fails, there is no news in giving it up.
            self._told.add(kind)
            if kind == "aside" and "failed" in self._told:
                return
        self._notify(message)


def _said(error: Exception) -> str:
    # A back end's message may be of any length and content.
    printable = "".join(letter if letter.isprintable() else " " for letter in str(error)[:1000])
    return " ".join(printable.split())[:200] or type(error).__name__
