from __future__ import annotations

import gzip
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from capsule.egress import connection
from capsule.egress.fetch import Fetcher, Hop
from capsule.egress.policy import AllowList
from capsule.egress.wire import HttpRequest, HttpResponse, RequestFailure

MIB = 1024 * 1024
SLACK = 1.0
"""Seconds that a busy machine may add to a deadline."""

Headers = dict[str, str]
Answer = tuple[int, list[tuple[str, str]], bytes]


class Site:
    """An HTTP server on loopback: answers by path, and notes what it was asked."""

    def __init__(self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.answers: dict[str, Answer | Callable[[BaseHTTPRequestHandler], None]] = {}
        self.asked: list[tuple[str, str, Headers, bytes]] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65537)
                if not self.raw_requestline or not self.parse_request():
                    self.close_connection = True
                    return
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.asked.append((self.command, self.path, headers, body))
                answer = site.answers.get(self.path.partition("?")[0], (404, [], b"nothing here"))
                if callable(answer):
                    self.close_connection = True
                    answer(self)
                    return
                status, fields, content = answer
                self.send_response(status)
                for name, value in fields:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass

        self.server = Server((address, 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_port
        self.url = f"http://{address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def redirect(self, path: str, to: str, status: int = 302) -> None:
        self.answers[path] = (status, [("Location", to)], b"moved")

    def raw(self, path: str, *parts: bytes, pause: float = 0.0) -> None:
        def send(handler: BaseHTTPRequestHandler) -> None:
            for part in parts:
                handler.wfile.write(part)
                handler.wfile.flush()
                time.sleep(pause)

        self.answers[path] = send

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@contextmanager
def serving(address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[Site]:
    site = Site(address, tls)
    try:
        yield site
    finally:
        site.close()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def other() -> Iterator[Site]:
    try:
        site = Site("127.0.0.2")
    except OSError:
        pytest.skip("only 127.0.0.1 is set up on this machine's loopback")
    yield site
    site.close()


def fetch(
    url: str,
    allow: tuple[str, ...] = ("127.0.0.1",),
    method: str = "GET",
    limit: int = 64 * MIB,
    **fields: Any,
) -> HttpResponse:
    deadline = fields.pop("deadline", None)
    on_hop = fields.pop("on_hop", None)
    fetcher = Fetcher(
        AllowList(allow), max_response_bytes=limit, resolver=fields.pop("resolver", socket.getaddrinfo)
    )
    return fetcher.fetch(HttpRequest(method, url, **fields), deadline, on_hop)


def failing(url: str, *args: Any, **fields: Any) -> RequestFailure:
    with pytest.raises(RequestFailure) as failure:
        fetch(url, *args, **fields)
    failure.value.message.encode()
    return failure.value


def answering(*addresses: str) -> Callable[..., list[Any]]:
    """A resolver that gives these addresses for every name."""

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    return resolve


# What is sent, and what comes back


def test_a_response_comes_back_whole(site: Site) -> None:
    site.answers["/a"] = (201, [("X-Two", "1"), ("X-Two", "2"), ("Content-Type", "text/x")], b"\x00\xffbody")
    response = fetch(f"{site.url}/a?q=1")
    assert (response.status, response.reason, response.body) == (201, "Created", b"\x00\xffbody")
    assert response.url == f"{site.url}/a?q=1"
    assert [value for name, value in response.headers if name == "X-Two"] == ["1", "2"]
    assert ("Content-Length", "6") in response.headers


def test_method_path_headers_and_body_arrive(site: Site) -> None:
    site.answers["/p q"] = site.answers["/p%20q"] = (200, [], b"")
    fetch(
        f"{site.url}/p q?x=\u00fc",
        method="PATCH",
        headers=(("X-A", "\u00fc"), ("Cookie", "c=1")),
        body=b"123",
    )
    method, path, headers, body = site.asked[0]
    assert (method, path, body) == ("PATCH", "/p%20q?x=%C3%BC", b"123")
    assert headers["x-a"].encode("latin-1") == b"\xfc"
    assert headers["cookie"] == "c=1"
    assert headers["host"] == f"127.0.0.1:{site.port}"
    assert headers["content-length"] == "3"
    assert headers["user-agent"] == "capsule/1"
    assert headers["connection"] == "close"


def test_a_guest_can_not_choose_host_or_framing(site: Site) -> None:
    fields = (("Host", "evil.com"), ("Transfer-Encoding", "chunked"), ("Content-Length", "9"))
    fetch(f"{site.url}/", method="POST", headers=fields, body=b"abc")
    _, _, headers, body = site.asked[0]
    assert headers["host"] == f"127.0.0.1:{site.port}"
    assert "transfer-encoding" not in headers
    assert body == b"abc"


def test_an_empty_post_says_so(site: Site) -> None:
    fetch(f"{site.url}/", method="POST")
    assert site.asked[0][2]["content-length"] == "0"


def test_head_has_headers_and_no_body(site: Site) -> None:
    site.answers["/"] = (200, [], b"12345")
    response = fetch(f"{site.url}/", method="HEAD")
    assert response.body == b""
    assert ("Content-Length", "5") in response.headers


def test_errors_of_the_server_are_responses(site: Site) -> None:
    assert fetch(f"{site.url}/missing").status == 404


def test_nothing_is_taken_from_the_environment(
    site: Site, other: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("http_proxy", other.url)
    monkeypatch.setenv("HTTP_PROXY", other.url)
    monkeypatch.setenv("ALL_PROXY", other.url)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    site.answers["/"] = (200, [("Set-Cookie", "a=b; Path=/")], b"")
    fetcher = Fetcher(AllowList(("127.0.0.1",)))
    for _ in range(2):
        fetcher.fetch(HttpRequest("GET", f"{site.url}/"))
    assert other.asked == []
    for _, _, headers, _ in site.asked:
        assert "authorization" not in headers
        assert "cookie" not in headers


# Encodings


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        ("gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda data: zlib.compress(data, wbits=-15)),
        ("gzip", lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:])),
    ],
)
def test_bodies_arrive_decoded(site: Site, coding: str, encode: Callable[[bytes], bytes]) -> None:
    site.answers["/"] = (200, [("Content-Encoding", coding)], encode(b"hello " * 50_000))
    response = fetch(f"{site.url}/")
    assert response.body == b"hello " * 50_000
    assert {name.lower() for name, _ in response.headers}.isdisjoint({"content-encoding", "content-length"})


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "unknown"])
def test_other_encodings_arrive_as_they_are(site: Site, coding: str) -> None:
    site.answers["/"] = (200, [("Content-Encoding", coding)], b"as it is")
    response = fetch(f"{site.url}/")
    assert response.body == b"as it is"
    assert ("Content-Encoding", coding) in response.headers


