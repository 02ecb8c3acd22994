"""The key that a team shares: it names entries, signs them, and tells them from everybody else's."""

from __future__ import annotations

import hmac
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from capsule_cache.errors import StoreError
from capsule_cache.files import NotRegular, open_regular, read_all

KEY_DIGITS = 64
_LARGEST_FILE = 4096
_MAKE_ONE = "make one with: openssl rand -hex 32"


class BadKey(StoreError):
    """This is no key to a shared cache, or not kept as one."""


@dataclass(frozen=True, slots=True, repr=False)
class SharedKey:
    """Three keys for three purposes, all derived from one secret of 32 bytes.

    ``identity`` is public: it says which key an entry was signed with, and nothing about the key.
    """

    naming: bytes
    signing: bytes
    identity: bytes

    @classmethod
    def from_text(cls, text: str, where: str) -> SharedKey:
        """The key whose secret is ``text``, 64 hex digits. Raises `BadKey`; ``where`` is said then."""
        digits = text.strip()
        # Not any text: whoever reads the remote could guess a password offline.
        if not re.fullmatch(f"[0-9a-fA-F]{{{KEY_DIGITS}}}", digits):
            raise BadKey(f"{where} is no key: a key has {KEY_DIGITS} hex digits", hint=_MAKE_ONE)
        secret = bytes.fromhex(digits)
        return cls(
            naming=_derived(secret, b"naming"),
            signing=_derived(secret, b"signing"),
            identity=_derived(secret, b"identity")[:8],
        )

    def entry_name(self, inputs: str) -> str:
        """What the entry of these inputs (a SHA-256 in hex) is called: 64 hex digits.

        The inputs can't be told from it: a storage's owner can't find out who builds what.
        """
        return hmac.digest(self.naming, inputs.encode(), "sha256").hex()

    def sign(self, message: bytes) -> bytes:
        """The MAC of a message, 32 bytes."""
        return hmac.digest(self.signing, message, "sha256")

    def __repr__(self) -> str:
        return f"SharedKey({self.identity.hex()})"


def _derived(secret: bytes, purpose: bytes) -> bytes:
    return hmac.digest(secret, b"capsule-cache shared key\n" + purpose, "sha256")


def read_key_file(path: Path) -> SharedKey:
    """The key in a file, which must be the user's own and closed to others (mode 0600).

    Raises `BadKey`, and `FileNotFoundError` when there is no file.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = open_regular(folder, path.name)
    except NotRegular as error:
        raise BadKey(f"{path} is not a regular file", hint=_MAKE_ONE) from error
    finally:
        os.close(folder)
    try:
        status = os.fstat(fd)
        if status.st_uid != os.geteuid():
            raise BadKey(
                f"{path} belongs to user {status.st_uid}, and this is user {os.geteuid()}",
                hint="keep the key in a file of your own",
            )
        if status.st_mode & 0o077:
            raise BadKey(
                f"{path} is open to other users (mode {stat.S_IMODE(status.st_mode):o})",
                hint=f"chmod 600 {path}",
            )
        data = read_all(fd, _LARGEST_FILE)
    finally:
        os.close(fd)
    return SharedKey.from_text(data.decode("ascii", "replace"), str(path))
