"""Running tasks from code: `run` and `run_sync`."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.sdk.outcome import Envelope

if TYPE_CHECKING:
    from capsule.events import Event
    from capsule.launch.code import Code
    from capsule.policy.limits import Limits
    from capsule.runtime.execution import Execution
    from capsule.tools.toolbox import Approve, Toolbox
    from capsule.workers.isolation import Isolation

OnOutput = Callable[[str, str], None]


async def run(
    file: str | os.PathLike[str] | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    code: str | None = None,
    lang: str = "python",
    packages: Sequence[str] = (),
    task: str = "main",
    mounts: Sequence[str] = (),
    cwd: str | os.PathLike[str] | None = None,
    limits: Mapping[str, Any] | None = None,
    env_file: str | os.PathLike[str] | None = None,
    on_output: OnOutput | None = None,
    isolation: Isolation | None = None,
    tools: Sequence[Callable[..., Any]] = (),
    approve: Approve | None = None,
    **options: Any,
) -> Envelope:
    """Runs a task of ``file`` (a source file or a ``.wasm``), or ``code``, and returns its outcome.

    ``code`` is a piece of code in the language ``lang``: statements, whose result is the value of the last
    one, or a program with tasks. ``packages`` are what it may import. ``options`` say what it may use, under
    the names of a task's options (``compute``, ``ram``, ``timeout``, ``allowed_hosts``, ...): without them
    no folder, host, variable or secret, 512 MB and a minute. Tasks of a file declare theirs themselves.

    ``args`` and ``kwargs`` go to the task, as JSON. ``mounts`` are more folders for the run,
    ``HOST[::GUEST][:ro|:rw]``. ``cwd`` is what relative paths start at. ``limits`` are ceilings, under
    the names of ``[limits]``. ``on_output`` is called with the stream's name and the text, on another
    thread, for whatever the task writes; without it, that goes to stderr. ``isolation`` is "process" for
    sandboxes in worker processes, each confined to what its task may reach, or "thread" for sandboxes in
    this process; without it, the variable ``CAPSULE_ISOLATION`` decides, and else it is "process".

    ``tools`` are functions of yours that ``code`` may call, and tasks of a file that declare their names:
    ``tools.search("x")``, after ``from capsule import tools``. Arguments are checked against their type
    hints; coroutines run on this loop. ``approve`` sees each call before it happens (`ToolCall`) and returns
    True, False, a reason to refuse, or other arguments by name; it may be a coroutine function.

    A task that fails is an outcome; `capsule.CapsuleError` is raised when there is nothing to run: a
    missing file, a build that fails, a policy that can't be used. When the caller is cancelled, so is
    the run. Any number of runs can be under way at once.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Envelope] = loop.create_future()

    def settle(envelope: Envelope | None, error: BaseException | None) -> None:
        if outcome.done():
            return
        if error is not None:
            outcome.set_exception(error)
        elif envelope is not None:
            outcome.set_result(envelope)

    def ended(envelope: Envelope | None, error: BaseException | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, envelope, error)

    toolbox = _toolbox(tools, approve, loop)
    what = _what(file, code, lang, packages, options, toolbox)
    call = _Call(
        what, args, kwargs, task, mounts, cwd, limits, env_file, on_output, isolation, toolbox, ended
    )
    call.submit()
    try:
        return await outcome
    except asyncio.CancelledError:
        call.cancel()
        raise


def run_sync(
    file: str | os.PathLike[str] | None = None,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    code: str | None = None,
    lang: str = "python",
    packages: Sequence[str] = (),
    task: str = "main",
    mounts: Sequence[str] = (),
    cwd: str | os.PathLike[str] | None = None,
    limits: Mapping[str, Any] | None = None,
    env_file: str | os.PathLike[str] | None = None,
    on_output: OnOutput | None = None,
    isolation: Isolation | None = None,
    tools: Sequence[Callable[..., Any]] = (),
    approve: Approve | None = None,
    **options: Any,
) -> Envelope:
    """`run` for code without an event loop: blocks until the task has ended."""
    done = threading.Event()
    answers: list[tuple[Envelope | None, BaseException | None]] = []

    def ended(envelope: Envelope | None, error: BaseException | None) -> None:
        answers.append((envelope, error))
        done.set()

    toolbox = _toolbox(tools, approve, None)
    what = _what(file, code, lang, packages, options, toolbox)
    call = _Call(
        what, args, kwargs, task, mounts, cwd, limits, env_file, on_output, isolation, toolbox, ended
    )
    try:
        call.submit()
        done.wait()
        envelope, error = answers[0]
        if envelope is None:
            assert error is not None
            raise error
    except RuntimeError as error:
        if "interpreter shutdown" not in str(error):
            raise
        if threading.current_thread().daemon:
            raise SystemExit from None  # a moment later the thread is ended: that is no news
        from capsule.errors import CapsuleError

        raise CapsuleError(
            "nothing can be run any more: Python is shutting down, and starts no threads",
            hint="keep the main thread until the runs have ended, as with thread.join()",
        ) from None
    except BaseException:
        call.cancel()
        raise
    return envelope