def test_the_host_offers_only_encodings_that_it_decodes(site: Site) -> None:
    fetch(f"{site.url}/", headers=(("Accept-Encoding", "gzip, br, compress"),))
    fetch(f"{site.url}/", headers=(("Accept-Encoding", "identity"),))
    offers = [headers["accept-encoding"] for _, _, headers, _ in site.asked]
    assert offers[0].startswith("gzip, x-gzip, deflate")
    assert "br" not in offers[0]
    assert offers[1] == "identity"


def test_a_broken_encoding_is_a_network_failure(site: Site) -> None:
    site.answers["/"] = (200, [("Content-Encoding", "gzip")], b"this is not gzip")
    assert failing(f"{site.url}/").reason == "network"


# Bounds


def test_a_body_may_have_the_limit_and_not_a_byte_more(site: Site) -> None:
    site.answers["/"] = (200, [], b"x" * 1000)
    assert len(fetch(f"{site.url}/", limit=1000).body) == 1000
    assert failing(f"{site.url}/", limit=999).reason == "too-large"


def test_a_body_that_is_announced_as_too_large_is_not_waited_for(site: Site) -> None:
    site.raw("/", b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n", pause=2)
    with ending_after(0):
        assert failing(f"{site.url}/", limit=1000).reason == "too-large"


def test_a_body_without_a_length_is_bounded(site: Site) -> None:
    site.raw("/", b"HTTP/1.1 200 OK\r\n\r\n", *[b"x" * 100_000] * 20)
    assert failing(f"{site.url}/", limit=MIB).reason == "too-large"


def test_a_chunked_body_is_read_and_bounded(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    site.raw("/", head, *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 20, b"0\r\n\r\n")
    assert len(fetch(f"{site.url}/", limit=2 * MIB).body) == 20 * 65536
    assert failing(f"{site.url}/", limit=MIB).reason == "too-large"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_gzip_bomb_is_stopped_without_being_unpacked(site: Site, chunked: bool) -> None:
    bomb = gzip.compress(bytes(200 * MIB), 6)
    if chunked:
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        site.raw("/", head, b"%x\r\n" % len(bomb), bomb, b"\r\n0\r\n\r\n")
    else:
        site.answers["/"] = (200, [("Content-Encoding", "gzip")], bomb)
    tracemalloc.start()
    try:
        assert failing(f"{site.url}/", limit=4 * MIB).reason == "too-large"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16 * MIB


def test_endless_headers_are_stopped(site: Site) -> None:
    site.raw("/", b"HTTP/1.1 200 OK\r\n", *[b"X: " + b"y" * 60_000 + b"\r\n"] * 100)
    assert failing(f"{site.url}/").reason in ("network", "too-large")


def test_endless_interim_responses_are_stopped(site: Site) -> None:
    site.raw("/", *[b"HTTP/1.1 100 Continue\r\n\r\n" * 4000] * 100)
    assert failing(f"{site.url}/").reason == "too-large"


def test_endless_trailers_are_stopped(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    site.raw("/", head, *[b"X: " + b"y" * 60_000 + b"\r\n"] * 100)
    assert failing(f"{site.url}/", limit=MIB).reason == "too-large"


def test_data_that_decodes_to_nothing_for_ever_is_stopped(site: Site) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    site.raw("/", head, *[gzip.compress(b"") * 5000] * 100)
    assert failing(f"{site.url}/", limit=MIB).reason == "too-large"


# Broken servers


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\r\n",
        b"hello\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 2OO OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabcdefgh",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_a_network_failure(site: Site, answer: bytes) -> None:
    site.raw("/", answer)
    assert failing(f"{site.url}/").reason == "network"


def test_a_body_ends_where_its_length_says(site: Site) -> None:
    site.raw("/", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\n\r\n")
    assert fetch(f"{site.url}/").body == b"ab"


def test_a_closed_port_is_a_network_failure() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        failure = failing(f"http://127.0.0.1:{taken.getsockname()[1]}/")
    assert failure.reason == "network"
    assert "refused" in failure.message


def test_an_unknown_name_is_a_network_failure() -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    failure = failing("http://nowhere.example/", ("nowhere.example",), resolver=resolve)
    assert failure.reason == "network"
    assert "nowhere.example" in failure.message


# Who may be reached


def test_a_denied_host_is_not_contacted(other: Site) -> None:
    failure = failing(f"{other.url}/", ("127.0.0.1", "*"))
    assert failure.reason == "denied"
    assert other.asked == []


def test_a_name_is_resolved_once_and_the_checked_address_is_used(site: Site, other: Site) -> None:
    site.answers["/"] = other.answers["/"] = (200, [], b"")
    calls = []

    def rebinding(host: str, port: int, **options: Any) -> list[Any]:
        calls.append(host)
        return answering("127.0.0.1" if len(calls) == 1 else "127.0.0.2")(host, port)

    # Only the address on 127.0.0.1 is named, so a second answer would be refused, or reach the other site.
    fetch(f"http://rebind.example:{site.port}/", ("*", f"127.0.0.1:{site.port}"), resolver=rebinding)
    assert calls == ["rebind.example"]
    assert site.asked[0][2]["host"] == f"rebind.example:{site.port}"


def test_a_name_with_an_inner_address_among_its_addresses_is_denied(site: Site) -> None:
    failure = failing(
        f"http://mixed.example:{site.port}/", ("*",), resolver=answering("93.184.215.14", "127.0.0.1")
    )
    assert failure.reason == "denied"
    assert site.asked == []


def test_localhost_is_reached_when_it_is_named(site: Site) -> None:
    assert fetch(f"http://localhost:{site.port}/", ("localhost",)).status == 404
    assert failing(f"http://localhost:{site.port}/", ("*",)).reason == "denied"


def test_the_next_address_is_tried_when_one_refuses(site: Site) -> None:
    resolver = answering("127.0.0.3", "127.0.0.1")
    assert fetch(f"http://two.example:{site.port}/", ("two.example",), resolver=resolver).status == 404


def test_ipv6_works() -> None:
    class Server6(ThreadingHTTPServer):
        address_family = socket.AF_INET6

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(self.headers["Host"].encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    try:
        server = Server6(("::1", 0), Handler)
    except OSError:
        pytest.skip("no IPv6 on this machine")
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        response = fetch(f"http://[0:0::1]:{server.server_port}/", ("::1",))
        assert response.body == f"[::1]:{server.server_port}".encode()
    finally:
        server.shutdown()
        server.server_close()


# Redirects


def test_redirects_are_followed_to_allowed_hosts(site: Site, other: Site) -> None:
    site.redirect("/a", "/b?x=1")
    site.redirect("/b", f"{other.url}/c")
    other.answers["/c"] = (200, [], b"there")
    response = fetch(f"{site.url}/a", ("127.0.0.1", "127.0.0.2"))
    assert (response.body, response.url) == (b"there", f"{other.url}/c")


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_host_off_the_list_is_denied(site: Site, other: Site, status: int) -> None:
    site.redirect("/a", f"{other.url}/secret", status)
    failure = failing(f"{site.url}/a", (f"127.0.0.1:{site.port}", "*"))
    assert failure.reason == "denied"
    assert "127.0.0.2" in failure.message
    assert other.asked == []


@pytest.mark.parametrize(
    "location",
    [
        "http://localhost:{port}/",
        "http://2130706434:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "//127.0.0.2:{port}/",
        "http://x.localhost:{port}/",
    ],
)
def test_no_spelling_of_a_redirect_gets_past_the_list(site: Site, other: Site, location: str) -> None:
    site.redirect("/a", location.format(port=other.port))
    assert failing(f"{site.url}/a", ("127.0.0.1", "*")).reason == "denied"
    assert other.asked == []


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "javascript:1", "http://[", "http://a@127.0.0.1/"])
def test_a_redirect_to_no_http_url_is_a_network_failure(site: Site, location: str) -> None:
    site.redirect("/a", location)
    assert failing(f"{site.url}/a").reason == "network"


def test_a_redirect_in_plain_utf_8_is_followed(site: Site) -> None:
    site.raw("/a", "HTTP/1.1 302 Found\r\nLocation: /\u00fc b\r\n\r\n".encode())
    site.answers["/%C3%BC%20b"] = (200, [], b"there")
    assert fetch(f"{site.url}/a").body == b"there"


def test_redirects_end_after_ten(site: Site) -> None:
    for step in range(11):
        site.redirect(f"/{step}", f"/{step + 1}")
    site.answers["/11"] = (200, [], b"end")
    assert fetch(f"{site.url}/1").body == b"end"
    assert failing(f"{site.url}/0").reason == "network"


def test_redirects_can_be_left_to_the_caller(site: Site) -> None:
    site.redirect("/a", "http://elsewhere.example/")
    response = fetch(f"{site.url}/a", redirects=False)
    assert (response.status, response.body) == (302, b"moved")
    assert ("Location", "http://elsewhere.example/") in response.headers


def test_credentials_do_not_follow_to_another_origin_nor_come_back(site: Site, other: Site) -> None:
    site.redirect("/same", "/a")
    site.redirect("/a", f"{other.url}/b")
    other.redirect("/b", f"{site.url}/c")
    headers = (("Authorization", "Bearer x"), ("cookie", "c=1"), ("X-Other", "kept"))
    fetch(f"{site.url}/same", ("127.0.0.1", "127.0.0.2"), headers=headers)
    same, first, last = (asked[2] for asked in site.asked)
    assert same["authorization"] == first["authorization"] == "Bearer x"
    for later in (other.asked[0][2], last):
        assert "authorization" not in later
        assert "cookie" not in later
        assert later["x-other"] == "kept"


def test_another_port_is_another_origin(site: Site) -> None:
    with serving() as second:
        site.redirect("/a", f"{second.url}/b")
        fetch(f"{site.url}/a", headers=(("Authorization", "Bearer x"),))
        assert "authorization" not in second.asked[0][2]


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
def test_a_redirect_changes_the_method_as_http_says(site: Site, status: int, method: str, then: str) -> None:
    site.redirect("/a", "/b", status)
    fetch(f"{site.url}/a", method=method, headers=(("Content-Type", "text/plain"),), body=b"data")
    last_method, _, headers, body = site.asked[1]
    assert last_method == then
    assert body == (b"" if then == "GET" else b"data")
    assert ("content-type" in headers) == (then != "GET")


def test_head_stays_head(site: Site) -> None:
    site.redirect("/a", "/b", 303)
    fetch(f"{site.url}/a", method="HEAD")
    assert [asked[0] for asked in site.asked] == ["HEAD", "HEAD"]


def test_every_hop_is_reported_without_its_query(site: Site, other: Site) -> None:
    site.redirect("/a", "/b?token=2")
    site.redirect("/b", f"{other.url}/c?token=3")
    hops: list[Hop] = []
    failing(f"{site.url}/a?token=1", method="POST", body=b"1234", on_hop=hops.append)
    assert [(hop.method, hop.url, hop.status, hop.failure) for hop in hops] == [
        ("POST", f"{site.url}/a", 302, None),
        ("GET", f"{site.url}/b", 302, None),
        ("GET", f"{other.url}/c", None, "denied"),
    ]
    assert (hops[0].sent, hops[1].sent) == (4, 0)
    assert hops[0].received > 50
    assert hops[2].received == 0
    assert hops[0].duration > 0


# Deadlines


@contextmanager
def ending_after(seconds: float) -> Iterator[None]:
    started = time.monotonic()
    yield
    took = time.monotonic() - started
    assert seconds - 0.01 <= took < seconds + SLACK


def drip(path_head: bytes, byte: bytes) -> tuple[bytes, ...]:
    return (path_head, *[byte] * 200)


@pytest.mark.parametrize(
    ("head", "byte"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"x"),
        (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"y"),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"H"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
)
def test_a_server_that_drips_can_not_stretch_the_timeout(site: Site, head: bytes, byte: bytes) -> None:
    site.raw("/", *drip(head, byte), pause=0.05)
    with ending_after(0.3):
        assert failing(f"{site.url}/", timeout=0.3).reason == "timeout"


def test_a_silent_server_ends_at_the_deadline(site: Site) -> None:
    site.raw("/", b"", pause=2)
    with ending_after(0.3):
        assert failing(f"{site.url}/", deadline=time.monotonic() + 0.3).reason == "timeout"


def test_the_earlier_of_timeout_and_deadline_counts(site: Site) -> None:
    site.raw("/", b"", pause=2)
    with ending_after(0.2):
        assert failing(f"{site.url}/", timeout=0.2, deadline=time.monotonic() + 10).reason == "timeout"
    with ending_after(0.2):
        assert failing(f"{site.url}/", timeout=10, deadline=time.monotonic() + 0.2).reason == "timeout"


def test_a_passed_deadline_sends_nothing(site: Site) -> None:
    assert failing(f"{site.url}/", deadline=time.monotonic() - 1).reason == "timeout"
    assert site.asked == []


def test_slow_redirects_share_one_timeout(site: Site) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        time.sleep(0.15)
        handler.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /a\r\nContent-Length: 0\r\n\r\n")

    site.answers["/a"] = slow
    with ending_after(0.4):
        assert failing(f"{site.url}/a", timeout=0.4).reason == "timeout"


def test_a_server_that_does_not_read_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, ending_after(0.3):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert failing(url, method="POST", body=bytes(32 * MIB), timeout=0.3).reason == "timeout"


def test_a_slow_resolver_ends_at_the_deadline() -> None:
    def resolve(*_: Any, **__: Any) -> list[Any]:
        time.sleep(3)
        return []

    with ending_after(0.2):
        assert failing("http://slow.example/", ("*",), resolver=resolve, timeout=0.2).reason == "timeout"


@pytest.mark.skipif(sys.platform != "linux", reason="other kernels accept beyond a full backlog")
def test_an_address_that_does_not_answer_ends_at_the_deadline() -> None:
    # A full backlog makes the kernel drop what else would connect.
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        with ending_after(0.3):
            failure = failing(f"http://127.0.0.1:{address[1]}/", timeout=0.3)
        for sock in waiting:
            sock.close()
    assert failure.reason == "timeout"


@pytest.mark.parametrize("stage", ["resolving", "waiting", "reading", "handshake"])
def test_close_ends_what_is_in_flight(site: Site, stage: str) -> None:
    resolving = threading.Event()

    def resolve(host: str, port: int, **_: Any) -> list[Any]:
        if stage == "resolving":
            resolving.wait(2)
        return answering("127.0.0.1")(host, port)

    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc" if stage == "reading" else b""
    site.raw("/", head, pause=2)
    fetcher = Fetcher(AllowList(("slow.example",)), resolver=resolve)
    timer = threading.Timer(0.2, fetcher.close)
    timer.start()
    with socket.create_server(("127.0.0.1", 0)) as silent, ending_after(0.2):
        url = f"http://slow.example:{site.port}/"
        if stage == "handshake":
            url = f"https://slow.example:{silent.getsockname()[1]}/"
        with pytest.raises(RequestFailure) as failure:
            fetcher.fetch(HttpRequest("GET", url))
    resolving.set()
    assert failure.value.reason == "network"
    with pytest.raises(RequestFailure, match="cancelled"):
        fetcher.fetch(HttpRequest("GET", url))


def test_many_threads_share_a_fetcher(site: Site) -> None:
    site.answers["/"] = (200, [], b"x" * 100_000)
    fetcher = Fetcher(AllowList(("localhost",)))
    sizes: list[int] = []

    def work() -> None:
        for _ in range(5):
            sizes.append(len(fetcher.fetch(HttpRequest("GET", f"http://localhost:{site.port}/")).body))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes == [100_000] * 40


def test_a_failing_listener_fails_no_request(site: Site) -> None:
    def broken(hop: Hop) -> None:
        raise RuntimeError(hop.url)

    assert fetch(f"{site.url}/", on_hop=broken).status == 404


def test_a_failure_of_the_policy_or_the_resolver_is_a_request_failure() -> None:
    def broken(*_: Any, **__: Any) -> list[Any]:
        raise RuntimeError("resolver")

    assert failing("http://x.example/", ("*",), resolver=broken).reason == "network"
    assert failing("http://x.example/", ("*",), resolver=lambda *_, **__: [("odd",)]).reason == "network"


# TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl command")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
            "-days",
            "2",
            "-subj",
            "/CN=secure.example",
            "-addext",
            "subjectAltName=DNS:secure.example",
        ],
        cwd=folder,
        check=True,
        capture_output=True,
    )
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
def secure(certificate: tuple[Path, Path]) -> Iterator[Site]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    with serving(tls=context) as site:
        site.answers["/"] = (200, [], b"secret " * 20_000)
        yield site


@pytest.fixture
def trusted(certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    connection.tls_context.cache_clear()
    yield
    connection.tls_context.cache_clear()


HERE = answering("127.0.0.1")


@pytest.mark.usefixtures("trusted")
def test_https_is_verified_for_the_name_on_a_pinned_address(secure: Site) -> None:
    url = f"https://secure.example:{secure.port}/"
    response = fetch(url, ("secure.example",), resolver=HERE, deadline=time.monotonic() + 10)
    assert response.body == b"secret " * 20_000
    assert response.url == url


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("host", ["other.example", "127.0.0.1"])
def test_a_certificate_for_another_name_is_refused(secure: Site, host: str) -> None:
    failure = failing(f"https://{host}:{secure.port}/", (host,), resolver=HERE)
    assert failure.reason == "network"
    assert "certificate" in failure.message
    assert secure.asked == []


def test_a_certificate_of_nobody_known_is_refused(secure: Site) -> None:
    connection.tls_context.cache_clear()
    failure = failing(f"https://secure.example:{secure.port}/", ("secure.example",), resolver=HERE)
    assert failure.reason == "network"
    assert "certificate" in failure.message


def test_plain_http_behind_https_is_a_network_failure(site: Site) -> None:
    assert failing(f"https://127.0.0.1:{site.port}/").reason == "network"


@pytest.mark.usefixtures("trusted")
def test_a_redirect_from_https_to_http_is_denied(secure: Site, site: Site) -> None:
    secure.redirect("/a", f"{site.url}/b")
    allow = ("secure.example", "127.0.0.1")
    failure = failing(f"https://secure.example:{secure.port}/a", allow, resolver=HERE)
    assert failure.reason == "denied"
    assert site.asked == []


@pytest.mark.usefixtures("trusted")
def test_a_tls_server_that_drips_can_not_stretch_the_timeout(secure: Site) -> None:
    secure.raw("/", *drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"x"), pause=0.05)
    with ending_after(0.4):
        failure = failing(
            f"https://secure.example:{secure.port}/", ("secure.example",), resolver=HERE, timeout=0.4
        )
    assert failure.reason == "timeout"


def test_a_handshake_that_never_ends_is_cut_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, ending_after(0.3):
        failure = failing(f"https://127.0.0.1:{silent.getsockname()[1]}/", timeout=0.3)
    assert failure.reason == "timeout"


def test_urllib3_is_not_imported_before_the_first_request() -> None:
    code = "import sys, capsule.egress.fetch; sys.exit('urllib3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
