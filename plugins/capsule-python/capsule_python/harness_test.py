"""Runs programs on the Python engine in real sandboxes, with host interfaces made for tests.

The real host is not involved, so that the guest's own promises are tested alone: tasks run in sandboxes
of their own on threads, requests are made by a function that the test supplies. It holds no tests.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import platformdirs
import wasmtime
from wasmtime import _ffi as ffi
from wasmtime import component as wc

from capsule_python.engine import python_engine

T = TypeVar("T")
Json = dict[str, Any]
STACK = 64 << 20
_stack_lock = threading.Lock()


def _engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.consume_fuel = True
    config.epoch_interruption = True
    ffi.wasmtime_config_async_stack_size_set(config.ptr(), STACK + (8 << 20))
    config.max_wasm_stack = STACK
    return wasmtime.Engine(config)


ENGINE = _engine()


def compiled(key: str, build: Callable[[], bytes]) -> wc.Component:
    """A component, built and compiled once per machine and kept in the user's cache."""
    folder = Path(platformdirs.user_cache_dir("capsule-python-tests"))
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{key}-{version('wasmtime')}.cwasm"
    if not path.exists():
        code = wc.Component(ENGINE, build()).serialize()
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            file.write(code)
        Path(file.name).replace(path)
    return wc.Component.deserialize_file(ENGINE, str(path))


@lru_cache(maxsize=1)
def engine_component() -> wc.Component:
    """The Python engine."""
    engine = python_engine()
    return compiled(engine.key, lambda: engine.build(lambda message: None))


@dataclass
class Outcome:
    """The guest's answer to a call, and what it printed."""

    answer: Json
    stdout: str
    stderr: str

    @property
    def result(self) -> Any:
        """The task's result; fails the test when there is none."""
        assert "result" in self.answer, self.answer
        return self.answer["result"]

    @property
    def error(self) -> Json:
        """The task's error; fails the test when it returned."""
        assert "error" in self.answer, self.answer
        error: Json = self.answer["error"]
        return error


@dataclass
class World:
    """A program and what its sandboxes may use. ``log`` holds what they asked of the host."""

    entries: Mapping[str, str]
    component: wc.Component = field(default_factory=engine_component)
    env: Mapping[str, str] = field(default_factory=dict)
    mounts: list[tuple[Path, str]] = field(default_factory=list)
    fuel: int = 50_000_000_000
    memory: int = 1 << 30
    http: Callable[[Json], Json] | None = None
    denial: str | None = "the folder is not for this task"
    refuse: Callable[[str], tuple[str, str] | None] = lambda name: None
    task_seconds: Mapping[str, float] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    most_at_once: int = 0
    running: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, task: str = "main", *args: Any, **kwargs: Any) -> Outcome:
        """Loads the program in a fresh sandbox and runs a task."""
        return in_thread(lambda: self.run_here(task, args, kwargs)).result(timeout=300)

    def load(self) -> Json | None:
        """Loads the program in a fresh sandbox; returns the error."""
        return in_thread(lambda: Sandbox(self).load()).result(timeout=300)

    def declared(self) -> list[Json]:
        """What the loaded program registered."""

        def ask() -> list[Json]:
            sandbox = Sandbox(self)
            assert sandbox.load() is None
            found: list[Json] = json.loads(sandbox.call("declared"))
            return found

        return in_thread(ask).result(timeout=300)

    def run_here(self, task: str, args: tuple[Any, ...], kwargs: Json) -> Outcome:
        """`run`, on a thread whose stack is deep enough already."""
        with self.lock:
            self.running += 1
            self.most_at_once = max(self.most_at_once, self.running)
        sandbox = Sandbox(self)
        try:
            failed = sandbox.load()
            call = json.dumps({"task": task, "args": list(args), "kwargs": kwargs})
            answer = {"error": failed} if failed else json.loads(sandbox.call("run", call))
            return Outcome(answer, b"".join(sandbox.out).decode(), b"".join(sandbox.err).decode())
        finally:
            sandbox.store.close()
            with self.lock:
                self.running -= 1


