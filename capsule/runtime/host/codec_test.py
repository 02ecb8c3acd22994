import base64
import gzip
import hashlib
import hmac
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.runtime.host import codec
from capsule.runtime.host.guest import Guest
from capsule.runtime.interrupt import Interrupt, Interrupted


def guest(deadline=None):
    return Guest(interrupt=Interrupt(deadline), services=None)


def text(data):
    return base64.b64encode(data).decode()


def data(answer):
    assert isinstance(answer, str), f"{answer.reason}: {answer.message}"
    return base64.b64decode(answer)


@pytest.mark.parametrize(("name", "known"), [(n, k) for n, k in codec.ALGORITHMS.items() if n != "ripemd160"])
def test_digests_are_those_of_hashlib(name, known):
    content = bytes(range(256)) * 20
    assert data(codec.digest(guest(), name, text(content))) == hashlib.new(known, content).digest()
    assert data(codec.hmac(guest(), name, text(b"key"), text(content))) == hmac.digest(b"key", content, known)
    for long in (b"k" * 200, b"k" * 5000):  # longer than a block: it is hashed first
        assert data(codec.hmac(guest(), name, text(long), text(content))) == hmac.digest(long, content, known)


def test_an_unknown_algorithm_is_a_typed_error():
    assert codec.digest(guest(), "sha0", "").reason == "unknown-algorithm"
    assert codec.hmac(guest(), "shake_128", "", "").reason == "unknown-algorithm"


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "zlib", "deflate"]), st.integers(0, 255))
def test_what_is_compressed_decompresses(content, format, level):
    packed = codec.compress(guest(), format, level, text(content))
    assert data(codec.decompress(guest(), format, 5000, packed)) == content


def test_formats_are_the_standard_ones():
    content = b"standard" * 100
    assert gzip.decompress(data(codec.compress(guest(), "gzip", 6, text(content)))) == content
    assert zlib.decompress(data(codec.compress(guest(), "zlib", 6, text(content)))) == content


def test_gzip_members_in_a_row_are_one_text_and_trailing_bytes_are_ignored():
    packed = gzip.compress(b"one ") + gzip.compress(b"two") + b"\0\0padding"
    assert data(codec.decompress(guest(), "gzip", 100, text(packed))) == b"one two"


def test_a_large_text_survives_in_pieces():
    content = bytes(range(251)) * 20_000
    packed = codec.compress(guest(), "zlib", 1, text(content))
    assert data(codec.decompress(guest(), "zlib", len(content), packed)) == content


def test_a_bomb_stops_at_the_limit():
    bomb = gzip.compress(bytes(50 << 20))
    assert codec.decompress(guest(), "gzip", 1 << 20, text(bomb)).reason == "too-large"


def test_the_limit_itself_is_allowed():
    packed = gzip.compress(bytes(1000))
    assert len(data(codec.decompress(guest(), "gzip", 1000, text(packed)))) == 1000
    assert codec.decompress(guest(), "gzip", 999, text(packed)).reason == "too-large"


def test_thousands_of_tiny_members_do_not_take_quadratic_time():
    packed = gzip.compress(b"") * 50_000
    before = time.monotonic()
    assert data(codec.decompress(guest(), "gzip", 10, text(packed))) == b""
    assert time.monotonic() - before < 5


@given(st.binary(max_size=200), st.sampled_from(["gzip", "zlib", "deflate"]))
def test_garbage_never_raises(content, format):
    answer = codec.decompress(guest(), format, 1000, text(content))
    assert isinstance(answer, str) or answer.reason in ("invalid-data", "too-large")


@pytest.mark.parametrize("cut", [1, 8, 12])
def test_a_truncated_text_is_invalid_data(cut):
    packed = gzip.compress(b"a text that is long enough")[:-cut]
    assert codec.decompress(guest(), "gzip", 1000, text(packed)).reason == "invalid-data"


@pytest.mark.parametrize("bad", ["*", "a", "\u00e4", "YQ==YQ"])
def test_what_is_not_base64_is_invalid_data(bad):
    assert codec.digest(guest(), "md5", bad).reason == "invalid-data"


def test_more_than_the_largest_is_refused_before_it_is_decoded():
    assert codec.digest(guest(), "md5", "A" * (codec.LARGEST * 2)).reason == "too-large"


def test_a_deadline_ends_it():
    with pytest.raises(Interrupted):
        codec.compress(guest(deadline=time.monotonic() - 1), "gzip", 9, text(b"x"))


@pytest.mark.parametrize("format", ["gzip", "zlib", "deflate"])
def test_what_a_sandbox_has_worked_on_is_bounded_in_all(monkeypatch, format):
    monkeypatch.setattr(codec, "BUDGET", 1 << 20)
    mine, content = guest(), text(bytes(100_000))
    answers = [codec.compress(mine, format, 9, content) for _ in range(12)]
    assert [isinstance(answer, str) for answer in answers] == [True] * 10 + [False] * 2
    assert answers[-1].reason == "too-large"
    assert "a sub-task has as much of its own" in answers[-1].message
    assert codec.digest(mine, "sha256", content).reason == "too-large"
    assert isinstance(codec.digest(guest(), "sha256", content), str)


def test_what_comes_out_of_a_small_text_counts(monkeypatch):
    monkeypatch.setattr(codec, "BUDGET", 1 << 20)
    mine, bomb = guest(), text(zlib.compress(bytes(600_000)))
    assert isinstance(codec.decompress(mine, "zlib", 1 << 20, bomb), str)
    assert codec.decompress(mine, "zlib", 1 << 20, bomb).reason == "too-large"


def test_small_calls_count_as_a_crossing(monkeypatch):
    monkeypatch.setattr(codec, "BUDGET", 100 * codec.LEAST)
    mine = guest()
    assert sum(isinstance(codec.digest(mine, "md5", ""), str) for _ in range(200)) == 100
