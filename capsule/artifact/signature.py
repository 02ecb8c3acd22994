"""The signature section of an artifact: its format, without any cryptography.

``capsule:signature`` is the last section of an artifact, and what is signed is every byte before it.
Its content, all lengths fixed::

    01                       version
    nn                       number of signatures, 1 to 16
    nn times:  id (16 bytes), signature (64 bytes), in ascending order of the ids, each id once

The id is of the key (`capsule.artifact.signing.key_id`). There is one way to write a given set of
signatures, and one place for it, so nothing can be said in an artifact beside what was signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from capsule.errors import ArtifactError

SIGNATURE_SECTION = "capsule:signature"

VERSION = 1
MOST_SIGNATURES = 16
ID_BYTES = 16
SIGNATURE_BYTES = 64
_ENTRY = ID_BYTES + SIGNATURE_BYTES
LARGEST_SECTION = 2 + MOST_SIGNATURES * _ENTRY + 32
"""No section, its name and lengths included, has more bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Signature:
    """A claim: the key of this id (hex) has signed the artifact. `capsule.artifact.signing` checks it."""

    key_id: str
    value: bytes


def write_signatures(signatures: Iterable[Signature]) -> bytes:
    """The section's content. Raises `ValueError` for none, too many, or two by one key."""
    ordered = sorted(signatures)
    if not 0 < len(ordered) <= MOST_SIGNATURES or len({one.key_id for one in ordered}) < len(ordered):
        raise ValueError(f"1 to {MOST_SIGNATURES} signatures, each by another key")
    entries = (bytes.fromhex(one.key_id) + one.value for one in ordered)
    return bytes([VERSION, len(ordered)]) + b"".join(entries)


def read_signatures(content: bytes, *, name: str) -> tuple[Signature, ...]:
    """The signatures in a section's content. Raises `ArtifactError`; ``name`` is for its message."""
    if content[:1] and content[0] != VERSION:
        raise ArtifactError(
            f"the signature of {name} has version {content[0]}, not {VERSION}",
            hint="a newer capsule may have made it",
        )
    count = content[1] if len(content) > 1 else 0
    if not 0 < count <= MOST_SIGNATURES or len(content) != 2 + count * _ENTRY:
        raise ArtifactError(f"the signature of {name} is cut short, or longer than it says")
    starts = range(2, len(content), _ENTRY)
    found = tuple(
        Signature(content[at : at + ID_BYTES].hex(), content[at + ID_BYTES : at + _ENTRY]) for at in starts
    )
    ids = [one.key_id for one in found]
    if ids != sorted(set(ids)):
        raise ArtifactError(f"the signature of {name} names a key twice, or its keys out of order")
    return found
