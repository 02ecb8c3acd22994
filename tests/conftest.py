"""What the tests of the whole have in common: projects, the real command, runs in process, a server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from resident_hosts import PROGRAM, Resident, resident_host

from capsule import Envelope, SyncSession, run_sync
from capsule.launch.journals import close_journals
from capsule.project.user_cache import CACHE_VARIABLE, user_store

COMMAND = str(Path(sysconfig.get_path("scripts")) / "capsule")

KEPT_BYTES = 1 << 30


@pytest.fixture(scope="session", autouse=True)
def user_cache() -> Iterator[Path]:
    """The user's cache folder for all these tests: engines are built and compiled once.

    It outlives the session, so that only a machine's first one takes minutes. ``CAPSULE_CACHE_DIR``
    chooses another.
    """
    before = os.environ.get(CACHE_VARIABLE)
    folder = Path(before) if before else platformdirs.user_cache_path("capsule-tests", appauthor=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(folder))
        # The command line's tests can be run both ways.
        patch.setenv("CAPSULE_RESIDENT", os.environ.get("CAPSULE_TEST_RESIDENT", "0"))
        for name in ("engines", "compiled"):
            user_store(name).prune(max_bytes=KEPT_BYTES, max_age_seconds=None)
        yield folder
        close_journals()


@dataclass(frozen=True)
class Finished:
    """What came of a command."""

    status: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> Envelope:
        """The one line that ``--json`` prints."""
        assert self.stdout.count("\n") == 1, self
        return Envelope(json.loads(self.stdout))


@dataclass(frozen=True)
class Project:
    """A project folder."""

    root: Path

    def write(self, name: str, text: str) -> Path:
        """Writes a file, its text without the indentation of the test."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"))
        return path

    def __truediv__(self, name: str) -> Path:
        return self.root / name

    def artifacts(self) -> list[Path]:
        """The built artifacts, the oldest first."""
        found = (self.root / ".capsule" / "wasm").glob("*.wasm")
        return sorted(found, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def run(self, text: str, *args: Any, file: str = "main.py", **options: Any) -> Envelope:
        """Runs a source in this process."""
        self.write(file, text)
        return run_sync(self.root / file, args, cwd=self.root, **options)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    root = tmp_path / "project"
    root.mkdir()
    yield Project(root)
    close_journals()


@pytest.fixture
def resident(project: Project) -> Iterator[Resident]:
    """A resident host for commands in the project, in which there is a ``main.py``."""
    project.write("main.py", PROGRAM)
    with resident_host(COMMAND, project.root) as made:
        yield made


@dataclass
class Cli:
    """The real command, as a child process."""

    cwd: Path
    children: list[subprocess.Popen[str]] = field(default_factory=list)

    def __call__(
        self,
        *arguments: object,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        input: str = "",
        timeout: float = 300,
    ) -> Finished:
        """Runs ``capsule`` with arguments and waits for its end."""
        child = self.start(*arguments, env=env, cwd=cwd)
        stdout, stderr = child.communicate(input, timeout=timeout)
        return Finished(child.returncode, stdout, stderr)

    def start(
        self, *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
    ) -> subprocess.Popen[str]:
        """Starts ``capsule`` in a process group of its own."""
        child = subprocess.Popen(
            [COMMAND, *map(str, arguments)],
            cwd=cwd or self.cwd,
            env=child_environment() | dict(env or {}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.children.append(child)
        return child


def child_environment() -> dict[str, str]:
    """This process's environment, with byte code kept: without it each command compiles its imports anew."""
    hindering = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if name not in hindering}


@pytest.fixture
def command() -> str:
    """The path of the real command."""
    return COMMAND


@pytest.fixture
def cli(project: Project) -> Iterator[Cli]:
    command = Cli(project.root)
    yield command
    for child in command.children:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


@pytest.fixture
def opened(project: Project) -> Iterator[Callable[..., SyncSession]]:
    """Opens sessions in the project, and closes them."""
    sessions: list[SyncSession] = []

    def open_session(**options: Any) -> SyncSession:
        session = SyncSession(cwd=project.root, **options)
        sessions.append(session)
        return session

    yield open_session
    for session in sessions:
        session.close()


RunPython = Callable[..., Finished]


@pytest.fixture
def python(project: Project) -> RunPython:
    """Runs a script of the host's own Python, in the project."""

    def run(text: str, *arguments: str, timeout: float = 120) -> Finished:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(text), *arguments],
            cwd=project.root,
            env=child_environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


@dataclass(frozen=True)
class Asked:
    """A request that reached the server."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Server:
    """A real server on loopback. ``asked`` is what reached it."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    most_at_once: int = 0
    under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self) -> None:
        server: Server = self.server.facts  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with server.lock:
            server.asked.append(Asked(self.command, self.path, headers, body))
            server.under_way += 1
            server.most_at_once = max(server.most_at_once, server.under_way)
        try:
            self.respond(body)
        finally:
            with server.lock:
                server.under_way -= 1

    def respond(self, body: bytes) -> None:
        path, _, rest = self.path.strip("/").partition("/")
        if path == "sleep":
            threading.Event().wait(float(rest))
        status = int(rest) if path == "status" else 302 if path == "to" else 200
        content = b"x" * int(rest) if path == "bytes" else self.echo(body)
        self.send_response(status)
        if path == "to":
            self.send_header("Location", "http://" + rest)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def echo(self, body: bytes) -> bytes:
        said = {"method": self.command, "path": self.path, "body": body.decode("utf-8", "replace")}
        return json.dumps(said).encode()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that a deadline ends hang up in the middle: that is what the tests are about."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that says what it was asked.

    ``/status/404`` answers with that status, ``/sleep/2`` after 2 s, ``/bytes/9`` with 9 bytes, and
    ``/to/127.0.0.1:80/x`` redirects to that address.
    """
    with _listening() as facts:
        yield facts


@pytest.fixture
def second_server() -> Iterator[Server]:
    """Another server like `server`, on another port."""
    with _listening() as facts:
        yield facts


@contextmanager
def _listening() -> Iterator[Server]:
    listening = _QuietServer(("127.0.0.1", 0), _Handler)
    facts = Server(listening.server_port)
    listening.facts = facts  # type: ignore[attr-defined]
    threading.Thread(target=listening.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield facts
    finally:
        listening.shutdown()
        listening.server_close()


def assert_said_to_people(done: Finished, *words: str, status: int | None = None) -> None:
    """An error for people: a message that has the words, a hint, and no traceback of ours."""
    assert "Traceback" not in done.stderr, done.stderr
    assert "error:" in done.stderr, done
    if status is not None:
        assert done.status == status, done
    for word in words:
        assert word in done.stderr, (word, done.stderr)


@pytest.fixture
def said() -> Callable[..., None]:
    """`assert_said_to_people`."""
    return assert_said_to_people
