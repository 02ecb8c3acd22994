"""``capsule run --watch``: the task again on every save of what it is made of, until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_error
from capsule.cli.common.starting import FAREWELL, RunOptions, begin_run, show_outcome
from capsule.errors import CapsuleError, UsageError
from capsule.frontend.manager import plugins
from capsule.project.opened import known_settings, open_project, prepare_folder
from capsule.workspace.builder import Builder
from capsule.workspace.watching import Interest, Saves, all_folders, interest_in, settings_states

if TYPE_CHECKING:
    from capsule.frontend.tracking import PlaceState
    from capsule.runtime.execution import Execution


@dataclass(frozen=True, slots=True)
class _Running:
    """A run that was started, and the thread that shows its outcome."""

    execution: Execution
    shown: threading.Thread
    dropped: threading.Event


def watch_run(file: Path | None, args: tuple[str, ...], options: RunOptions) -> int:
    """Runs a task again on every save of what it is made of.

    A run that a save overtakes is cancelled. Ends by raising `KeyboardInterrupt`, or `UsageError`.
    """
    here, saves = Path.cwd(), Saves()
    project = open_project(file, here, plugins())
    if project.source.suffix.lower() == ".wasm":
        raise UsageError(f"{project.source.name} has no source to watch", hint="capsule run main.py --watch")
    prepare_folder(project.base)
    once = replace(options, watch=False)
    running: _Running | None = None
    last: str | None = None
    failure, told = "", True
    try:
        while True:
            states = settings_states(project.source, project.base)
            interest = None
            try:
                with Progress(quiet=options.json) as progress:
                    key, interest = interruptibly(lambda: _read(file, here, states, progress))  # noqa: B023
                if key != last:
                    _end(running)
                    running = _start(file, args, once)
                    last, failure = key, ""
            except CapsuleError as error:
                _end(running)
                running, last = None, None
                # Looked at once more because of what nobody heard: the same was said already.
                if told or str(error) != failure:
                    write_error(error)
                failure = str(error)
            told = _wait(saves, interest, project.base)
    finally:
        _end(running, changed=False)


def _read(
    file: Path | None, here: Path, states: dict[str, PlaceState], progress: Progress
) -> tuple[str, Interest]:
    settings = known_settings(plugins())
    builder = Builder(plugins(), settings, progress=progress)
    prospect = builder.prospect_of(open_project(file, here, plugins(), settings))
    # The key has the settings in it, but not the environment that `.env` gives.
    return f"{prospect.planned.key} {states}", interest_in(prospect, states)


def _wait(saves: Saves, interest: Interest | None, base: Path) -> bool:
    """Waits until the program has to be read again; True when a change was heard, and not only suspected."""
    while True:
        told = saves.wait(interest.folders() if interest is not None else all_folders(base))
        if interest is None:
            return told
        if not interest.holds():
            return True


def _start(file: Path | None, args: tuple[str, ...], options: RunOptions) -> _Running:
    execution = begin_run(file, args, options)
    dropped = threading.Event()

    def show() -> None:
        execution.done.wait()
        if not dropped.is_set():
            show_outcome(execution, options)

    thread = threading.Thread(target=show, name="capsule-outcome", daemon=True)
    thread.start()
    return _Running(execution, thread, dropped)


def _end(running: _Running | None, *, changed: bool = True) -> None:
    """Cancels a run that is still under way; one that is over is left to show its outcome.

    When it was a save that ended the run (``changed``) this says so.
    """
    if running is None:
        return
    if not running.execution.done.is_set():
        running.dropped.set()
        running.execution.run.cancel()
        if changed:
            sys.stderr.write("cancelled: the program changed\n")
        running.execution.done.wait(FAREWELL)
    running.shown.join(FAREWELL)
