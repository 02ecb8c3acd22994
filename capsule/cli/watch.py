"""``capsule build --watch`` and ``capsule run --watch``: again on every save, until Ctrl-C."""

from __future__ import annotations

import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_error
from capsule.cli.run import FAREWELL, RunOptions, begin_run, interruptibly, show_outcome
from capsule.errors import CapsuleError, UsageError
from capsule.frontend.manager import plugins
from capsule.project.opened import known_settings, open_project, prepare_folder
from capsule.workspace.builder import Builder, Prospect
from capsule.workspace.members import Member
from capsule.workspace.selection import Selection, select
from capsule.workspace.watching import Interest, Saves, all_folders, interest_in, settings_states

if TYPE_CHECKING:
    from capsule.cli.build import BuildOptions
    from capsule.frontend.tracking import PlaceState
    from capsule.runtime.execution import Execution


def watch_builds(files: tuple[Path, ...], options: BuildOptions) -> int:
    """Builds on every save what it touches. Ends by raising `KeyboardInterrupt`, or `UsageError`."""
    from capsule.cli.build import finish_for
    from capsule.cli.build_members import job_count, write_result

    here, saves = Path.cwd(), Saves()
    interests: dict[Member, Interest | None] = {}
    selection, told = _selected(files, here), True
    failures: dict[Member, str] = {}
    while True:
        # Taken before anything is read: what changes from here on will be seen to have changed.
        states = {member: settings_states(member.source, member.root) for member in selection.members}
        due = [member for member in selection.members if not _holds(interests.get(member))]
        interests = {member: None if member in due else interests[member] for member in selection.members}

        def seen(member: Member, prospect: Prospect) -> None:
            interests[member] = interest_in(prospect, states[member])  # noqa: B023

        with Progress(quiet=options.json) as progress:
            builder = Builder(
                plugins(),
                selection.settings,
                snapshot=options.snapshot,
                finish=finish_for(options),
                seen=seen,
                progress=progress,
            )
            results = interruptibly(lambda: list(builder.build_all(due, job_count(options.jobs))))  # noqa: B023
        for result in sorted(results, key=lambda result: result.member.name):
            failure = str(result.error or "")
            # Looked at once more because of what nobody heard, it fails as before: that was said already.
            if told or not failure or failures.get(result.member) != failure:
                write_result(result, as_json=options.json)
            failures[result.member] = failure
        selection, told = _next(saves, interests, selection, files, here)


def _next(
    saves: Saves,
    interests: dict[Member, Interest | None],
    selection: Selection,
    files: tuple[Path, ...],
    here: Path,
) -> tuple[Selection, bool]:
    """Waits until a member has to be built; gives the members of then, and whether a change was heard."""
    said = ""
    while True:
        folders = _folders(interests, selection)
        told = saves.wait(folders)
        try:
            now = _selected(files, here)
        except CapsuleError as error:
            # Whatever else is saved while the settings are broken, they are broken in the same way.
            if str(error) != said:
                write_error(error)
                said = str(error)
            continue
        broken = any(interest is None for interest in interests.values())
        if broken or now.members != selection.members:
            return now, told
        if not all(_holds(interest) for interest in interests.values()):
            return now, True


def _folders(interests: dict[Member, Interest | None], selection: Selection) -> set[str]:
    folders = {str(selection.root)}
    for member in selection.members:
        interest = interests.get(member)
        if interest is None:
            return folders | all_folders(selection.root)
        # A new member would come to be beside the others.
        folders |= interest.folders() | {str(member.source.parent), str(member.source.parent.parent)}
    return folders


def _selected(files: tuple[Path, ...], here: Path) -> Selection:
    selection = select(files, here, plugins(), always=True)
    assert selection is not None
    return selection


def _holds(interest: Interest | None) -> bool:
    return interest is not None and interest.holds()


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
        _end(running)


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
            show_outcome(execution, as_json=options.json)

    thread = threading.Thread(target=show, name="capsule-outcome", daemon=True)
    thread.start()
    return _Running(execution, thread, dropped)


def _end(running: _Running | None) -> None:
    """Cancels a run that is still under way, and says so; one that is over is left to show its outcome."""
    if running is None:
        return
    if not running.execution.done.is_set():
        running.dropped.set()
        running.execution.run.cancel()
        sys.stderr.write("cancelled: the program changed\n")
        running.execution.done.wait(FAREWELL)
    running.shown.join(FAREWELL)
