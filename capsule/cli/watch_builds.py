"""``capsule build --watch``: on every save the members that it touches, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path

from capsule.cli.common.building import BuildOptions, finish_for, job_count
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_error, write_notes
from capsule.cli.common.results import write_result
from capsule.errors import CapsuleError
from capsule.frontend.manager import plugins
from capsule.workspace.builder import Builder, Prospect
from capsule.workspace.members import Member
from capsule.workspace.selection import Selection, select
from capsule.workspace.watching import Interest, Saves, all_folders, interest_in, settings_states


def watch_builds(files: tuple[Path, ...], options: BuildOptions) -> int:
    """Builds on every save what it touches. Ends by raising `KeyboardInterrupt`, or `UsageError`."""
    here, saves = Path.cwd(), Saves()
    interests: dict[Member, Interest | None] = {}
    selection, told = _selected(files, here), True
    failures: dict[Member, str] = {}
    while True:
        # Taken before anything is read: what changes from here on will be seen to have changed.
        states = {member: settings_states(member.source, member.root) for member in selection.members}
        due = [member for member in selection.members if not _holds(interests.get(member))]
        interests = {member: None if member in due else interests[member] for member in selection.members}
        notes: list[str] = []

        def seen(member: Member, prospect: Prospect) -> None:
            interests[member] = interest_in(prospect, states[member])  # noqa: B023
            notes.extend(prospect.planned.inputs.notes)  # noqa: B023

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
        if options.verbose:
            write_notes(dict.fromkeys(notes))
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
