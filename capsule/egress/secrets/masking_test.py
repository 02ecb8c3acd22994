"""Values are found in every form that is promised, across pieces, and in time that grows with the text."""

from __future__ import annotations

import base64
import html
import json
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.egress.secrets.masking import MaskedStream, Masker, all_forms, plain_forms

VALUE = 'sk/1+2="\u00e9<a>&b'
TOKEN = "sk-0123456789abcdef"


def masker(*values: str) -> Masker:
    return Masker((all_forms(value), f"[{number}]") for number, value in enumerate(values))


@pytest.mark.parametrize(
    "written",
    [
        VALUE,
        json.dumps(VALUE),
        json.dumps(VALUE, ensure_ascii=False),
        json.dumps(VALUE).replace("/", "\\/"),
        json.dumps(VALUE, ensure_ascii=False).replace("/", "\\/"),
        json.dumps(VALUE).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        quote(VALUE),
        quote(VALUE, safe=""),
        quote(VALUE, safe="").lower(),
        html.escape(VALUE),
        html.escape(VALUE, quote=False),
        VALUE.encode().hex(),
        VALUE.encode().hex().upper(),
        VALUE.encode().decode("latin-1"),
        *(base64.b64encode(b"u" * before + VALUE.encode() + b":x").decode() for before in range(7)),
        *(base64.urlsafe_b64encode(b"u" * before + VALUE.encode()).decode() for before in range(7)),
    ],
)
def test_a_value_is_found_however_it_is_written(written: str) -> None:
    shown = masker(VALUE).text(f"before {written} after")
    assert "[0]" in shown
    assert written not in shown
    assert len(shown) < len("before  after") + 20
    data = masker(VALUE).data(f"before {written} after".encode(), 1000)
    assert data is not None
    assert b"[0]" in data


@settings(deadline=None)
@given(st.binary(max_size=9), st.text(min_size=8, max_size=30), st.binary(max_size=9))
def test_base64_is_found_with_anything_around_it(before: bytes, value: str, after: bytes) -> None:
    written = base64.b64encode(before + value.encode() + after).decode()
    assert "[0]" in masker(value).text(written)


def test_of_two_values_that_overlap_the_longer_is_masked_whole() -> None:
    assert masker("abcdefgh", "abcdefgh-ijkl").text("xabcdefgh-ijklx abcdefgh") == "x[1]x [0]"


def test_bytes_are_masked_up_to_a_size() -> None:
    one = Masker([(["12345678"], "x" * 100)])
    assert one.data(b"12345678" * 3, 300) == b"x" * 300
    assert one.data(b"12345678" * 3, 299) is None
    assert one.data(b"\xff\x00", 1) == b"\xff\x00"


def streamed(one: Masker, pieces: list[str]) -> list[str]:
    stream = MaskedStream(one)
    return [*(stream.take(piece) for piece in pieces), stream.end()]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 18, 19, 20])
def test_a_value_that_is_split_over_pieces_is_masked(size: int) -> None:
    text = f"a {TOKEN} b {base64.b64encode(TOKEN.encode()).decode()} c"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    shown = streamed(masker(TOKEN), pieces)
    assert "".join(shown).startswith("a [0] b [0]")
    assert not any(TOKEN[:8] in piece for piece in shown)


def test_text_that_cannot_become_a_value_is_passed_on_at_once() -> None:
    stream = MaskedStream(masker(TOKEN))
    assert stream.take("loading ... 10 %\n") == "loading ... 10 %\n"
    assert stream.take("sk-01") == ""
    assert stream.take(" no\n") == "sk-01 no\n"


PARTS = st.sampled_from(["a", "b", "aaaa", "abab", "aaaaaaab", "abababab", "ababababc", "x", "\n"])
VALUES = st.lists(
    st.sampled_from(["a" * 8, "a" * 40, "ab" * 4, "ab" * 20 + "c", "ba" * 6, "a" * 20 + "b", "bababababc"]),
    min_size=1,
    max_size=4,
    unique=True,
)


@settings(deadline=None, max_examples=400)
@given(VALUES, st.lists(PARTS, max_size=60))
def test_no_piece_and_no_pieces_together_have_a_value(values: list[str], pieces: list[str]) -> None:
    one = Masker(([value], "[-]") for value in values)
    shown = "".join(streamed(one, pieces))
    whole = "".join(pieces)
    assert not any(value in shown for value in values)
    if not any(value in whole for value in values):
        assert shown == whole


def test_what_is_not_a_value_arrives_unchanged_whatever_the_pieces() -> None:
    text = "".join(f"{number} sk-012345678 {'sk-' * (number % 5)}\n" for number in range(500))
    pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
    assert "".join(streamed(masker(TOKEN), pieces)) == text


@pytest.mark.parametrize(
    ("value", "piece"),
    [
        ("a" * 65_535 + "b", "a" * 4096),
        ("ab" * 32_767 + "c", "ab" * 2048),
        ("a" * 65_535 + "b", "a"),
        ("x" * 16 + "y" * 60_000, "x" * 16 + "y"),
        (TOKEN, "s"),
    ],
)
def test_the_time_grows_with_the_text_and_not_with_the_value(value: str, piece: str) -> None:
    """Four times the text takes about four times as long, also when all of it is nearly a value."""

    def seconds(characters: int) -> float:
        one = Masker([(plain_forms(value), "[-]")])
        stream = MaskedStream(one)
        started = time.thread_time()
        for _ in range(characters // len(piece)):
            stream.take(piece)
        stream.end()
        return time.thread_time() - started

    size = 1 << 20 if len(piece) > 1000 else 1 << 15
    seconds(size // 4)  # what is done once
    assert seconds(4 * size) < 10 * seconds(size) + 0.5
