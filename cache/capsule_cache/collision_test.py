"""Two inputs that were made to have one key: found by it, told apart by the digest that it carries."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from capsule_cache import Key, Store, derive_key

SECRET = bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1c")
"""The first two words of xxh3's constant secret."""

BLOCK, STRIPE = 1024, 64
BEFORE = 53
"""Bytes that `derive_key` hashes before the content of ``main.py``, as below."""


def colliding() -> tuple[bytes, bytes]:
    """Two contents with one xxh3-128.

    A word of input is mixed with a word of the secret, and the halves of the outcome are multiplied: where
    one half is zero the product is, whatever the other half. What else counts is the sum of the words, so two
    such words can be exchanged for a pair with the same sum.
    """
    filler = bytes(range(32, 127)) * 40
    first = BLOCK - BEFORE  # the first word of a block's first stripe, and that of its second
    found = []
    for high, other in ((0x41414141, 0x42424242), (0x43434343, 0x40404040)):
        content = bytearray(filler)
        for place, word, chosen in ((first, SECRET[:8], high), (first + STRIPE, SECRET[8:], other)):
            content[place : place + 8] = word[:4] + struct.pack("<I", chosen)
        found.append(bytes(content))
    return found[0], found[1]


def key(content: bytes) -> Key:
    return derive_key(format_version=1, files={"main.py": content})


def test_a_pair_that_was_made_to_collide_has_one_key_and_two_digests() -> None:
    benign, evil = colliding()
    assert benign != evil
    assert key(benign) == key(evil), "xxh3 collides: else there is nothing to tell apart here"
    assert key(benign).digest != key(evil).digest


@pytest.mark.parametrize("verify", ["content", "stat"])
def test_an_entry_of_colliding_inputs_is_no_hit(tmp_path: Path, verify: str) -> None:
    benign, evil = (key(content) for content in colliding())
    store = Store(tmp_path / "store", b"s" * 32)
    store.put(evil, b"evil")
    assert store.get(benign, verify=verify) is None  # type: ignore[arg-type]
    entry, built = store.get_or_build(benign, lambda: b"benign", verify=verify)  # type: ignore[arg-type]
    assert built
    assert entry.read() == b"benign"
    assert store.get(evil, verify=verify) is None  # type: ignore[arg-type]
    found = store.get(benign, verify=verify)  # type: ignore[arg-type]
    assert found is not None
    assert found.read() == b"benign"


def test_an_entry_that_was_sealed_without_a_digest_is_no_hit_for_a_key_that_has_one(tmp_path: Path) -> None:
    wanted = key(b"x")
    store = Store(tmp_path / "store", b"s" * 32)
    store.put(Key(wanted), b"anything")
    assert store.get(Key(wanted)) is not None
    assert store.get(wanted) is None
