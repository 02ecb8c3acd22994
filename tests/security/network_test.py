"""Attacks on the network: hosts that are not allowed, in every spelling, by redirects and by smuggling."""

from __future__ import annotations

import pytest

ASK = """
from wit_world.imports import http
from componentize_py_types import Err

def ask(url, method="GET", headers=(), body=None, redirects=True):
    text = json.dumps({"method": method, "url": url, "headers": list(headers), "body": body,
                       "timeout": 3, "redirects": redirects})
    try:
        return json.loads(http.send(text))["status"]
    except Err as error:
        return error.value.reason.name
"""

REFUSED = ("DENIED", "INVALID_REQUEST")


def here(server):
    """The server, as an entry of ``allowed_hosts``."""
    return f"127.0.0.1:{server.port}"


@pytest.fixture
def ask(attack):
    def run(body, *args, hosts=("*",), **more):
        return attack(
            body, *args, top=ASK, options=f"allowed_hosts={list(hosts)!r}, timeout='10s'", **more
        ).unwrap()

    return run


LOOPBACK = [
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0x7F.0x0.0x0.0x1",
    "017700000001",
    "0177.0.0.1",
    "0177.1",
    "127.0.0.1.",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "a.localhost",
    "0.0.0.0",
    "0",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[::127.0.0.1]",
    "[fe80::1%25lo]",
    "[::1%lo]",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3",
    "127.0.0.1%00.example.com",
    "%31%32%37.0.0.1",
    "169.254.169.254",
    "0xa9fea9fe",
    "[::ffff:169.254.169.254]",
    "[fd00:ec2::254]",
    "10.0.0.1",
    "192.168.1.1",
    "172.16.0.1",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_every_public_host_does_not_mean_this_machine(ask, server, host):
    assert ask("return ask(args[0])", f"http://{host}:{server.port}/x") in REFUSED
    assert server.asked == []


TRICKS = [
    "http://good.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}@good.example/",
    "http://good.example:x@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@good.example/",
    "http://127.0.0.1:{port}?@good.example/",
    "http://127.0.0.1:{port}\\@good.example/",
    "http://good.example\\@127.0.0.1:{port}/",
    "http:\\\\127.0.0.1:{port}/",
    "http:/127.0.0.1:{port}/",
    "http:127.0.0.1:{port}",
    "http:///127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\t/",
    "\thttp://127.0.0.1:{port}/",
    "ht\ntp://127.0.0.1:{port}/",
    "http://127.0.0.1\n:{port}/",
    "http://127.0.0.1:{port}/ HTTP/1.1\r\nHost: good.example\r\n\r\n",
    "//127.0.0.1:{port}/",
    "HTTP://127.0.0.1:{port}/",
    "http://127.0.0.1:+{port}/",
    "http://127.0.0.1: {port}/",
    "http://good.example.127.0.0.1:{port}/",
    "http://good.example,127.0.0.1:{port}/",
    "http://[127.0.0.1]:{port}/",
    "ftp://127.0.0.1:{port}/",
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "data:text/plain,x",
    "gopher://127.0.0.1:{port}/_x",
    "unix:///var/run/docker.sock",
    "jar:http://127.0.0.1:{port}/",
    "javascript:1",
    "",
    "x" * 200_000,
]


@pytest.mark.parametrize("url", TRICKS)
def test_tricks_with_urls_reach_nothing(ask, server, url):
    found = ask("return ask(args[0])", url.format(port=server.port), hosts=["good.example"])
    assert found in (*REFUSED, "TOO_LARGE"), found
    assert server.asked == []


@pytest.mark.parametrize(
    ("pattern", "host"),
    [
        ("example.com", "sub.example.com"),
        ("example.com", "example.com.evil.example"),
        ("example.com", "evilexample.com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "evilexample.com"),
        ("*.example.com", "example.com.evil.example"),
        ("*.example.com", ".example.com"),
        ("example.com:8443", "example.com"),
        ("example.com:8443", "example.com:443"),
        ("example.com", "examp\u0142e.com"),
        ("example.com", "\u0435xample.com"),
    ],
)
def test_hosts_that_look_like_an_allowed_one(ask, pattern, host):
    assert ask("return ask(args[0])", f"http://{host}/", hosts=[pattern]) in REFUSED


def test_a_redirect_to_a_host_that_is_not_allowed(ask, server):
    origin = here(server)
    found = ask("return ask(args[0])", f"http://{origin}/to/localhost:{server.port}/inner", hosts=[origin])
    assert found == "DENIED"
    assert [asked.path for asked in server.asked] == [f"/to/localhost:{server.port}/inner"]


def test_a_chain_of_redirects_to_a_host_that_is_not_allowed(ask, server):
    origin = here(server)
    chain = f"/to/{origin}" * 3 + f"/to/localhost:{server.port}/inner"
    assert ask("return ask(args[0])", f"http://{origin}{chain}", hosts=[origin]) == "DENIED"
    assert not any(asked.path == "/inner" for asked in server.asked)


def test_redirects_without_end(ask, server):
    origin = here(server)
    url = f"http://{origin}" + f"/to/{origin}" * 50 + "/end"
    assert ask("return ask(args[0])", url, hosts=[origin]) == "NETWORK"
    assert len(server.asked) <= 11


def test_a_name_of_the_hosts_file_that_leads_to_this_machine(ask, server):
    import socket

    name = socket.gethostname()
    assert ask("return ask(args[0])", f"http://{name}:{server.port}/") in (*REFUSED, "NETWORK")
    assert server.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        [["X", "a\r\nInjected: 1"]],
        [["X", "a\nInjected: 1"]],
        [["X\r\nInjected", "1"]],
        [["X: 1\r\nInjected", "1"]],
        [["", "1"]],
        [["X y", "1"]],
        [["X", "\0"]],
        [["X", "\ud800"]],
        [["X"]],
        "X: 1",
        [["X", 1]],
        [["X", "y" * 10_000_000]],
        [["X", "1"]] * 100_000,
    ],
    ids=lambda headers: repr(headers)[:40],
)
def test_injecting_by_headers(ask, server, headers):
    body = "return ask(args[0], headers=args[1] * args[2])"
    many = len(headers) if len(headers) > 10 and isinstance(headers, list) else 1
    value = headers[:1] if many > 1 else headers
    found = ask(body, f"{server.url}/", value, many, hosts=[here(server)])
    assert found in ("INVALID_REQUEST", "TOO_LARGE"), found
    assert server.asked == []


