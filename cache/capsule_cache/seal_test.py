from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache.seal import LARGEST_SEAL, BadSeal, ForeignSeal, Seal, decode, encode

SECRET = b"s" * 32
SEAL = Seal(
    file="main_00.wasm",
    key="0" * 32,
    inputs="cd" * 32,
    size=3,
    sha256="ab" * 32,
    inode=7,
    mtime_ns=1_700_000_000_000_000_001,
    ctime_ns=5,
)
NUMBER = st.integers(-(2**63), 2**64 - 1)


@given(
    st.builds(
        Seal,
        file=st.text(max_size=99),
        key=st.just("0" * 32),
        inputs=st.text(max_size=64),
        size=st.integers(0, 2**63),
        sha256=st.text(max_size=64),
        inode=NUMBER,
        mtime_ns=NUMBER,
        ctime_ns=NUMBER,
    )
)
def test_a_seal_survives_being_written(seal: Seal) -> None:
    assert decode(encode(seal, SECRET), SECRET) == seal


@given(st.binary(max_size=LARGEST_SEAL + 10))
def test_arbitrary_bytes_are_a_bad_seal_and_nothing_else(data: bytes) -> None:
    with pytest.raises(BadSeal):
        decode(data, SECRET)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
FIELDS = st.sampled_from(["format", "mac", *json.loads(encode(SEAL, SECRET))])


@given(FIELDS, JSON)
def test_no_field_can_be_changed_by_somebody_without_the_secret(name: str, value: object) -> None:
    fields = json.loads(encode(SEAL, SECRET))
    if repr(fields[name]) == repr(value) or (name == "format" and value == 1):
        return
    with pytest.raises(BadSeal):
        decode(json.dumps({**fields, name: value}).encode(), SECRET)


@given(FIELDS)
def test_no_field_can_be_missing(name: str) -> None:
    fields = json.loads(encode(SEAL, SECRET))
    del fields[name]
    with pytest.raises(BadSeal):
        decode(json.dumps(fields).encode(), SECRET)


@given(st.integers(0, len(encode(SEAL, SECRET)) - 2))
def test_a_truncated_seal_is_bad(length: int) -> None:
    with pytest.raises(BadSeal):
        decode(encode(SEAL, SECRET)[:length], SECRET)


def test_a_seal_of_another_user_is_foreign() -> None:
    with pytest.raises(ForeignSeal):
        decode(encode(SEAL, b"o" * 32), SECRET)


def test_deep_nesting_is_a_bad_seal() -> None:
    with pytest.raises(BadSeal):
        decode(b"[" * LARGEST_SEAL, SECRET)


def test_a_mac_that_is_not_ascii_is_a_bad_seal() -> None:
    fields = json.loads(encode(SEAL, SECRET))
    with pytest.raises(BadSeal):
        decode(json.dumps({**fields, "mac": "é" * 64}).encode(), SECRET)


def test_an_oversized_seal_is_bad_even_when_signed() -> None:
    with pytest.raises(BadSeal):
        decode(encode(SEAL, SECRET) + b" " * LARGEST_SEAL, SECRET)


def test_any_write_to_the_sealed_file_is_noticed_by_its_status(tmp_path: Path) -> None:
    file = tmp_path / "payload"
    file.write_bytes(b"abc")
    before = file.stat()
    seal = Seal.of("payload", "0" * 32, b"abc", before)
    assert seal.untouched(file.stat())
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        file.write_bytes(b"xyz")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert not seal.untouched(file.stat())


def test_a_seal_holds_for_its_data_only() -> None:
    seal = Seal.of("f", "0" * 32, b"abc", os.stat_result(range(10)))
    assert seal.holds_for(b"abc")
    assert not seal.holds_for(b"abd")
    assert not seal.holds_for(b"abcd")