class Sandbox:
    """One store and one instance, with the host's side of the contract."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.out: list[bytes] = []
        self.err: list[bytes] = []
        self.pending: dict[int, Future[Any]] = {}
        self.last_handle = 0
        self.store = wasmtime.Store(ENGINE)
        self.store.set_limits(memory_size=world.memory)
        self.store.set_fuel(world.fuel)
        self.store.set_epoch_deadline(1 << 40)
        wasi = wasmtime.WasiConfig()
        wasi.env = list(world.env.items())
        wasi.stdout_custom = self.out.append
        wasi.stderr_custom = self.err.append
        for host, guest in world.mounts:
            wasi.preopen_dir(str(host), guest, True)
        self.store.set_wasi(wasi)
        linker = wc.Linker(ENGINE)
        linker.add_wasip2()
        with linker.root() as root:
            for interface, functions in self._imports().items():
                with root.add_instance(f"capsule:runtime/{interface}@1.0.0") as instance:
                    for name, function in functions.items():
                        instance.add_func(name, function)
        self.instance = linker.instantiate(self.store, world.component)

    def call(self, export: str, *arguments: str) -> Any:
        """Calls an export; a trap carries what the guest printed."""
        function = self.instance.get_func(self.store, export)
        assert function is not None, export
        try:
            return function(self.store, *arguments)
        except wasmtime.WasmtimeError as trap:
            trap.add_note(b"".join(self.out + self.err).decode(errors="replace"))
            raise

    def load(self) -> Json | None:
        """Calls ``load``, where there is one, and returns its error."""
        if self.instance.get_func(self.store, "load") is None:
            return None
        text = self.call("load")
        error: Json | None = None if text is None else json.loads(text)
        return error

    def _imports(self) -> dict[str, dict[str, Callable[..., Any]]]:
        return {
            "program": {"get": self._get},
            "clock": {"sleep": self._sleep},
            "files": {"denial": self._denial},
            "pending": {"wait-any": self._wait_any},
            "tasks": {"start": self._start, "outcome": self._outcome},
            "http": {"send": self._send, "start": self._start_request, "response": self._response},
        }

    def _get(self, store: object, name: str) -> str | None:
        self.world.log.append(f"get {name}")
        return self.world.entries.get(name)

    def _denial(self, store: object, path: str, folder: bool, change: bool, refused: bool) -> str | None:
        uses = {"folder": folder, "change": change, "refused": refused}
        self.world.log.append(" ".join(["denial", path, *(name for name, used in uses.items() if used)]))
        return self.world.denial

    def _sleep(self, store: object, nanoseconds: int) -> None:
        self.world.log.append(f"sleep {nanoseconds / 1e9:g}")
        time.sleep(nanoseconds / 1e9)

    def _add(self, work: Callable[[], Any]) -> int:
        self.last_handle += 1
        self.pending[self.last_handle] = in_thread(work)
        return self.last_handle

    def _wait_any(self, store: object, timeout: int | None) -> list[int]:
        self.world.log.append("wait-any")
        if self.pending:
            wait(self.pending.values(), None if timeout is None else timeout / 1e9, FIRST_COMPLETED)
        return [handle for handle, future in self.pending.items() if future.done()]

    def _start(self, store: object, name: str, arguments: str) -> Any:
        self.world.log.append(f"start {name} {arguments}")
        refused = self.world.refuse(name)
        if refused is not None:
            return _record(*refused)
        call = json.loads(arguments)

        def work() -> str:
            time.sleep(self.world.task_seconds.get(name, 0.0))
            ran = self.world.run_here(name, tuple(call["args"]), call["kwargs"])
            error = ran.answer.get("error")
            return json.dumps(
                {
                    "success": error is None,
                    "result": ran.answer.get("result"),
                    "error": error,
                    "execution": {"task_name": name, "duration_ms": 1, "retries": 0, "fuel_consumed": 1},
                }
            )

        return self._add(work)

    def _outcome(self, store: object, handle: int) -> str | None:
        self.world.log.append("outcome")
        future = self.pending.pop(handle, None)
        return None if future is None else future.result()

    def _answer(self, text: str) -> tuple[str, str] | str:
        request = json.loads(text)
        assert self.world.http is not None, request
        self.world.log.append(f"{request['method']} {request['url']}")
        request["body"] = base64.b64decode(request["body"] or "")
        answer = self.world.http(request)
        if "failure" in answer:
            return answer["failure"], answer["message"]
        body = base64.b64encode(answer.get("body", b"")).decode()
        usual = {"status": 200, "reason": "OK", "url": request["url"], "headers": []}
        return json.dumps({**usual, **answer, "body": body})

    def _send(self, store: object, text: str) -> Any:
        answer = self._answer(text)
        return answer if isinstance(answer, str) else _record(*answer)

    def _start_request(self, store: object, text: str) -> int:
        return self._add(lambda: self._answer(text))

    def _response(self, store: object, handle: int) -> Any:
        answer = self.pending.pop(handle).result()
        return answer if isinstance(answer, str) else _record(*answer)


def _record(reason: str, message: str) -> Any:
    record: Any = wc.Record()
    record.reason, record.message = reason, message
    return record


def in_thread(work: Callable[[], T]) -> Future[T]:
    """Starts work on a thread whose stack holds a guest's."""
    future: Future[T] = Future()

    def target() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    with _stack_lock:
        before = threading.stack_size(STACK + (32 << 20))
        threading.Thread(target=target, daemon=True).start()
        threading.stack_size(before)
    return future


