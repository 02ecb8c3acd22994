"""A run from the command line, from what was typed to its outcome: for ``run``, ``exec`` and ``--watch``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.cli.common.arguments import read_arguments, read_stdin
from capsule.cli.common.ceilings import given_limits
from capsule.cli.common.code import given_code
from capsule.cli.common.exits import EXIT_OK, EXIT_TASK_FAILED
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_envelope, write_event, write_outcome, write_warning
from capsule.cli.common.words import typed_words

if TYPE_CHECKING:
    from capsule.events import AttemptEnded, Event
    from capsule.runtime.execution import Execution
    from capsule.tools.tool import Tool

MAIN = 1
"""The number of a run's first task."""

FAREWELL = 1.0
"""Seconds that an interrupted run gets to end."""


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
    code: str | None = None
    from_stdin: bool = False
    lang: str = "python"
    package: tuple[str, ...] = ()
    option: tuple[str, ...] = ()
    mcp_server: tuple[str, ...] = ()
    mcp_env: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    """What the MCP servers offer, once they have been started."""


def begin_run(file: Path | None, args: tuple[str, ...], options: RunOptions) -> Execution:
    """Builds a file, if need be, and starts its task. Raises `CapsuleError`."""
    from capsule.frontend.manager import plugins
    from capsule.launch.prepare import prepare
    from capsule.launch.start import start
    from capsule.workers.isolation import chosen_isolation

    here = Path.cwd()
    given_args, given_kwargs = read_arguments(args, options.args_json, options.args_file)
    if options.stdin is not None:
        given_kwargs["stdin"] = read_stdin(options.stdin)
    limits = given_limits(
        options.limit, deny_all=options.deny_all, mount=options.mount, env_file=options.env_file
    )
    required = options.require_signature
    code = given_code(file, options)
    code_args: tuple[Any, ...] = ()
    with Progress() as progress:
        if code is None:
            prepared = interruptibly(
                lambda: prepare(file, here, plugins(), progress=progress, require_signatures=required)
            )
        else:
            from capsule.launch.code import prepare_code

            ready = interruptibly(lambda: prepare_code(code, here, plugins(), progress=progress))
            prepared, code_args = ready.prepared, ready.args
            limits = ready.limits if limits is None else ready.limits.merge(limits)

    toolbox = None
    if options.tools:
        from capsule.tools.toolbox import toolbox_of

        toolbox = toolbox_of(options.tools, None, None)
    if args:
        given_args = typed_words(args, prepared.loaded.manifest.tasks.get(options.task))
    given_args = [*code_args, *given_args]

    def begin() -> Execution:
        return start(
            prepared,
            options.task,
            given_args,
            given_kwargs,
            cwd=here,
            mounts=options.mount,
            mount_label="--mount",
            limits=limits,
            env_file=None if options.env_file is None else here / options.env_file,
            sinks=(_Show(options.verbose),),
            isolation=chosen_isolation(None),
            tools=toolbox,
            on_problem=write_warning,
        )

    # A signal that struck in the middle of it would leave a run that nobody can cancel.
    return interruptibly(begin)


def show_outcome(execution: Execution, options: RunOptions) -> int:
    """Shows what came of a run that has ended. Returns the exit code."""
    envelope = execution.envelope
    assert envelope is not None
    if options.json:
        write_envelope(envelope)
    else:
        write_outcome(envelope, told=options.verbose)
    return EXIT_OK if envelope.success else EXIT_TASK_FAILED


class _Show:
    """A sink: what guests write always, what happens with ``--verbose``; nothing once nobody reads it.

    The run goes on then, and is recorded: an error here would be one of whoever tells, in the midst of it.
    """

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._failed: AttemptEnded | None = None
        self._unread = False

    def __call__(self, event: Event) -> None:
        if self._unread:
            return
        try:
            self._show(event)
        except OSError:
            self._unread = True

    def _show(self, event: Event) -> None:
        from capsule.events import AttemptEnded, Output, TaskEnded

        if isinstance(event, Output):
            from capsule.terminal import write_guest_text

            write_guest_text(event.text)
        elif self._verbose:
            # What the run fails of is said when it is over, in full: not here as well.
            if self._failed is not None and getattr(event, "task", None) == self._failed.task:
                write_event(_places_only(self._failed) if isinstance(event, TaskEnded) else self._failed)
                self._failed = None
            if isinstance(event, AttemptEnded) and event.task == MAIN and event.error_type is not None:
                self._failed = event
            else:
                write_event(event)


def _places_only(failed: AttemptEnded) -> AttemptEnded:
    from capsule.terminal import without_message

    return replace(
        failed, message=None, traceback=without_message(failed.traceback or "", failed.message or "")
    )
