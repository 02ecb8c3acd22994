from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from capsule.egress.wire import parse_request
from capsule.sdk import http


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON; some paths differ."""

    def answer(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        asked = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": self.rfile.read(length).decode("latin-1"),
        }
        if self.path == "/slow":
            time.sleep(1)
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/here")
        else:
            self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
        content = json.dumps(asked).encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            with suppress(BrokenPipeError):
                self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def response(content: bytes = b"", content_type: str | None = None, status: int = 200) -> http.Response:
    headers = [("Content-Type", content_type)] if content_type else []
    return http.Response(status, "", "http://x.com/", http.Headers(headers), content)


# Requests that are really sent


def test_the_guides_example_works(url: str) -> None:
    answer = http.get(f"{url}/data")
    assert answer.ok()
    assert answer.status_code == 200
    assert answer.json()["path"] == "/data"
    assert answer.text() == answer.content.decode()
    posted = http.post(f"{url}/submit", json={"key": "value"}).json()
    assert posted["method"] == "POST"
    assert json.loads(posted["body"]) == {"key": "value"}
    assert posted["headers"]["content-type"] == "application/json"


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_each_function_sends_its_method(url: str, method: str) -> None:
    assert getattr(http, method)(url).json()["method"] == method.upper()


def test_head_has_no_body(url: str) -> None:
    answer = http.head(url)
    assert (answer.status_code, answer.content) == (200, b"")


def test_any_method_can_be_requested(url: str) -> None:
    assert http.request("options", url).json()["method"] == "OPTIONS"


def test_default_headers_are_sent_unless_given(url: str) -> None:
    sent = http.get(url).json()["headers"]
    assert sent["user-agent"].startswith("capsule/")
    assert sent["accept"] == "*/*"
    sent = http.get(url, headers={"USER-AGENT": "mine", "accept": "text/html"}).json()["headers"]
    assert (sent["user-agent"], sent["accept"]) == ("mine", "text/html")


@pytest.mark.parametrize(
    ("data", "body", "content_type"),
    [
        (b"\x00\xff", "\x00\xff", None),
        (bytearray(b"ab"), "ab", None),
        ("\u00fc", "\u00c3\u00bc", None),
        ({"a": "1 2", "b": ["x", "y"], "c": None}, "a=1+2&b=x&b=y", "application/x-www-form-urlencoded"),
        ([("a", 1), ("a", 2)], "a=1&a=2", "application/x-www-form-urlencoded"),
        ("", "", None),
    ],
)
def test_data_is_sent_as_bytes_text_or_a_form(
    url: str, data: Any, body: str, content_type: str | None
) -> None:
    sent = http.post(url, data=data).json()
    assert sent["body"] == body
    assert sent["headers"].get("content-type") == content_type


def test_a_content_type_of_the_callers_stays(url: str) -> None:
    sent = http.post(url, json=[], headers={"content-type": "application/x-mine"}).json()["headers"]
    assert sent["content-type"] == "application/x-mine"


@pytest.mark.parametrize(
    ("path", "params", "asked"),
    [
        ("/", {"q": "a b&c", "n": 1}, "/?q=a+b%26c&n=1"),
        ("/?x=1", {"q": ["1", "2"]}, "/?x=1&q=1&q=2"),
        ("/?x=1#part", [("q", None), ("r", "\u00fc")], "/?x=1&r=%C3%BC"),
        ("/?", "raw=1", "/?raw=1"),
        ("", {"q": "1"}, "/?q=1"),
        ("/", {}, "/"),
    ],
)
def test_params_are_added_to_the_query(url: str, path: str, params: Any, asked: str) -> None:
    assert http.get(url + path, params=params).json()["path"] == asked


def test_redirects_are_followed_unless_told_not_to(url: str) -> None:
    followed = http.get(f"{url}/moved")
    assert followed.url == f"{url}/here"
    assert followed.json()["path"] == "/here"
    kept = http.get(f"{url}/moved", allow_redirects=False)
    assert kept.status_code == 302
    assert kept.headers["location"] == "/here"


def test_repeated_headers_are_joined_and_can_be_had_one_by_one(url: str) -> None:
    headers = http.get(url).headers
    assert headers["set-cookie"] == headers["SET-COOKIE"] == "a=1, b=2"
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]


@pytest.mark.parametrize(
    ("status", "ok", "raises"), [(200, True, False), (204, True, False), (302, False, False)]
)
def test_only_2xx_is_ok(status: int, ok: bool, raises: bool) -> None:
    answer = response(status=status)
    assert answer.ok() is ok
    answer.raise_for_status()


@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_raise_for_status_names_status_and_url(url: str, status: int) -> None:
    answer = http.get(f"{url}/{status}")
    assert not answer.ok()
    with pytest.raises(http.HttpError, match=str(status)) as error:
        answer.raise_for_status()
    assert url in str(error.value)
    assert error.value.response is answer


# Failures


def test_a_timeout_is_a_timeout_error(url: str) -> None:
    with pytest.raises(http.Timeout) as error:
        http.get(f"{url}/slow", timeout=0.1)
    assert isinstance(error.value, TimeoutError)


def test_a_refused_connection_is_a_connection_error() -> None:
    with pytest.raises(http.ConnectionFailed) as error:
        http.get("http://127.0.0.1:1/")
    assert isinstance(error.value, ConnectionError)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "ftp://x.com/"},
        {"url": "x.com"},
        {"url": 5},
        {"method": "GE T"},
        {"headers": {"a": "b\r\nc: d"}},
        {"headers": {"a b": "c"}},
        {"headers": {"a": 1}},
        {"headers": 5},
        {"headers": ["ab", "abc"]},
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"json": float("nan")},
        {"json": object()},
        {"json": {}, "data": b""},
        {"data": "\ud800"},
        {"data": {"a": "\ud800"}},
        {"data": 5},
        {"params": {"a": "\ud800"}},
        {"params": 5},
    ],
)
def test_what_can_not_be_sent_is_a_value_error(options: dict[str, Any]) -> None:
    with pytest.raises(http.InvalidRequest) as error:
        http.request(**({"method": "GET", "url": "http://127.0.0.1:1/"} | options))
    assert isinstance(error.value, ValueError)


def test_each_failure_of_the_contract_has_its_exception() -> None:
    kinds = {
        "denied": (http.PermissionDenied, PermissionError),
        "invalid-request": (http.InvalidRequest, ValueError),
        "network": (http.ConnectionFailed, ConnectionError),
        "timeout": (http.Timeout, TimeoutError),
        "too-large": (http.ResponseTooLarge, OSError),
        "unknown-handle": (http.ConnectionFailed, OSError),
    }
    for reason, (kind, builtin) in kinds.items():
        error = http.failure(reason, "why")
        assert type(error) is kind
        assert isinstance(error, http.HttpError)
        assert isinstance(error, builtin)
        assert str(error) == "why"
        assert error.response is None


# The pure part, which the guest has too


def test_what_is_built_is_what_the_host_reads() -> None:
    text = http.build_request(
        "post", "http://x.com/", params={"a": "b"}, json=[1], headers=[("X", "1"), ("X", "2")], timeout=3
    )
    request = parse_request(text)
    assert (request.method, request.url, request.body) == ("POST", "http://x.com/?a=b", b"[1]")
    assert request.headers[:2] == (("X", "1"), ("X", "2"))
    assert request.timeout == 3
    assert request.redirects


def test_a_response_is_read_from_the_contracts_text() -> None:
    fields = {
        "status": 404,
        "reason": "Not Found",
        "url": "http://x.com/",
        "headers": [["A", "1"], ["a", "2"]],
        "body": base64.b64encode(b"\x00").decode(),
    }
    answer = http.read_response(json.dumps(fields))
    assert (answer.status_code, answer.reason, answer.url) == (404, "Not Found", "http://x.com/")
    assert (dict(answer.headers), answer.content) == ({"A": "1, 2"}, b"\x00")
    assert repr(answer) == "<Response [404]>"


@pytest.mark.parametrize(
    ("content", "content_type", "text"),
    [
        (b"\xc3\xbc", None, "\u00fc"),
        (b"\xfc", "text/html; charset=ISO-8859-1", "\u00fc"),
        (b"\xfc", 'text/html; charset="latin-1"; x=y', "\u00fc"),
        (b"\xc3\xbc", "text/html; charset=nonsense", "\u00fc"),
        (b"\xc3\xbc", "text/html; charset=rot13", "\u00fc"),
        (b"\xc3\xbc", "text/html; charset=zip", "\u00fc"),
        (b"\xff", "text/html", "\ufffd"),
        (b"", None, ""),
    ],
)
def test_text_follows_the_charset_and_never_fails(
    content: bytes, content_type: str | None, text: str
) -> None:
    assert response(content, content_type).text() == text


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_not_json_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - which of its kinds is the json module's business
        response(content).json()


def test_headers_are_a_mapping_that_ignores_case() -> None:
    headers = http.Headers([("A", "1"), ("b", "2"), ("a", "3")])
    assert list(headers) == ["A", "b"]
    assert len(headers) == 2
    assert headers["a"] == "1, 3"
    assert "B" in headers
    assert headers.get("c") is None
    with pytest.raises(KeyError):
        headers["c"]


def test_importing_it_is_light() -> None:
    heavy = {"urllib3", "ssl", "asyncio", "http.client", "email", "wasmtime", "capsule.runtime"}
    code = f"import sys, capsule.http; print(*({heavy!r} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "\n"