def _what(
    file: str | os.PathLike[str] | None,
    code: str | None,
    lang: str,
    packages: Sequence[str],
    options: Mapping[str, Any],
    toolbox: Toolbox | None,
) -> str | os.PathLike[str] | Code:
    """What is to be run. Raises `UsageError` for arguments that don't go together."""
    from capsule.errors import UsageError

    if code is None and file is not None:
        if options:
            name = next(iter(options))
            raise UsageError(
                f"run() has no argument {name!r} for a file: its tasks declare what they may use",
                hint=f"bound it with limits={{{name!r}: {options[name]!r:.40}}}",
            )
        return file
    if code is None or file is not None:
        raise UsageError(
            "run() takes a file or code=, one of both", hint='run("main.py") or run(code="6 * 7")'
        )
    from capsule.launch.code import Code

    if toolbox is not None:
        options = {**options, "tools": list(toolbox.tools)}
    return Code(code, lang, tuple(packages), options)


def _toolbox(
    tools: Sequence[Callable[..., Any]], approve: Approve | None, loop: asyncio.AbstractEventLoop | None
) -> Toolbox | None:
    if not tools:
        return None
    from capsule.tools.toolbox import toolbox_of

    return toolbox_of(tools, approve, loop)


class _Call:
    """One call of `run`: everything that it does happens on one guest thread, to the outcome.

    ``ended`` is called once, with the outcome or with what went wrong before there was one.
    """

    def __init__(
        self,
        what: str | os.PathLike[str] | Code,
        args: Sequence[Any],
        kwargs: Mapping[str, Any] | None,
        task: str,
        mounts: Sequence[str],
        cwd: str | os.PathLike[str] | None,
        limits: Mapping[str, Any] | None,
        env_file: str | os.PathLike[str] | None,
        on_output: OnOutput | None,
        isolation: Isolation | None,
        toolbox: Toolbox | None,
        ended: Callable[[Envelope | None, BaseException | None], None],
    ) -> None:
        from capsule.errors import UsageError
        from capsule.workers.isolation import chosen_isolation

        self._isolation = chosen_isolation(isolation)
        if isinstance(args, str | bytes) or not isinstance(args, Sequence):
            raise UsageError(f"args has to be a list, not {type(args).__name__}", hint=f"args=[{args!r:.40}]")
        self._what = what
        self._args = args
        self._kwargs = dict(kwargs or {})
        self._task = task
        self._mounts = mounts
        # Relative paths start where the caller is now, wherever that is when there is a place to run.
        self._here = Path.cwd() if cwd is None else Path(cwd).absolute()
        self._limits = _limits(limits)
        self._env_file = None if env_file is None else self._here / env_file
        self._on_output = on_output
        self._toolbox = toolbox
        self._ended = ended
        self._lock = threading.Lock()
        self._execution: Execution | None = None
        self._cancelled = False

    def submit(self) -> None:
        """Begins as soon as the machine has a place."""
        from capsule.runtime.scheduler import MACHINE

        # What the caller has around it, such as a span of its own trace, goes along to the thread.
        MACHINE.submit(partial(copy_context().run, self._work), depth=0, name="capsule-run")

    def cancel(self) -> None:
        """Ends the run, or keeps it from beginning."""
        with self._lock:
            self._cancelled = True
            execution = self._execution
        if execution is not None:
            execution.run.cancel()

    def _begun(self, execution: Execution) -> None:
        with self._lock:
            self._execution = execution
            cancelled = self._cancelled
        execution.on_end(lambda envelope: self._ended(envelope, None))
        if cancelled:
            execution.run.cancel()

    def _work(self) -> None:
        if self._cancelled:
            return
        try:
            if self._isolation == "process":
                # What starts workers can start itself while this process imports, plans and builds.
                from capsule.workers.spawner import spawner

                spawner().start()
            from capsule.frontend.manager import plugins
            from capsule.launch.prepare import prepare
            from capsule.launch.start import start

            args, limits = self._args, self._limits
            if isinstance(self._what, str | os.PathLike):
                prepared = prepare(Path(self._what), self._here, plugins(), progress=_ignore)
            else:
                from capsule.launch.code import prepare_code

                ready = prepare_code(self._what, self._here, plugins(), progress=_ignore)
                prepared, args = ready.prepared, [*ready.args, *args]
                limits = ready.limits if limits is None else ready.limits.merge(limits)
            start(
                prepared,
                self._task,
                args,
                self._kwargs,
                cwd=self._here,
                mounts=self._mounts,
                limits=limits,
                env_file=self._env_file,
                sinks=(_Output(self._on_output),),
                ahead=True,
                isolation=self._isolation,
                tools=self._toolbox,
                begun=self._begun,
                here=True,
                on_problem=_warn,
            )
        except BaseException as error:  # it belongs to the caller, who waits on another thread
            self._ended(None, error)


def _limits(limits: Mapping[str, Any] | None) -> Limits | None:
    from capsule.policy.limits import Limits

    return None if limits is None else Limits.parse(limits, "limits=")


class _Output:
    """A sink that forwards what guests write."""

    def __init__(self, callback: OnOutput | None) -> None:
        self._callback = callback

    def __call__(self, event: Event) -> None:
        from capsule.events import Output

        if not isinstance(event, Output):
            return
        if self._callback is None:
            from capsule.terminal import write_guest_text

            write_guest_text(event.text)
            return
        try:
            self._callback(event.stream, event.text)
        except Exception as error:  # the caller's own function must not end the sandbox
            _warn(f"on_output raised {type(error).__name__}: {error}")


def _warn(message: str) -> None:
    sys.stderr.write(f"capsule: {message}\n")


def _ignore(message: str) -> None:
    """Progress of a build: there is nobody to show it to."""
