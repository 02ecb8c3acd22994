from __future__ import annotations

import hashlib
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache.remote import wire
from capsule_cache.remote.shared_key import SharedKey
from capsule_cache.remote.wire import BadEntry, ForeignEntry, decode, encode

KEY = SharedKey.from_text("ab" * 32, "here")
OTHER = SharedKey.from_text("cd" * 32, "here")
NAME = "0" * 64
PAYLOAD = b"\0asm" + bytes(range(256)) * 20
ENTRY = encode(PAYLOAD, NAME, KEY)


def signed(size: int, digest: bytes, compressed: bytes) -> bytes:
    """What somebody with the key could write."""
    body = struct.pack(">Q32s", size, digest) + compressed
    return wire.MAGIC + KEY.identity + wire._mac(NAME, body, KEY) + body


@given(payload=st.binary(max_size=5000), name=st.text(max_size=80))
def test_what_was_encoded_is_decoded(payload: bytes, name: str) -> None:
    assert decode(encode(payload, name, KEY), name, KEY) == payload


@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    for entry in (data, wire.MAGIC + data, wire.MAGIC + KEY.identity + data, ENTRY[:56] + data):
        with pytest.raises(BadEntry):
            decode(entry, NAME, KEY)


@given(at=st.integers(0, len(ENTRY) - 1), bit=st.integers(0, 7))
def test_no_bit_can_be_flipped(at: int, bit: int) -> None:
    entry = bytearray(ENTRY)
    entry[at] ^= 1 << bit
    with pytest.raises(BadEntry):
        decode(bytes(entry), NAME, KEY)


@given(length=st.integers(0, len(ENTRY) - 1))
def test_no_byte_can_be_cut_off(length: int) -> None:
    with pytest.raises(BadEntry):
        decode(ENTRY[:length], NAME, KEY)


@given(more=st.binary(min_size=1, max_size=50))
def test_nothing_can_be_appended(more: bytes) -> None:
    with pytest.raises(BadEntry):
        decode(ENTRY + more, NAME, KEY)


def test_an_entry_of_another_key_says_so() -> None:
    with pytest.raises(ForeignEntry, match="another key"):
        decode(encode(PAYLOAD, NAME, OTHER), NAME, KEY)


def test_a_forged_identity_does_not_make_an_entry_ours() -> None:
    entry = bytearray(encode(PAYLOAD, NAME, OTHER))
    entry[16:24] = KEY.identity
    with pytest.raises(BadEntry, match="changed"):
        decode(bytes(entry), NAME, KEY)


def test_an_entry_moved_to_another_name_is_refused() -> None:
    with pytest.raises(BadEntry, match="another name"):
        decode(ENTRY, "1" * 64, KEY)


def test_an_honest_entry_of_nothing_is_an_entry() -> None:
    assert decode(encode(b"", NAME, KEY), NAME, KEY) == b""


@pytest.mark.parametrize("says", [0, 10, (1 << 20) - 1])
def test_a_bomb_of_somebody_with_the_key_is_not_inflated_beyond_what_it_says(says: int) -> None:
    bomb = signed(says, hashlib.sha256(b"").digest(), zlib.compress(b"\0" * (64 << 20), 9))
    tracemalloc.start()
    try:
        with pytest.raises(BadEntry, match="size"):
            decode(bomb, NAME, KEY)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize(
    ("size", "digest", "compressed", "why"),
    [
        (1 << 60, b"\0" * 32, b"", "too large"),
        (4, hashlib.sha256(b"abcd").digest(), b"no zlib at all", "not compressed"),
        (4, hashlib.sha256(b"abcd").digest(), zlib.compress(b"abc"), "size"),
        (3, hashlib.sha256(b"abd").digest(), zlib.compress(b"abc"), "digest"),
        (3, hashlib.sha256(b"abc").digest(), zlib.compress(b"abc") + b"more", "size"),
        (3, hashlib.sha256(b"abc").digest(), zlib.compress(b"abc")[:-2], "size"),
    ],
)
def test_what_is_signed_is_checked_all_the_same(
    size: int, digest: bytes, compressed: bytes, why: str
) -> None:
    with pytest.raises(BadEntry, match=why):
        decode(signed(size, digest, compressed), NAME, KEY)


FROZEN = (
    "63617073756c652d656e74727920310a35a70673f2879295a1cfcf04bea7c2f0e516ab1ae4e22c3498b9adb769a6"
    "f4c8011fc9db956ef6b00000000000000003ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61"
    "f20015ad78014b4c4a0600024d0127"
)


def test_an_entry_of_an_earlier_release_can_be_read() -> None:
    # Whoever changes the format changes the magic, too.
    assert decode(bytes.fromhex(FROZEN), NAME, KEY) == b"abc"


def test_a_payload_too_large_to_be_read_back_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LARGEST_PAYLOAD", 10)
    with pytest.raises(ValueError, match="larger"):
        encode(b"x" * 11, NAME, KEY)
