"""The engine in real sandboxes: built once, then each test has a fresh sandbox of its own."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import platformdirs
import pytest
import wasmtime

sys.path.insert(0, str(Path(__file__).parent.parent))

from capsule_js.engine import GUEST, javascript_engine
from capsule_js.starlingmonkey import starlingmonkey_engine
from capsule_js.toolchain import ManagedToolchain

from capsule.artifact.sections import ProgramTable, pack_program
from capsule.build.engines import engine_component
from capsule.frontend.spec import Program
from capsule.runtime.engine import engine
from capsule.runtime.host.guest import Guest, TaskRefused
from capsule.runtime.interrupt import Interrupt, clock
from capsule.runtime.preopens import Preopen
from capsule.runtime.requests import Requests
from capsule.runtime.sandbox import LoadFailed, Sandbox, Setting
from capsule.runtime.threads import run_on_guest_thread

FUEL = 20_000_000_000


class Npm:
    """A toolchain for tests: the system's Node, and packages installed once from the lock file."""

    def node(self, progress):
        return Path(shutil.which("node"))

    def modules(self, progress):
        lock = (GUEST / "package-lock.json").read_bytes()
        folder = (
            Path(platformdirs.user_cache_dir("capsule")) / "js-tests" / hashlib.sha256(lock).hexdigest()[:16]
        )
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(dir=folder.parent))
            for name in ("package.json", "package-lock.json"):
                shutil.copy(GUEST / name, made)
            subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=made, check=True)
            try:
                made.rename(folder)
            except OSError:  # another run was quicker
                shutil.rmtree(made)
        return folder / "node_modules"

    def starlingmonkey(self, progress):
        return ManagedToolchain().starlingmonkey(progress)


@pytest.fixture(scope="session")
def toolchain():
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs Node and npm on the PATH")
    return Npm()


ENGINES = {"quickjs": javascript_engine, "starlingmonkey": starlingmonkey_engine}


@pytest.fixture(scope="session")
def components(toolchain):
    """`components(name)` gives an engine, compiled: a minute's work the first time, then cached."""
    return lru_cache(lambda name: engine_component(ENGINES[name](toolchain), print))


@pytest.fixture(scope="session")
def component(components):
    """The engine that programs run on when nothing else is asked for."""
    return components("quickjs")


def pytest_configure(config):
    config.addinivalue_line("markers", "engine(name): the engine that a test is about, where not all are")


def pytest_generate_tests(metafunc):
    """Runs a module's tests with each of its `ENGINES`, or the one of the mark; else with QuickJS."""
    if "call" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("engine")
        names = mark.args if mark else getattr(metafunc.module, "ENGINES", ("quickjs",))
        metafunc.parametrize("call", names, indirect=True, scope="session")


@dataclass
class Services:
    """What a run does for its sandboxes, with the real parts of it: sub-tasks in sandboxes, real requests."""

    runner: Any
    program: dict[str, str]
    hosts: tuple[str, ...]
    refuse: str | None = None

    def start_task(self, name, arguments, ended):
        if self.refuse:
            raise TaskRefused(self.refuse, f"refused: {self.refuse}")
        call = json.loads(arguments)

        def work():
            done = self.runner(self.program, name, *call["args"], hosts=self.hosts)
            ended(json.dumps(done.envelope(name)))

        threading.Thread(target=work, daemon=True).start()

    def request(self, text, interrupt):
        requests = Requests(None, None, None)
        try:
            return requests.make(text, self.hosts, interrupt, run="r", task=1, emit=lambda event: None)
        finally:
            requests.close()

    def denial(self, asked):
        return f"{asked.path} is not in allowed_files"

    def waiting(self):
        pass

    def resumed(self):
        pass


@dataclass
class Done:
    """What came of a call: the guest's answer, or the trap."""

    answer: dict[str, Any] | None = None
    load_error: dict[str, Any] | None = None
    trap: Exception | None = None
    out: str = ""
    err: str = ""
    seconds: float = 0.0
    load_seconds: float = 0.0
    load_fuel: int = 0
    fuel: int = 0
    declared: list[Any] = field(default_factory=list)

    @property
    def result(self):
        assert self.answer is not None, self
        assert "result" in self.answer, self.answer["error"]["traceback"] or self.answer
        return self.answer["result"]

    @property
    def error(self):
        assert self.answer is not None, self
        return self.answer["error"]

    def envelope(self, name):
        error = None if self.answer and "result" in self.answer else (self.answer or {}).get("error")
        return {
            "success": error is None,
            "result": (self.answer or {}).get("result"),
            "error": error,
            "execution": {"task_name": name, "duration_ms": 1, "retries": 0, "fuel_consumed": self.fuel},
        }


class _Watched:
    def __init__(self, interrupt):
        self.interrupt = interrupt

    def give_up(self):
        pass


@pytest.fixture(scope="session")
def call(request, components):
    """`call(program, task, *args, ...)` runs one task in a fresh sandbox and gives a `Done`."""
    component = components(request.param)

    def run(
        program,
        task="main",
        *args,
        kwargs=None,
        files=(),
        env=None,
        ram=None,
        fuel=FUEL,
        seconds=20.0,
        hosts=("127.0.0.1",),
        refuse=None,
        declared=False,
        own=None,
    ):
        entries = {"bundle": program} if isinstance(program, str) else program
        done = Done()
        out, err = bytearray(), bytearray()
        preopens = tuple(
            Preopen(Path(os.path.realpath(host)), guest, writable) for host, guest, writable in files
        )
        setting = Setting(own or component, preopens, env or {}, ram, out.extend, err.extend)
        interrupt = Interrupt()
        table = ProgramTable(pack_program(Program(entries)))
        guest = Guest(interrupt, Services(run, entries, hosts, refuse), table)

        def work():
            watched = _Watched(interrupt)
            clock.watch(watched)
            sandbox = None
            started = time.monotonic()
            try:
                sandbox = Sandbox(setting, guest)
                sandbox.load()
                done.load_fuel, done.load_seconds = sandbox.load_fuel, sandbox.load_seconds
                guest.loading = False
                if declared:
                    done.declared = json.loads(sandbox.call("declared", fuel=fuel, seconds=seconds))
                else:
                    text = json.dumps({"task": task, "args": list(args), "kwargs": kwargs or {}})
                    done.answer = json.loads(sandbox.run(text, fuel=fuel, seconds=seconds))
                done.fuel = sandbox.fuel_consumed()
            except LoadFailed as failed:
                done.load_error = dict(failed.details)
            except wasmtime.WasmtimeError as error:
                done.trap = error
            finally:
                clock.forget(watched)
                if sandbox is not None:
                    sandbox.close()
                done.seconds = time.monotonic() - started

        ended = threading.Event()
        run_on_guest_thread(lambda: (work(), ended.set())[1], name="test-guest")
        ended.wait()
        done.out, done.err = out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
        return done

    engine()
    run.engine = request.param
    return run


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked, as JSON."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode("latin-1")
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path.startswith("/slow"):
            time.sleep(0.3)
        answer = json.dumps(
            {"method": self.command, "path": self.path, "headers": headers, "body": body}
        ).encode()
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("location", "/there")
        else:
            self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("content-type", "application/json")
        self.send_header("set-cookie", "a=1")
        self.send_header("set-cookie", "b=2")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

    def log_message(self, *args):
        pass


@pytest.fixture(scope="session")
def server():
    made = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=made.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