def compile_modules(modules: list[dict[str, str]]) -> list[Json]:
    """What the engine's export ``compile`` answers."""

    def ask() -> list[Json]:
        answer = Sandbox(World({})).call("compile", json.dumps({"modules": modules}))
        found: list[Json] = json.loads(answer)["modules"]
        return found

    return in_thread(ask).result(timeout=300)


def program(
    files: Mapping[str, str] | str, packages: Mapping[str, str] | None = None, main: str = "main"
) -> dict[str, str]:
    """The entries of a program: own modules by path from the project root, packages by path in theirs."""
    own = {"main.py": files} if isinstance(files, str) else files
    packages = packages or {}
    modules = []
    for path, source in {**own, **packages}.items():
        name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        file = f"/app/{path}" if path in packages else path
        modules.append({"name": name, "file": file, "source": source})
    entries: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    for module, done in zip(modules, compile_modules(modules), strict=True):
        name, is_package = module["name"], module["file"].endswith("/__init__.py")
        assert "code" in done, done
        entries[f"module:{name}"] = (
            f"{'package' if is_package else 'module'} {module['file']}\n{done['code']}"
        )
        entries[f"source:{name}"] = module["source"]
        parent, _, last = name.rpartition(".")
        children.setdefault(parent, []).append(last + ("/" if is_package else ""))
    for package, names in children.items():
        entries[f"children:{package}"] = "\n".join(names)
    header = {"module": main, "own": _tops(own), "packages": _tops(packages)}
    entries["main"] = json.dumps(header) + "\n" + entries.pop(f"module:{main}")
    return entries


def _tops(paths: Mapping[str, str]) -> list[str]:
    return sorted({path.partition("/")[0].removesuffix(".py") for path in paths})


def run(source: Mapping[str, str] | str, task: str = "main", *args: Any, **kwargs: Any) -> Outcome:
    """Runs a task of a program in a fresh sandbox that may use nothing."""
    return World(program(source)).run(task, *args, **kwargs)


def installed(*names: str) -> dict[str, str]:
    """The sources of packages of this interpreter, for use in a program."""
    found = {}
    for name in names:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        if spec.submodule_search_locations is None:
            found[origin.name] = origin.read_text()
            continue
        for path in origin.parent.rglob("*.py"):
            found[path.relative_to(origin.parent.parent).as_posix()] = path.read_text()
    return found
