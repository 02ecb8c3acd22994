"""``capsule worker``: runs tasks for another program, many at once, until that program ends.

The other program writes requests to this process's stdin and reads replies from its stdout, each one line of
JSON in UTF-8. Nothing but replies is ever written to stdout: what guests write goes to stderr, or into
replies. Relative paths start at the folder in which the worker was started.

The first line is a greeting: ``{"capsule": VERSION, "protocol": 1}``.

A request starts a run. ``id`` is the caller's own choice, a number or a text, and no other run under way
has the same; all fields but ``id`` and ``file`` may be missing::

    {"id": 1, "file": "main.py", "task": "main", "args": [], "kwargs": {}, "mounts": [],
     "limits": {}, "env_file": null, "output": false}

Instead of a ``file`` there can be ``code``, as `capsule.run` takes it, in a language, with what it may use::

    {"id": 1, "code": "6 * 7", "lang": "python", "packages": [], "options": {"timeout": "5s"}}

It is answered once, when the run has ended, in whatever order runs end::

    {"id": 1, "outcome": {"success": true, "result": ..., "error": null, "execution": {...}}}
    {"id": 1, "error": {"message": "...", "hint": null, "file": null, "line": null, "exit_code": 2}}

The first is the outcome envelope, also of a task that failed; NaN and infinite numbers are null in it.
The second means that there was nothing to run: a missing file, a build that failed, a bad request;
``exit_code`` is what ``capsule run`` ends with then. With ``"output": true``, what the run's tasks write
comes before it, piece by piece::

    {"id": 1, "output": {"stream": "stdout", "text": "..."}}

``{"id": 1, "cancel": true}`` ends a run; it is answered with an outcome whose error is ``cancelled``, unless
it had ended before. A line that is no request is answered with an error whose ``id`` is null.

At the end of stdin all runs are cancelled, and the worker exits with 0.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from capsule.cli.common.exits import EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED
from capsule.cli.common.strict import strict_json
from capsule.errors import CapsuleError, UsageError
from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.events import Event
    from capsule.runtime.execution import Execution

PROTOCOL = 1
LARGEST_REQUEST = 256 << 20
"""Characters in one request."""

PREPARING = 8
"""Runs that are built or started at the same time; any number can be running."""

FAREWELL = 1.0
"""Seconds that cancelled runs get to end."""


def work() -> int:
    """Serves requests until stdin ends. Returns the exit code."""
    from capsule.launch.journals import close_journals
    from capsule.workers.arenas import keep_few_arenas

    keep_few_arenas()
    replies = _take_stdout()
    worker = Worker(replies)
    code = EXIT_OK
    try:
        worker.serve(sys.stdin.buffer)
    except KeyboardInterrupt as interrupt:
        code = EXIT_INTERRUPTED if type(interrupt) is KeyboardInterrupt else EXIT_TERMINATED
    clean = worker.close()
    close_journals()
    if not clean:
        # A build, or a sandbox that blocks where nothing reaches it, must not keep the process alive.
        os._exit(code)
    return code


def _take_stdout() -> IO[bytes]:
    """Keeps stdout for replies: whatever else in this process writes there goes to stderr."""
    sys.stdout.flush()
    replies = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    return replies


@dataclass(frozen=True, slots=True)
class Request:
    """A run that was asked for."""

    id: int | str
    file: str = ""
    code: str | None = None
    lang: str = "python"
    packages: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    task: str = "main"
    args: list[Any] = field(default_factory=list)
    kwargs: dict[str, Any] = field(default_factory=dict)
    mounts: list[str] = field(default_factory=list)
    limits: dict[str, Any] | None = None
    env_file: str | None = None
    output: bool = False


@dataclass(slots=True)
class _Running:
    cancelled: bool = False
    execution: Execution | None = None


class Worker:
    """Runs what it is asked for, and writes replies."""

    def __init__(self, replies: IO[bytes]) -> None:
        self._replies = replies
        self._writing = threading.Lock()
        self._lock = threading.Lock()
        self._runs: dict[int | str, _Running] = {}
        self._pool = ThreadPoolExecutor(PREPARING, thread_name_prefix="capsule-worker")

    def serve(self, requests: IO[bytes]) -> None:
        """Reads requests until their end."""
        from importlib.metadata import version

        self._reply({"capsule": version("capsule-run"), "protocol": PROTOCOL})
        while line := requests.readline(LARGEST_REQUEST + 1):
            if len(line) > LARGEST_REQUEST:
                self._refuse(None, UsageError(f"a request is longer than {LARGEST_REQUEST >> 20} MiB"))
                return
            if line.strip():
                self._take(line)

    def close(self) -> bool:
        """Cancels all runs. Returns whether every one of them has ended."""
        from capsule.frontend.process import end_children

        with self._lock:
            running = list(self._runs.values())
            for run in running:
                run.cancelled = True
        for run in running:
            if run.execution is not None:
                run.execution.run.cancel()
        end_children()
        self._pool.shutdown(wait=False, cancel_futures=True)
        started = [run.execution for run in running if run.execution is not None]
        ended = all(execution.done.wait(FAREWELL) for execution in started)
        blocked = any(execution.run.blocked for execution in started)
        return ended and not blocked and len(started) == len(running)

    def _take(self, line: bytes) -> None:
        try:
            message = _decode(line)
            identifier = _id(message)
        except CapsuleError as error:
            self._refuse(None, error)
            return
        if message.get("cancel") is True:
            self._cancel(identifier)
            return
        try:
            request = parse_request(message)
        except CapsuleError as error:
            self._refuse(identifier, error)
            return
        running = _Running()
        with self._lock:
            taken = request.id in self._runs
            if not taken:
                self._runs[request.id] = running
        if taken:
            self._refuse(None, UsageError(f"a run with the id {request.id!r} is under way"))
        else:
            self._pool.submit(self._run, request, running)

    def _run(self, request: Request, running: _Running) -> None:
        try:
            execution = self._start(request)
        except CapsuleError as error:
            self._forget(request.id)
            self._refuse(request.id, error)
            return
        except Exception as error:  # a fault of ours must not leave the caller waiting
            self._forget(request.id)
            self._refuse(request.id, CapsuleError(f"capsule broke down: {type(error).__name__}: {error}"))
            return
        with self._lock:
            running.execution = execution
            cancelled = running.cancelled
        if cancelled:
            execution.run.cancel()

        def ended(envelope: Envelope) -> None:
            self._forget(request.id)
            self._reply({"id": request.id, "outcome": envelope})

        execution.on_end(ended)

    def _start(self, request: Request) -> Execution:
        from capsule.frontend.manager import plugins
        from capsule.launch.prepare import prepare
        from capsule.launch.start import start
        from capsule.policy.limits import Limits
        from capsule.workers.isolation import chosen_isolation

        here = Path.cwd()
        limits = None if request.limits is None else Limits.parse(request.limits, "limits")
        args = request.args
        if request.code is None:
            prepared = prepare(Path(request.file), here, plugins(), progress=_ignore)
        else:
            from capsule.launch.code import Code, prepare_code

            code = Code(request.code, request.lang, tuple(request.packages), request.options)
            ready = prepare_code(code, here, plugins(), progress=_ignore)
            prepared, args = ready.prepared, [*ready.args, *args]
            limits = ready.limits if limits is None else ready.limits.merge(limits)
        return start(
            prepared,
            request.task,
            args,
            request.kwargs,
            cwd=here,
            mounts=request.mounts,
            limits=limits,
            env_file=None if request.env_file is None else here / request.env_file,
            sinks=(_Output(request.id, self._reply if request.output else None),),
            ahead=True,
            isolation=chosen_isolation(None),
            on_problem=_warn,
        )

    def _cancel(self, identifier: int | str) -> None:
        with self._lock:
            running = self._runs.get(identifier)
            if running is None:
                return
            running.cancelled = True
            execution = running.execution
        if execution is not None:
            execution.run.cancel()

    def _forget(self, identifier: int | str) -> None:
        # Before the answer: the id is free again as soon as the caller can read that.
        with self._lock:
            self._runs.pop(identifier, None)

    def _refuse(self, identifier: int | str | None, error: CapsuleError) -> None:
        place = error.location
        self._reply(
            {
                "id": identifier,
                "error": {
                    "message": error.message,
                    "hint": error.hint,
                    "file": place.file if place is not None else None,
                    "line": place.line if place is not None else None,
                    "exit_code": error.exit_code,
                },
            }
        )

    def _reply(self, message: Mapping[str, Any]) -> None:
        text, _ = strict_json(message)
        line = text.encode() + b"\n"
        with self._writing:
            try:
                rest = memoryview(line)
                while rest:
                    rest = rest[self._replies.write(rest) :]
            except (OSError, ValueError):
                pass  # Nobody reads any more; stdin ends as well.


class _Output:
    """A sink: what guests write goes into replies, or to stderr."""

    def __init__(self, identifier: int | str, reply: Callable[[Mapping[str, Any]], None] | None) -> None:
        self._id = identifier
        self._reply = reply

    def __call__(self, event: Event) -> None:
        from capsule.events import Output

        if not isinstance(event, Output):
            return
        if self._reply is None:
            from capsule.terminal import write_guest_text

            write_guest_text(event.text)
        else:
            self._reply({"id": self._id, "output": {"stream": event.stream, "text": event.text}})


def parse_request(message: Mapping[str, Any]) -> Request:
    """Reads a request. Raises `UsageError` for anything that isn't one."""
    values: dict[str, Any] = {"id": _id(message)}
    for name, value in message.items():
        if name == "id":
            continue
        if name not in _FIELDS:
            raise UsageError(f"a request has no field {name[:60]!r}", hint=f"it has {', '.join(_FIELDS)}")
        kind, described = _FIELDS[name]
        if value is None and name in ("limits", "env_file"):
            continue
        if type(value) is not kind:
            raise UsageError(f"{name} is not {described}")
        values[name] = value
    if bool(values.get("file")) == ("code" in values):
        if "code" in values:
            raise UsageError("the request has a file and code", hint="leave one of them out")
        raise UsageError("the request names no file", hint='{"id": 1, "file": "main.py"}')
    if "code" not in values and (mistaken := {"lang", "packages", "options"} & values.keys()):
        raise UsageError(f"{min(mistaken)} goes with code, not with a file")
    for name in ("mounts", "packages"):
        if any(not isinstance(text, str) for text in values.get(name, ())):
            raise UsageError(f"{name} is not a list of texts")
    return Request(**values)


_FIELDS: Mapping[str, tuple[type, str]] = {
    "file": (str, "a text"),
    "code": (str, "a text"),
    "lang": (str, "a text"),
    "packages": (list, "a list of texts"),
    "options": (dict, "an object"),
    "task": (str, "a text"),
    "args": (list, "a list"),
    "kwargs": (dict, "an object"),
    "mounts": (list, "a list of texts"),
    "limits": (dict, "an object"),
    "env_file": (str, "a text"),
    "output": (bool, "true or false"),
}


def _decode(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"a line that is not JSON: {str(error)[:200]}") from None
    if not isinstance(message, dict):
        raise UsageError("a request is an object", hint='{"id": 1, "file": "main.py"}')
    return message


def _id(message: Mapping[str, Any]) -> int | str:
    identifier = message.get("id")
    if type(identifier) is int or (type(identifier) is str and len(identifier) <= 256):
        return identifier
    raise UsageError("a request has an id: a number or a short text", hint='{"id": 1, "file": "main.py"}')


def _warn(message: str) -> None:
    sys.stderr.write(f"capsule: {message}\n")


def _ignore(message: str) -> None:
    """Progress of a build: there is nobody to show it to."""
