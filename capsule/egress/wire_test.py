from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.egress import wire
from capsule.egress.wire import (
    HttpRequest,
    HttpResponse,
    RequestFailure,
    parse_request,
    render_response,
)


def request(**fields: Any) -> str:
    return json.dumps({"method": "GET", "url": "http://x.com/"} | fields)


def refusal(text: str) -> RequestFailure:
    with pytest.raises(RequestFailure) as failure:
        parse_request(text)
    return failure.value


def test_a_full_request_is_read_as_it_was_written() -> None:
    text = request(
        method="post",
        url="https://x.com/a?b=c",
        headers=[["X-One", " 1 "], ["x-one", "2"], ["X-Latin", "\u00fc"]],
        body=base64.b64encode(b"\x00\xff").decode(),
        timeout=1.5,
        redirects=False,
    )
    assert parse_request(text) == HttpRequest(
        method="POST",
        url="https://x.com/a?b=c",
        headers=(("X-One", "1"), ("x-one", "2"), ("X-Latin", "\u00fc")),
        body=b"\x00\xff",
        timeout=1.5,
        redirects=False,
    )


def test_all_but_method_and_url_may_be_left_out() -> None:
    assert parse_request(request()) == HttpRequest("GET", "http://x.com/", (), b"", None, True)


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "connection",
        "Transfer-Encoding",
        "CONTENT-LENGTH",
        "Upgrade",
        "TE",
        "Trailer",
        "Expect",
        "Keep-Alive",
        "Proxy-Authorization",
        "proxy-connection",
        "HTTP2-Settings",
    ],
)
def test_headers_that_frame_a_message_are_dropped(name: str) -> None:
    assert parse_request(request(headers=[[name, "x"], ["A", "b"]])).headers == (("A", "b"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"GET"',
        "{",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
        "{}",
        request(method=None),
        request(method=""),
        request(method="GE T"),
        request(method="GET\r\nX: y"),
        request(method="GET / HTTP/1.1\r\n\r\n"),
        request(method="G\u00cbT"),
        request(method="A" * 33),
        request(method="CONNECT"),
        request(method="trace"),
        request(url=None),
        request(url=["http://x.com/"]),
        request(url="http://x.com/" + "a" * 20_000),
        request(headers=None),
        request(headers={"a": "b"}),
        request(headers="abc"),
        request(headers=["ab"]),
        request(headers=[["a"]]),
        request(headers=[["a", "b", "c"]]),
        request(headers=[["a", 1]]),
        request(headers=[["a", None]]),
        request(headers=[["", "b"]]),
        request(headers=[["a:", "b"]]),
        request(headers=[["a b", "c"]]),
        request(headers=[["a\r\nb", "c"]]),
        request(headers=[["\u00e4", "b"]]),
        request(headers=[["a", "b\r\nc: d"]]),
        request(headers=[["a", "b\nc"]]),
        request(headers=[["a", "b\r"]]),
        request(headers=[["a", "b\x00"]]),
        request(headers=[["a", "b\x7f"]]),
        request(headers=[["a", "\u20ac"]]),
        request(headers=[["a", "\ud800"]]),
        request(headers=[["a" * 257, "b"]]),
        request(headers=[["Host", "a\r\nb: c"]]),
        request(headers=[["a", "b"]] * 101),
        request(headers=[["a", "b" * 40_000]] * 2),
        request(body=1),
        request(body=["YQ=="]),
        request(body="YQ"),
        request(body="Y Q = ="),
        request(body="\u20ac"),
        request(body="YQ==\n"),
        request(timeout=0),
        request(timeout=-1),
        request(timeout="1"),
        request(timeout=True),
        request(timeout=float("nan")),
        request(timeout=float("inf")),
        request(timeout=[1]),
        request(redirects=1),
        request(redirects=None),
        request(proxy="http://evil.com"),
        request(**{"\ud800": 1}),
    ],
)
def test_what_is_not_a_request_is_refused(text: str) -> None:
    failure = refusal(text)
    assert failure.reason == "invalid-request"
    failure.message.encode("ascii")
    assert len(failure.message) < 1000


def test_a_very_long_timeout_counts_as_a_day() -> None:
    assert parse_request(request(timeout=10**400)).timeout == 86_400


def test_a_body_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY_BYTES", 10)
    assert parse_request(request(body=base64.b64encode(b"x" * 10).decode())).body == b"x" * 10
    assert refusal(request(body=base64.b64encode(b"x" * 11).decode())).reason == "too-large"


def test_a_text_over_the_limit_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MAX_REQUEST_TEXT", 100)
    assert refusal("x" * 101).reason == "too-large"


def test_a_response_is_plain_ascii_json() -> None:
    response = HttpResponse(200, "\u00d6K", "http://x.com/", (("A", "\u00fc"), ("A", "\udcff")), b"\x00\xff")
    text = render_response(response)
    assert text.isascii()
    assert json.loads(text) == {
        "status": 200,
        "reason": "\u00d6K",
        "url": "http://x.com/",
        "headers": [["A", "\u00fc"], ["A", "\udcff"]],
        "body": "AP8=",
    }


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["GET", "YQ==", "a"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)
requests = st.fixed_dictionaries(
    {},
    optional={
        "method": json_values | st.sampled_from(["GET", "POST"]),
        "url": json_values,
        "headers": json_values | st.lists(st.tuples(st.text(), st.text())),
        "body": json_values | st.binary().map(lambda data: base64.b64encode(data).decode()),
        "timeout": json_values,
        "redirects": json_values,
        "other": json_values,
    },
)


@given(st.one_of(st.text(), json_values.map(json.dumps), requests.map(json.dumps)))
def test_any_text_is_a_request_or_a_failure(text: str) -> None:
    try:
        parsed = parse_request(text)
    except RequestFailure:
        return
    for name, value in parsed.headers:
        line = f"{name}: {value}".encode("latin-1")
        assert not set(line) & {0, 10, 13}
    assert parsed.method.isascii()
    assert parsed.timeout is None or 0 < parsed.timeout <= 86_400