@pytest.mark.parametrize(
    "method", ["GET / HTTP/1.1\r\nX: y\r\n\r\nGET", "G ET", "", "CONNECT", "\0", "x" * 10_000]
)
def test_injecting_by_the_method(ask, server, method):
    found = ask("return ask(args[0], method=args[1])", f"{server.url}/", method, hosts=[here(server)])
    assert found == "INVALID_REQUEST"
    assert server.asked == []


def test_headers_that_frame_a_request_are_the_host_s_own(ask, server):
    headers = [
        ["Host", "evil.example"],
        ["Content-Length", "999"],
        ["Transfer-Encoding", "chunked"],
        ["Connection", "x"],
    ]
    found = ask(
        "return ask(args[0], 'POST', args[1], 'aGk=')",
        f"{server.url}/",
        headers,
        hosts=[here(server)],
    )
    assert found == 200
    [asked] = server.asked
    assert asked.headers["host"] == f"127.0.0.1:{server.port}"
    assert asked.headers["content-length"] == "2"
    assert "transfer-encoding" not in asked.headers
    assert asked.body == b"hi"


def test_credentials_do_not_follow_to_another_origin(ask, server):
    origin, there = here(server), f"localhost:{server.port}"
    headers = [["Authorization", "secret"], ["Cookie", "secret"]]
    assert (
        ask(
            "return ask(args[0], headers=args[1])",
            f"http://{origin}/to/{there}/x",
            headers,
            hosts=[origin, there],
        )
        == 200
    )
    assert "authorization" in server.asked[0].headers
    assert not {"authorization", "cookie"} & set(server.asked[1].headers)


def test_a_proxy_of_the_host_s_environment_sees_nothing(ask, server, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, server.url)
    assert ask("return ask('http://localhost:9/')", hosts=["localhost:9"]) == "NETWORK"
    assert server.asked == []


def test_a_hostile_body(ask, server):
    for body in ("not base64!", 5, "A" * 7, {"x": 1}):
        found = ask(
            "return ask(args[0], 'POST', (), args[1])",
            f"{server.url}/",
            body,
            hosts=[here(server)],
        )
        assert found == "INVALID_REQUEST"
    assert server.asked == []


def test_a_response_larger_than_the_host_takes(ask, server):
    found = ask("return ask(args[0])", f"{server.url}/bytes/70000000", hosts=[here(server)])
    assert found == "TOO_LARGE"


def test_the_budget_of_requests(ask, server):
    found = ask(
        "return [ask(args[0]) for _ in range(5)]",
        f"{server.url}/",
        hosts=[here(server)],
        limits={"http_requests": 2},
    )
    assert found == [200, 200, "DENIED", "DENIED", "DENIED"]
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        "import socket; socket.socket().connect(args)",
        "import socket; socket.create_connection(args, 2)",
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', args)",
        "import socket; socket.socket(socket.AF_UNIX).connect('/var/run/docker.sock')",
        "import _socket; _socket.socket().connect(args)",
        "import urllib.request; urllib.request.urlopen('http://%s:%d/' % args)",
        "import urllib.request; urllib.request.urlopen('file:///etc/passwd')",
        "import http.client; c = http.client.HTTPConnection(*args); c.request('GET', '/'); c.getresponse()",
        "import subprocess; subprocess.run(['curl', 'http://%s:%d/' % args])",
        "os.system('id')",
        "os.execv('/bin/sh', ['sh'])",
        "os.fork()",
        "import ctypes; ctypes.CDLL(None).system(b'id')",
    ],
)
def test_other_ways_out_of_a_sandbox(attack, server, body):
    """A connection may look as if it were made: no byte of it goes out."""
    envelope = attack(
        f"args = ('127.0.0.1', {server.port})\n{body}\nraise RuntimeError('nothing stopped it')",
        options="allowed_hosts=['good.example'], timeout='5s'",
    )
    assert not envelope.success
    assert server.asked == []
    if "connect(" not in body and "create_connection" not in body and "os.system" not in body:
        assert "nothing stopped it" not in envelope.error["message"], envelope


def test_listening_for_connections(attack):
    envelope = attack(
        "import socket\nwaiting = socket.socket()\nwaiting.bind(('0.0.0.0', 0))\nwaiting.listen()\nreturn 1"
    )
    assert not envelope.success
