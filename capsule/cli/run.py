"""``capsule run`` and ``capsule exec``: one run, from the command line."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from capsule.cli import EXIT_INTERRUPTED, EXIT_OK, EXIT_TASK_FAILED, EXIT_TERMINATED
from capsule.cli.common.ceilings import given_limits
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_envelope, write_event, write_outcome, write_warning
from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.events import Event
    from capsule.runtime.execution import Execution

FAREWELL = 1.0
"""Seconds that an interrupted run gets to end."""

LARGEST_ARGUMENTS = 256 << 20

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What ``run`` and ``exec`` were asked for, as typed."""

    task: str = "main"
    json: bool = False
    verbose: bool = False
    mount: tuple[str, ...] = ()
    args_json: str | None = None
    args_file: Path | None = None
    env_file: Path | None = None
    limit: tuple[str, ...] = ()
    watch: bool = False
    deny_all: bool = False
    require_signature: tuple[Path, ...] = ()
    stdin: Path | None = None


def run_file(file: Path | None, args: tuple[str, ...], options: RunOptions) -> int:
    """Runs a task and shows its outcome. Returns the exit code; raises `CapsuleError`."""
    if options.watch:
        from capsule.cli.watch import watch_run

        return watch_run(file, args, options)
    from capsule.build.session import close_journals

    execution = begin_run(file, args, options)
    code = _wait(execution, as_json=options.json)
    close_journals()
    if execution.run.blocked:
        # A sandbox that blocks where nothing reaches it must not keep the process alive.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def begin_run(file: Path | None, args: tuple[str, ...], options: RunOptions) -> Execution:
    """Builds a file, if need be, and starts its task. Raises `CapsuleError`."""
    from capsule.build.session import prepare, start
    from capsule.frontend.manager import plugins
    from capsule.runtime.isolation import chosen_isolation

    here = Path.cwd()
    given_args, given_kwargs = read_arguments(args, options.args_json, options.args_file)
    if options.stdin is not None:
        given_kwargs["stdin"] = read_stdin(options.stdin)
    limits = given_limits(
        options.limit, deny_all=options.deny_all, mount=options.mount, env_file=options.env_file
    )
    required = options.require_signature
    with Progress() as progress:
        prepared = interruptibly(
            lambda: prepare(file, here, plugins(), progress=progress, require_signatures=required)
        )

    def begin() -> Execution:
        return start(
            prepared,
            options.task,
            given_args,
            given_kwargs,
            cwd=here,
            mounts=options.mount,
            limits=limits,
            env_file=None if options.env_file is None else here / options.env_file,
            sinks=(_Show(options.verbose),),
            isolation=chosen_isolation(None),
            on_problem=write_warning,
        )

    # A signal that struck in the middle of it would leave a run that nobody can cancel.
    return interruptibly(begin)


def _wait(execution: Execution, *, as_json: bool) -> int:
    try:
        execution.done.wait()
    except KeyboardInterrupt:
        execution.run.cancel()
        execution.done.wait(FAREWELL)
        raise
    return show_outcome(execution, as_json=as_json)


def show_outcome(execution: Execution, *, as_json: bool) -> int:
    """Shows what came of a run that has ended. Returns the exit code."""
    envelope = execution.envelope
    assert envelope is not None
    if as_json:
        write_envelope(envelope)
    else:
        write_outcome(envelope)
    return EXIT_OK if envelope.success else EXIT_TASK_FAILED


def read_arguments(
    args: tuple[str, ...], args_json: str | None, args_file: Path | None
) -> tuple[list[Any], dict[str, Any]]:
    """The task's arguments: strings from the command line, or typed ones from JSON.

    JSON is a list of positional arguments, or an object of named ones. Raises `UsageError`.
    """
    if sum((bool(args), args_json is not None, args_file is not None)) > 1:
        raise UsageError("give arguments one way: as ARGS, with --args-json, or with --args-file")
    if args_json is not None:
        return _typed(args_json, "--args-json")
    if args_file is not None:
        try:
            if args_file.stat().st_size > LARGEST_ARGUMENTS:
                raise UsageError(f"--args-file {args_file} is larger than {LARGEST_ARGUMENTS >> 20} MiB")
            text = args_file.read_text("utf-8")
        except OSError as error:
            raise UsageError(f"--args-file {args_file} can't be read: {error.strerror or error}") from None
        except UnicodeDecodeError:
            raise UsageError(f"--args-file {args_file} is not UTF-8 text") from None
        return _typed(text, f"--args-file {args_file}")
    return list(args), {}


def read_stdin(file: Path) -> str:
    """The text on a command's standard input: a file's, or ours for ``-``. Raises `UsageError`."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LARGEST_ARGUMENTS + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(LARGEST_ARGUMENTS + 1)
    except OSError as error:
        raise UsageError(f"--stdin {file} can't be read: {error.strerror or error}") from None
    if len(data) > LARGEST_ARGUMENTS:
        raise UsageError(f"--stdin {file} is larger than {LARGEST_ARGUMENTS >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"--stdin {file} is not UTF-8 text", hint="let the command read the file: --mount FOLDER:ro"
        ) from None


def _typed(text: str, what: str) -> tuple[list[Any], dict[str, Any]]:
    accepted = 'a list of positional arguments like ["a", 2], or an object of named ones like {"name": "a"}'
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what} is not JSON: {str(error)[:200]}", hint=f"give {accepted}") from None
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        return [], value
    raise UsageError(f"{what} is {type(value).__name__}", hint=f"give {accepted}")


def interruptibly(work: Callable[[], T]) -> T:
    """Does work that may sit in native code, so that Ctrl-C ends the process all the same.

    Raises what ``work`` raises, and `KeyboardInterrupt`, with every tool that a frontend runs killed.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="capsule-prepare", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt as interrupt:
        from capsule.frontend.process import end_children

        end_children()
        sys.stderr.write("interrupted\n")
        sys.stderr.flush()
        code = EXIT_INTERRUPTED if type(interrupt) is KeyboardInterrupt else EXIT_TERMINATED
        os._exit(code)  # native code that compiles would keep the process for seconds
    if errors:
        raise errors[0]
    return results[0]


class _Show:
    """A sink: what guests write always, what happens with ``--verbose``."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose

    def __call__(self, event: Event) -> None:
        from capsule.events import Output

        if isinstance(event, Output):
            from capsule.terminal import write_guest_text

            write_guest_text(event.text)
        elif self._verbose:
            write_event(event)
