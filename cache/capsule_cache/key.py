"""Keys: what decides a build's result, as one short hash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import xxhash


class Key(str):
    """32 lower-case hex digits, as `derive_key` returns them: what an entry is found by.

    ``digest`` is the SHA-256, in hex, of all that decides the result, and says whether what was found is it:
    the digits alone are no proof against inputs that were made to collide. It is empty in a key that was read
    from somewhere; whoever uses one has to know otherwise that the entry is the right one.
    """

    digest: str

    def __new__(cls, text: str, digest: str = "") -> Key:
        """A key with a digest."""
        key = super().__new__(cls, text)
        key.digest = digest
        return key


Option: TypeAlias = "bool | int | float | str | bytes | Sequence[Option] | Mapping[str, Option] | None"
"""A value that can be part of a key."""


class _Hasher(Protocol):
    def update(self, data: bytes, /) -> None: ...


_HEX = frozenset("0123456789abcdef")
_NONE: Mapping[str, str] = MappingProxyType({})


def derive_key(
    *,
    format_version: int,
    toolchain: Mapping[str, str] = _NONE,
    files: Mapping[str, bytes] = MappingProxyType({}),
    digests: Mapping[str, str] = _NONE,
    options: Mapping[str, Option] = MappingProxyType({}),
) -> Key:
    """Hashes everything that decides a result: 32 hex digits of xxh3-128.

    The order of mappings doesn't matter; everything else does, down to ``True`` against ``1`` and a
    missing option against None. Two different inputs are never encoded alike, so only a collision of
    the hash itself can make their keys equal. xxh3 is quick but not proof against inputs that were
    crafted to collide, so the key carries the SHA-256 of the same, which a store keeps and compares.
    Raises `TypeError` for a value that can't be hashed.
    """
    import hashlib

    quick, proof = xxhash.xxh3_128(), hashlib.sha256()
    _feed_all(_Both(quick, proof), (format_version, toolchain, files, digests, options))
    return Key(quick.hexdigest(), proof.hexdigest())


class _Both:
    """Two hashers of the same bytes."""

    def __init__(self, first: _Hasher, second: _Hasher) -> None:
        self._first = first.update
        self._second = second.update

    def update(self, data: bytes, /) -> None:
        """Feeds both."""
        self._first(data)
        self._second(data)


def derive_digest(
    *,
    format_version: int,
    toolchain: Mapping[str, str] = _NONE,
    files: Mapping[str, bytes] = MappingProxyType({}),
    digests: Mapping[str, str] = _NONE,
    options: Mapping[str, Option] = MappingProxyType({}),
) -> str:
    """The SHA-256, in hex, of what `derive_key` hashes, encoded alike.

    It names a result among people who don't trust each other's sources: nobody can make two inputs that
    share it. Raises `TypeError` for a value that can't be hashed.
    """
    import hashlib

    hasher = hashlib.sha256()
    _feed_all(hasher, (format_version, toolchain, files, digests, options))
    return hasher.hexdigest()


def is_key(text: str) -> bool:
    """Whether ``text`` has the form of a key."""
    return len(text) == 32 and _HEX.issuperset(text)


def _feed_all(hasher: _Hasher, sections: tuple[Option, ...]) -> None:
    for section in sections:
        _feed(hasher, section)


def _feed(hasher: _Hasher, value: Option) -> None:
    match value:
        case None:
            _frame(hasher, b"n", b"")
        # bool before int: True is an int, and would share its encoding with 1.
        case bool():
            _frame(hasher, b"b", b"1" if value else b"0")
        case int():
            _frame(hasher, b"i", format(value, "x").encode())
        case float():
            _frame(hasher, b"f", value.hex().encode())
        case str():
            _frame(hasher, b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            _frame(hasher, b"y", value)
        case Mapping():
            hasher.update(b"m" + len(value).to_bytes(8, "big"))
            for name in sorted(value):
                _feed(hasher, name)
                _feed(hasher, value[name])
        case Sequence():
            hasher.update(b"l" + len(value).to_bytes(8, "big"))
            for item in value:
                _feed(hasher, item)
        case _:
            raise TypeError(f"a key can't be derived from {type(value).__name__}: {value!r:.80}")


def _frame(hasher: _Hasher, tag: bytes, content: bytes) -> None:
    hasher.update(tag + len(content).to_bytes(8, "big"))
    hasher.update(content)
