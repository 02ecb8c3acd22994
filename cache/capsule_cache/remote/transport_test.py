"""Transports against real servers: a folder, WebDAV, S3, and HTTP servers that mean no good."""

from __future__ import annotations

import base64
import gzip
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from capsule_cache.remote.transport import TooLarge, Transport, open_transport, within
from capsule_cache.remote.url import BadUrl, parse_url

NAME = "0" * 64
OTHER = "1" * 64
TIMEOUT = 60.0


def open_url(url: str, timeout: float = TIMEOUT, authorization: str | None = None) -> Transport:
    return open_transport(parse_url(url), timeout=timeout, authorization=authorization)


@pytest.fixture
def webdav(tmp_path: Path) -> Iterator[str]:
    """A real WebDAV server over a folder."""
    from cheroot import wsgi
    from wsgidav.wsgidav_app import WsgiDAVApp

    folder = tmp_path / "dav"
    (folder / "capsule").mkdir(parents=True)
    app = WsgiDAVApp(
        {
            "provider_mapping": {"/": str(folder)},
            "simple_dc": {"user_mapping": {"*": {"me": {"password": "hunter2"}}}},
            "http_authenticator": {"accept_basic": True, "accept_digest": False, "default_to_digest": False},
            "logging": {"enable": False},
            "verbose": 0,
        }
    )
    server = wsgi.Server(("127.0.0.1", 0), app, numthreads=4)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    yield f"http://127.0.0.1:{server.bind_addr[1]}/capsule"
    server.stop()


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A real S3 server."""
    import boto3
    from moto.server import ThreadedMotoServer

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    boto3.client("s3").create_bucket(Bucket="capsule-bucket")
    yield "s3://capsule-bucket/some/prefix"
    server.stop()


@pytest.fixture(params=["folder", "webdav", "s3"])
def transport(request: pytest.FixtureRequest, tmp_path: Path) -> Transport:
    if request.param == "folder":
        return open_url((tmp_path / "deep" / "remote").as_uri())
    if request.param == "s3":
        return open_url(request.getfixturevalue("s3"))
    word = base64.b64encode(b"me:hunter2").decode()
    return open_url(request.getfixturevalue("webdav"), authorization=f"Basic {word}")


def test_bytes_come_back_as_they_were_written(transport: Transport) -> None:
    large = os.urandom(3 << 20)
    assert transport.read(NAME, 10) is None
    assert not transport.exists(NAME)
    for data in (b"", b"first", large):
        transport.write(NAME, data)
        assert transport.exists(NAME)
        assert transport.read(NAME, len(large)) == data
    assert transport.read(OTHER, 10) is None
    with pytest.raises(TooLarge):
        transport.read(NAME, len(large) - 1)


def test_many_threads_share_a_transport(transport: Transport) -> None:
    wrong: list[object] = []

    def work(number: int) -> None:
        name, data = f"{number:064}", b"%d" % number * 1000
        try:
            transport.write(name, data)
            if transport.read(name, 10_000) != data:
                wrong.append(number)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_wrong_password_is_an_error_and_not_an_empty_cache(webdav: str) -> None:
    transport = open_url(webdav)
    for asked in (
        lambda: transport.read(NAME, 10),
        lambda: transport.write(NAME, b"x"),
        lambda: transport.exists(NAME),
    ):
        with pytest.raises(Exception, match="401"):
            asked()


def test_a_bucket_that_is_not_there_is_an_empty_cache_that_can_not_be_filled(s3: str) -> None:
    transport = open_url("s3://no-such-bucket/x")
    assert transport.read(NAME, 10) is None
    with pytest.raises(OSError, match="bucket"):
        transport.write(NAME, b"x")


# Folders.


def test_readers_see_an_entry_whole_while_it_is_written(tmp_path: Path) -> None:
    url = tmp_path.as_uri()
    versions = [bytes([number]) * 200_000 for number in (1, 2)]
    open_url(url).write(NAME, versions[0])
    done = threading.Event()
    seen: set[bytes | None] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(open_url(url).read(NAME, 300_000))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        open_url(url).write(NAME, versions[number % 2])
    done.set()
    reader.join()
    assert seen <= set(versions)
    assert [file.name for file in tmp_path.iterdir()] == [f"{NAME}.capsule"]


def test_a_link_in_an_entrys_place_is_not_written_through(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    (tmp_path / "remote").mkdir()
    (tmp_path / "remote" / f"{NAME}.capsule").symlink_to(precious)
    open_url((tmp_path / "remote").as_uri()).write(NAME, b"entry")
    assert precious.read_text() == "precious"


def test_a_fifo_in_an_entrys_place_costs_a_time_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{NAME}.capsule")
    with pytest.raises(TimeoutError, match=r"within 0\.1 s"):
        open_url(tmp_path.as_uri(), timeout=0.1).read(NAME, 10)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capsule_cache.remote.transport.secrets.token_hex", lambda count: "name")
    (tmp_path / f".{NAME}-name.tmp").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left"):
        open_url(tmp_path.as_uri()).write(NAME, b"x" * 100_000)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    transport = open_url((tmp_path / "file" / "remote").as_uri())
    with pytest.raises(OSError, match=r"[Nn]ot a directory|exists"):
        transport.write(NAME, b"x")


# HTTP servers that mean no good.


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def hostile(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A server whose every answer is ``answer``; its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def any(self) -> None:
            asked.append(f"{self.command} {self.path} {self.headers.get('Authorization')}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.close_connection = True
            answer(self)

        do_GET = do_PUT = do_HEAD = any

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/cache", asked
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


def test_redirects_are_not_followed_and_credentials_stay_here() -> None:
    with hostile(lambda handler: send(handler, 200, b"poison")) as (elsewhere, asked_elsewhere):

        def redirect(handler: BaseHTTPRequestHandler) -> None:
            send(handler, 307, b"", Location=elsewhere)

        with hostile(redirect) as (url, asked):
            transport = open_url(url, authorization="Bearer secret")
            with pytest.raises(OSError, match="307"):
                transport.read(NAME, 100)
            with pytest.raises(OSError, match="307"):
                transport.write(NAME, b"x")
            with pytest.raises(OSError, match="307"):
                transport.exists(NAME)
            assert len(asked) == 3
        assert asked_elsewhere == []


def test_an_endless_answer_ends_at_the_limit() -> None:
    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    with hostile(endless) as (url, _), pytest.raises(TooLarge):
        open_url(url).read(NAME, 1 << 20)


def test_a_compressed_answer_is_not_unpacked() -> None:
    bomb = gzip.compress(b"\0" * (8 << 20))

    def send_bomb(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 200, bomb, Content_Encoding="gzip")

    with hostile(send_bomb) as (url, _):
        assert open_url(url).read(NAME, 1 << 20) == bomb


@pytest.mark.parametrize("every", [None, b"x"])
def test_a_server_that_takes_its_time_costs_a_time_out(every: bytes | None) -> None:
    over = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        if every:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000000")
            handler.end_headers()
        while not over.wait(0.05):
            if every:
                handler.wfile.write(every)

    with hostile(slowly) as (url, _):
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            open_url(url, timeout=0.3).read(NAME, 1 << 20)
        if every is None:
            with pytest.raises(TimeoutError):
                open_url(url, timeout=0.3).write(NAME, b"x")
        assert time.monotonic() - started < 30
        over.set()


def test_an_answer_that_ends_early_is_an_error() -> None:
    def short(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x" * 500)

    with hostile(short) as (url, _), pytest.raises(Exception, match=r"."):
        open_url(url).read(NAME, 2000)


@pytest.mark.parametrize("status", [401, 403, 500, 503, 507])
def test_a_server_that_refuses_is_an_error(status: int) -> None:
    with hostile(lambda handler: send(handler, status, b"no")) as (url, _):
        transport = open_url(url)
        with pytest.raises(Exception, match=str(status)):
            transport.read(NAME, 10)
        with pytest.raises(OSError, match=str(status)):
            transport.write(NAME, b"x")


def test_what_speaks_no_http_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def speak() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 smtp.example.com ESMTP\r\n")

        threading.Thread(target=speak, daemon=True).start()
        with pytest.raises(Exception, match=r"."):
            open_url(f"http://127.0.0.1:{listening.getsockname()[1]}/x").read(NAME, 10)


def test_nobody_listening_is_an_error_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(OSError, match=r"[Cc]onnect"):
        open_url(f"http://127.0.0.1:{port}/x").read(NAME, 10)


def test_names_of_entries_are_all_that_a_server_learns() -> None:
    with hostile(lambda handler: send(handler, 404, b"")) as (url, asked):
        open_url(url).read(NAME, 10)
        open_url(url, authorization="Bearer secret").read(OTHER, 10)
    assert asked == [
        f"GET /cache/{NAME}.capsule None",
        f"GET /cache/{OTHER}.capsule Bearer secret",
    ]


def test_credentials_are_not_sent_in_the_clear() -> None:
    with pytest.raises(BadUrl, match="not sent") as caught:
        open_url("http://cache.example.com/x", authorization="Bearer secret")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("package", "url", "extra"),
    [("fsspec", "file:///x", "remote"), ("aiohttp", "http://h/x", "remote"), ("s3fs", "s3://bucket/x", "s3")],
)
def test_a_missing_package_is_named_with_what_to_install(package: str, url: str, extra: str) -> None:
    # In a process of its own: what was loaded once can't be missing any more.
    script = f"""
import sys
sys.modules[{package!r}] = None
from capsule_cache.remote import BadUrl, open_transport, parse_url
try:
    open_transport(parse_url({url!r}), timeout=1)
except BadUrl as error:
    print(error.message, "|", error.hint)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "not installed" in done.stdout
    assert done.stdout.endswith(f'| pip install "capsule-cache[{extra}]"\n')


def test_work_that_fails_in_time_fails_as_it_does() -> None:
    with pytest.raises(ZeroDivisionError):
        within(30, lambda: 1 / 0)
