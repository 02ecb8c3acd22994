"""Seals: the small signed file beside a payload that makes it an entry."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from os import stat_result

from capsule_cache.key import is_key

FORMAT = 2
LARGEST_SEAL = 4096
"""No seal has more bytes than this."""

_CONTEXT = b"capsule-cache seal\n"
_LARGEST_NUMBER = 2**64


def digest(data: bytes) -> str:
    """SHA-256, as hex digits."""
    return hashlib.sha256(data).hexdigest()


class BadSeal(ValueError):
    """These bytes are no seal at all."""


class ForeignSeal(BadSeal):
    """A seal in form, but not signed with this user's secret."""


@dataclass(frozen=True, slots=True)
class Seal:
    """What is known of a payload: which file it is, its digest, and its inode when it was verified.

    ``inputs`` is the digest of all that decided it (`capsule_cache.Key`), empty when that was not known.

    ``size`` is bytes; ``mtime_ns`` and ``ctime_ns`` are nanoseconds since the epoch.
    """

    file: str
    key: str
    inputs: str
    size: int
    sha256: str
    inode: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, file: str, key: str, data: bytes, status: stat_result, inputs: str = "") -> Seal:
        """The seal for ``data``, which lies in a file with this ``status``."""
        return cls(
            file=file,
            key=key,
            inputs=inputs,
            size=len(data),
            sha256=digest(data),
            inode=status.st_ino,
            mtime_ns=status.st_mtime_ns,
            ctime_ns=status.st_ctime_ns,
        )

    def holds_for(self, data: bytes) -> bool:
        """Whether ``data`` is what was sealed."""
        return len(data) == self.size and digest(data) == self.sha256

    def untouched(self, status: stat_result) -> bool:
        """Whether the file is the very one that was sealed, and not written to since.

        The change time is compared too: unlike the modification time, no program can set it back.
        """
        return (status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns) == (
            self.size,
            self.inode,
            self.mtime_ns,
            self.ctime_ns,
        )


def encode(seal: Seal, secret: bytes) -> bytes:
    """The seal as JSON, signed with ``secret``."""
    fields = {"format": FORMAT, **asdict(seal)}
    return json.dumps({**fields, "mac": _mac(fields, secret)}, indent=1).encode() + b"\n"


def decode(data: bytes, secret: bytes) -> Seal:
    """Reads what `encode` wrote. Raises `BadSeal`, or `ForeignSeal` for another user's."""
    if len(data) > LARGEST_SEAL:
        raise BadSeal("too large")
    try:
        fields = json.loads(data)
    # Nesting can exhaust the stack even within the size limit.
    except (ValueError, RecursionError) as error:
        raise BadSeal("not JSON") from error
    if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
        raise BadSeal("of another format")
    mac = fields.pop("mac", None)
    seal = _checked(fields)
    if not isinstance(mac, str) or not mac.isascii():
        raise BadSeal("not signed")
    if not hmac.compare_digest(mac, _mac({"format": FORMAT, **fields}, secret)):
        raise ForeignSeal("signed by somebody else")
    return seal


def _checked(fields: dict[str, object]) -> Seal:
    texts = ("file", "key", "inputs", "sha256")
    numbers = ("size", "inode", "mtime_ns", "ctime_ns")
    if fields.keys() != {*texts, *numbers}:
        raise BadSeal("missing or unknown fields")
    if any(type(fields[name]) is not str for name in texts):
        raise BadSeal("a field is not text")
    for name in numbers:
        number = fields[name]
        # `type`, since True is an int too.
        if type(number) is not int or abs(number) >= _LARGEST_NUMBER:
            raise BadSeal("a field is not a number")
    seal = Seal(**fields)  # type: ignore[arg-type]  # the types were just checked
    if seal.size < 0 or not is_key(seal.key):
        raise BadSeal("a field is out of range")
    return seal


def _mac(fields: dict[str, object], secret: bytes) -> str:
    message = _CONTEXT + json.dumps(fields, sort_keys=True).encode()
    return hmac.digest(secret, message, "sha256").hex()
