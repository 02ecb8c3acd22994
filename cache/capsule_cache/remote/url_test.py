from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache.remote.url import BadUrl, parse_url


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("file:///srv/cache", "/srv/cache"),
        ("file:///srv/cache/", "/srv/cache"),
        ("https://cache.example.com/capsule/", "https://cache.example.com/capsule"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080/x", "http://[::1]:8080/x"),
        ("s3://bucket/some/prefix", "bucket/some/prefix"),
    ],
)
def test_addresses_that_can_be_used(text: str, base: str) -> None:
    assert parse_url(text).base == base
    assert str(parse_url(text)) == text.rstrip("/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "srv/cache",
        "/srv/cache",
        "ftp://host/x",
        "memory://x",
        "zip://x::file:///y",
        "simplecache::https://host/x",
        "file://host/share",
        "file://relative",
        "file:///srv/../etc",
        "https://",
        "https://host:99999/x",
        "https://host/x?token=1",
        "https://host/x#y",
        "https://host/a b",
        "https://host/a\nb",
        "https://host/%0a\x1b[2J",
        "s3://UPPER/x",
        "s3://b",
        "https://[::1/x",
        "https://h/" + "x" * 2000,
    ],
)
def test_other_addresses_are_refused_with_a_hint(text: str) -> None:
    with pytest.raises(BadUrl) as caught:
        parse_url(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text", ["https://user:hunter2@host/x", "https://hunter2@host", "s3://id:hunter2@bucket"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(BadUrl, match="password") as caught:
        parse_url(text)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert "CAPSULE_CACHE_AUTHORIZATION" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("https://host/x", True),
        ("http://127.0.0.1:1/x", True),
        ("http://[::1]/x", True),
        ("http://localhost/x", True),
        ("http://host/x", False),
        ("http://localhost.example.com/x", False),
        ("http://10.0.0.1/x", False),
    ],
)
def test_credentials_go_over_tls_or_to_this_machine(text: str, safe: bool) -> None:
    assert parse_url(text).secret_safe is safe


@given(st.text(max_size=60) | st.from_regex(r"(file|https?|s3)://[^\0]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    with suppress(BadUrl):
        assert parse_url(text).base
