"""Signing artifacts with Ed25519, and checking who has signed one. Keys are files.

The bytes that a key signs are ``b"capsule artifact signature v1\\0"`` and the SHA-512 of everything in the
artifact before its signature section: a signature of something else by the same key is none of an artifact.
Ed25519 (RFC 8032) takes no randomness, so the same artifact and key give the same bytes.

A private key is PKCS #8 in PEM, a public one SubjectPublicKeyInfo in PEM: what ``openssl`` reads and writes.
A file may hold several public keys, and asks for a signature by any one of them: so keys are rotated.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.artifact.sections import append_signature, signed_part
from capsule.artifact.signature import ID_BYTES, MOST_SIGNATURES, Signature
from capsule.errors import ArtifactError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

DOMAIN = b"capsule artifact signature v1\0"

LARGEST_KEY_FILE = 64 << 10
MOST_KEYS = 100

_PUBLIC = re.compile(rb"-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key."""

    key_id: str
    private: Ed25519PrivateKey


@dataclass(frozen=True, slots=True)
class Requirement:
    """An artifact must be signed by one of these keys, by their ids. ``origin`` says who asks for it."""

    origin: str
    keys: dict[str, Ed25519PublicKey]


def key_id(key: Ed25519PublicKey) -> str:
    """What a key is called: the first half of the SHA-256 of its 32 bytes, in hex."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:ID_BYTES].hex()


def new_keys(private: Path, public: Path) -> str:
    """Makes a pair of keys: ``private`` (mode 0600) and ``public``. Returns their id.

    Raises `UsageError` when either exists already, or can't be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    for path in (private, public):
        if os.path.lexists(path):
            raise UsageError(f"{path} exists, and keys are never overwritten", hint="choose another name")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    _create(private, secret, 0o600)
    try:
        _create(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    except UsageError:
        with suppress(OSError):
            private.unlink()
        raise
    return key_id(key.public_key())


def holds_private_key(path: Path) -> bool:
    """Whether a file has a private key in it. Raises `UsageError` when it can't be read."""
    return b"PRIVATE KEY-----" in _read(path)[0]


def read_signing_key(path: Path) -> SigningKey:
    """Reads a private key. Raises `UsageError`, also for one that others could have read."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data, mode = _read(path)
    if b"PRIVATE KEY-----" not in data:
        what = "a public key" if _PUBLIC.search(data) else "no private key in PEM"
        raise UsageError(f"{path} holds {what}", hint="give the file that 'capsule keys new' calls NAME.key")
    if mode & 0o077:
        raise UsageError(
            f"{path} is a private key that others can read (mode {mode & 0o777:o})",
            hint=f"chmod 600 {path}  # and if others have an account here, make new keys",
        )
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise UsageError(
            f"{path} is protected by a password, which capsule can't ask for",
            hint="take it off, and keep the file where nobody else can read it",
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UsageError(f"{path} holds a private key that can't be read") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} is not an Ed25519 key", hint="make one: capsule keys new NAME")
    return SigningKey(key_id(key.public_key()), key)


def read_public_keys(path: Path) -> dict[str, Ed25519PublicKey]:
    """Reads a file of public keys, by their ids. Raises `UsageError`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    data, _ = _read(path)
    if b"PRIVATE KEY-----" in data:
        raise UsageError(f"{path} is a private key", hint="give the public one, NAME.pub, and guard this one")
    blocks = _PUBLIC.findall(data)
    if not 0 < len(blocks) <= MOST_KEYS or len(blocks) != data.count(b"-----BEGIN "):
        raise UsageError(
            f"{path} does not hold public keys in PEM (1 to {MOST_KEYS} of them)",
            hint="give the file that 'capsule keys new' calls NAME.pub",
        )
    keys = {}
    for block in blocks:
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm):
            raise UsageError(f"{path} holds a public key that can't be read") from None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(
                f"{path} holds a key that is not Ed25519", hint="make one: capsule keys new NAME"
            )
        keys[key_id(key)] = key
    return keys


def sign(data: bytes, keys: Sequence[SigningKey], *, name: str) -> bytes:
    """The artifact, signed by these keys besides those that have signed it before.

    Raises `ArtifactError` for what is no artifact, and for more than `MOST_SIGNATURES` signatures.
    """
    content, before = signed_part(data, name=name)
    message = _message(content)
    signatures = {one.key_id: one for one in before}
    for key in keys:
        signatures[key.key_id] = Signature(key.key_id, key.private.sign(message))
    if len(signatures) > MOST_SIGNATURES:
        raise ArtifactError(f"{name} would have more than {MOST_SIGNATURES} signatures")
    return append_signature(bytes(content), signatures.values())


def verify(data: bytes, requirements: Iterable[Requirement], *, name: str) -> tuple[str, ...]:
    """Checks that an artifact is signed as each requirement asks. Returns the ids of the keys that count.

    Raises `ArtifactError`. Only ``data`` was checked: run these bytes, and don't read the file again.
    """
    from cryptography.exceptions import InvalidSignature

    content, found = signed_part(data, name=name)
    signatures = {one.key_id: one.value for one in found}
    message = _message(content)
    counting = []
    for requirement in requirements:
        both = [one for one in requirement.keys if one in signatures]
        if not both:
            wanted = _either(requirement.keys)
            raise ArtifactError(
                f"{name} is signed by {_either(signatures)}, and {requirement.origin} asks for {wanted}"
                if signatures
                else f"{name} is not signed, and {requirement.origin} asks for a signature by {wanted}",
                hint="whoever has that key makes it: capsule build FILE --export --sign KEYFILE",
            )
        for one in both:
            try:
                requirement.keys[one].verify(signatures[one], message)
            except InvalidSignature:
                raise ArtifactError(
                    f"the signature by {one} is not of {name} as it is: it was changed after it was signed, "
                    "or carries the signature of another file",
                    hint="get the file again from where it was made",
                ) from None
            counting.append(one)
    return tuple(dict.fromkeys(counting))


def _message(content: memoryview) -> bytes:
    return DOMAIN + hashlib.sha512(content).digest()


def _either(ids: Iterable[str]) -> str:
    return " or ".join(ids)


def _create(path: Path, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(path, flags, mode), "wb") as file:
            file.write(data)
    except FileExistsError:
        raise UsageError(
            f"{path} exists, and keys are never overwritten", hint="choose another name"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror or error}") from None


def _read(path: Path) -> tuple[bytes, int]:
    """A file's bytes and its mode, of one and the same file."""
    try:
        # Opening a FIFO without the flag would wait for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise UsageError(f"{path} is not a file")
            data = file.read(LARGEST_KEY_FILE + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"the key {path} can't be read: {reason}", hint="make keys: capsule keys new NAME"
        ) from None
    if len(data) > LARGEST_KEY_FILE:
        raise UsageError(f"{path} is larger than {LARGEST_KEY_FILE >> 10} KiB: it is no key")
    return data, facts.st_mode
