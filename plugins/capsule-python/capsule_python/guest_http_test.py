"""HTTP from inside: the SDK's own client, and libraries unmodified over stand-in sockets."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from capsule_python.harness_test import World, installed, program

_SOURCE = """
import asyncio, time
from capsule import http, task

@task
def sdk():
    response = http.post("https://example.com/x", json={"a": 1}, params={"p": 2}, timeout=4)
    return [response.status_code, response.ok(), response.json(), response.headers["x-h"], response.url]

@task
def sdk_failure(kind):
    try:
        http.get(f"https://fails/{kind}")
    except http.HttpError as error:
        standard = isinstance(error, (PermissionError, TimeoutError, ValueError))
        return [type(error).__name__, str(error), standard]

@task
def urllib_request():
    import urllib.request
    request = urllib.request.Request("http://example.com/a?b=1", data=b"xx", headers={"X-A": "1"})
    with urllib.request.urlopen(request, timeout=3) as response:
        seen = __import__("json").load(response)
        return [response.status, response.headers["x-h"], seen]

@task
def http_client():
    import http.client
    connection = http.client.HTTPSConnection("example.org:8443")
    connection.request("HEAD", "/head")
    head = connection.getresponse()
    empty = head.read()
    connection.request("GET", "/again")
    return [head.status, empty.decode(), __import__("json").load(connection.getresponse())["url"]]

@task
def requests_library():
    import requests
    session = requests.Session()
    got = session.get("https://example.com/p", params={"q": "a b"}, timeout=5)
    posted = session.post("http://example.com/j", json={"k": 1})
    chunked = session.post("http://example.com/c", data=(part for part in [b"ab", b"cd"]))
    moved = session.get("http://example.com/redirect")
    big = b"".join(session.get("http://example.com/big", stream=True).iter_content(1000))
    return {
        "get": got.json()["url"], "timeout": got.json()["timeout"], "post": posted.json()["body"],
        "chunked": chunked.json()["body"], "moved": [moved.url, [r.status_code for r in moved.history]],
        "big": len(big), "cookies": session.cookies.get_dict(),
        "sent_cookie": session.get("http://example.com/").json()["headers"].get("cookie"),
        "head": session.head("http://example.com/").status_code,
    }

@task
def urllib3_library():
    import urllib3
    pool = urllib3.PoolManager()
    first = pool.request("GET", "https://example.com/1").json()["url"]
    second = pool.request("POST", "https://example.com/2", fields={"a": "b"}).json()
    return [first, second["url"], 'name="a"' in second["body"]]

@task
def httpx_library():
    import httpx
    with httpx.Client() as client:
        first = client.get("https://example.com/1").json()["url"]
        second = client.post("https://example.com/2", json={"k": 1}).json()["body"]
    return [first, second, httpx.get("http://example.com/3").status_code]

@task
async def httpx_async():
    import httpx
    async with httpx.AsyncClient() as client:
        got = await asyncio.gather(*(client.get(f"https://example.com/slow/{n}") for n in range(4)))
        posted = await client.post("http://example.com/j", json={"k": 1})
    return [[response.json()["url"] for response in got], posted.json()["body"]]

@task
async def streams():
    reader, writer = await asyncio.open_connection("example.com", 443, ssl=True)
    writer.write(b"GET /raw HTTP/1.1\\r\\nHost: example.com\\r\\n\\r\\n")
    status = (await reader.readline()).decode()
    writer.close()
    return status

@task
def denied(library):
    url = "https://denied.com/"
    if library == "requests":
        import requests; requests.get(url)
    if library == "urllib":
        import urllib.request; urllib.request.urlopen(url)
    if library == "httpx":
        import httpx; httpx.get(url)
    if library == "urllib3":
        import urllib3; urllib3.request("GET", url)
    http.get(url)

@task
async def denied_async():
    import httpx
    async with httpx.AsyncClient() as client:
        await client.get("https://denied.com/")

@task
def timeouts():
    import requests, httpx, socket, urllib.request
    found = []
    for call, kind in (
        (lambda: requests.get("http://fails/timeout", timeout=1), requests.exceptions.Timeout),
        (lambda: httpx.get("http://fails/timeout", timeout=1), httpx.TimeoutException),
        (lambda: urllib.request.urlopen("http://fails/timeout", timeout=1), TimeoutError),
        (lambda: requests.get("http://fails/network"), requests.exceptions.ConnectionError),
        (lambda: httpx.get("http://fails/network"), httpx.TransportError),
    ):
        try:
            call()
        except kind as error:
            found.append(True)
    return found

@task
def other_protocols():
    import smtplib, socket
    found = []
    for attempt in (
        lambda: smtplib.SMTP("mail.example.com", 25),
        lambda: socket.create_connection(("example.com", 22)).recv(10),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("example.com", 53)),
        lambda: socket.socket().bind(("", 80)),
        proxy,
    ):
        try:
            attempt()
        except OSError as error:
            found.append("only HTTP requests can leave" in str(error) or str(error))
    return found

def proxy():
    import http.client
    connection = http.client.HTTPConnection("proxy", 3128)
    connection.set_tunnel("example.com", 443)
    connection.request("GET", "/")
"""


def _server(request: dict[str, Any]) -> dict[str, Any]:
    url = request["url"]
    if "denied" in url:
        return {"failure": "denied", "message": "allowed_hosts does not admit denied.com"}
    if "fails" in url:
        return {"failure": url.rpartition("/")[2], "message": "so it goes"}
    if "slow" in url:
        time.sleep(0.3)
    if url.endswith("/redirect"):
        return {
            "status": 302,
            "headers": [["Location", "/landed"], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]],
        }
    if url.endswith("/big"):
        # The host has decoded the body: what the server said of its encoding must not reach the library.
        return {"headers": [["content-encoding", "gzip"], ["content-length", "7"]], "body": b"z" * 1_000_000}
    if request["method"] == "HEAD":
        return {"headers": [["content-length", "1234"]]}
    seen = {
        "method": request["method"],
        "url": url,
        "body": request["body"].decode(),
        "timeout": request["timeout"],
        "redirects": request["redirects"],
        "headers": {name.lower(): value for name, value in request["headers"]},
    }
    return {
        "headers": [["X-H", "v"], ["Content-Type", "application/json"]],
        "body": json.dumps(seen).encode(),
    }


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> World:
    names = [
        "requests",
        "urllib3",
        "certifi",
        "idna",
        "charset_normalizer",
        "httpx",
        "httpcore",
        "anyio",
        "h11",
    ]
    import certifi

    app = tmp_path_factory.mktemp("app")
    (app / "certifi").mkdir()
    (app / "certifi" / "cacert.pem").write_bytes(Path(certifi.where()).read_bytes())
    tmp = tmp_path_factory.mktemp("tmp")
    entries = program(_SOURCE, installed(*names, "typing_extensions"))
    return World(entries, http=_server, mounts=[(app, "/app"), (tmp, "/tmp")])


def test_the_sdks_client(web: World) -> None:
    status, ok, seen, header, url = web.run("sdk").result
    assert (status, ok, header, url) == (200, True, "v", "https://example.com/x?p=2")
    assert seen["body"] == '{"a": 1}'
    assert seen["timeout"] == 4
    assert seen["redirects"] is True


def test_the_sdks_failures_have_their_types(web: World) -> None:
    found = {
        kind: web.run("sdk_failure", kind).result for kind in ("denied", "timeout", "network", "too-large")
    }
    assert found == {
        "denied": ["PermissionDenied", "allowed_hosts does not admit denied.com", True],
        "timeout": ["Timeout", "so it goes", True],
        "network": ["ConnectionFailed", "so it goes", False],
        "too-large": ["ResponseTooLarge", "so it goes", False],
    }


def test_urllib_request(web: World) -> None:
    status, header, seen = web.run("urllib_request").result
    assert (status, header) == (200, "v")
    assert (seen["method"], seen["url"], seen["body"]) == ("POST", "http://example.com/a?b=1", "xx")
    assert (seen["timeout"], seen["redirects"], seen["headers"]["x-a"]) == (3, False, "1")


def test_http_client_keeps_a_connection(web: World) -> None:
    assert web.run("http_client").result == [200, "", "https://example.org:8443/again"]


def test_requests(web: World) -> None:
    assert web.run("requests_library").result == {
        "get": "https://example.com/p?q=a+b",
        "timeout": 5,
        "post": '{"k": 1}',
        "chunked": "abcd",
        "moved": ["http://example.com/landed", [302]],
        "big": 1_000_000,
        "cookies": {"a": "1", "b": "2"},
        "sent_cookie": "a=1; b=2",
        "head": 200,
    }


def test_urllib3(web: World) -> None:
    assert web.run("urllib3_library").result == ["https://example.com/1", "https://example.com/2", True]


def test_httpx(web: World) -> None:
    assert web.run("httpx_library").result == ["https://example.com/1", '{"k":1}', 200]


def test_httpx_async_requests_wait_side_by_side(web: World) -> None:
    at_once = most = 0
    lock = threading.Lock()

    def counted(request: dict[str, Any]) -> dict[str, Any]:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        try:
            return _server(request)
        finally:
            with lock:
                at_once -= 1

    world = World(web.entries, http=counted, mounts=web.mounts)
    urls, posted = world.run("httpx_async").result
    assert urls == [f"https://example.com/slow/{n}" for n in range(4)]
    assert posted == '{"k":1}'
    assert most == 4


def test_asyncio_streams(web: World) -> None:
    assert web.run("streams").result == "HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("library", ["sdk", "requests", "urllib", "httpx", "urllib3"])
def test_a_denied_host_is_permission_denied_through_every_library(web: World, library: str) -> None:
    error = web.run("denied", library).error
    assert error["error_type"] == "permission_denied"
    assert "allowed_hosts does not admit denied.com" in error["message"]


def test_a_denied_host_is_permission_denied_in_async_code(web: World) -> None:
    error = web.run("denied_async").error
    assert error["error_type"] == "permission_denied"
    assert "allowed_hosts does not admit denied.com" in error["message"]


def test_time_outs_and_failures_arrive_as_the_librarys_own(web: World) -> None:
    assert web.run("timeouts").result == [True] * 5


def test_anything_but_http_says_that_it_can_not_leave(web: World) -> None:
    assert web.run("other_protocols").result == [True] * 5


def test_whatever_is_written_to_a_connection_is_http_or_refused() -> None:
    source = """
import random
from capsule._engine.net.exchange import Exchange, NotHttp
PARTS = [
    b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:1 HTTP/1.1", b"\\r\\n", b"\\r\\n\\r\\n", b": ", b" ",
    b"Host: a",
    b"Content-Length: 3", b"Content-Length: -1", b"Content-Length: x", b"Transfer-Encoding: chunked",
    b"Expect: 100-continue", b"3", b"abc", b"0", b"zz", b"\\x00\\xff", b"\\xc3\\xa9", b"\\x16capsule-tls\\n",
]
def main(seed):
    chance = random.Random(seed)
    requests = 0
    for _ in range(3000):
        exchange = Exchange("h", 80)
        for _ in range(chance.randrange(1, 12)):
            exchange.feed(chance.choice(PARTS))
            try:
                requests += exchange.next_request() is not None
            except NotHttp:
                break
            exchange.expects_continue()
    return requests
"""
    assert World(program(source)).run("main", 7).result > 0
