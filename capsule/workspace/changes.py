"""Which files differ from a revision, by what git says, and which members that touches."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from capsule.build.pipeline import Plan
from capsule.errors import CapsuleError, UsageError
from capsule.frontend.tracking import Lookups
from capsule.project.config import CONFIG_NAME
from capsule.workspace.builder import Builder
from capsule.workspace.git import Repository, opened
from capsule.workspace.members import Member
from capsule.workspace.record import Record


def changed_files(folder: Path, since: str | None) -> Mapping[str, str]:
    """The files below ``folder``'s repository that differ from a revision, with the letter of git's status.

    The revision is where the branch left ``since``; without it, it is HEAD: what has not been committed,
    new files included. Raises `UsageError` without git, outside a repository, or for an unknown revision.
    """
    if since is not None and (since.startswith("-") or not since.isprintable() or not since):
        raise UsageError(f"--since {since[:100]!r} is no revision", hint="--since origin/main")
    with opened(folder) as repository:
        return _changed(repository, since)


def _changed(repository: Repository, since: str | None) -> Mapping[str, str]:
    top, git = repository.top, repository.git
    revision = _revision(repository, since or "HEAD")
    listed = git(
        "diff",
        "--no-ext-diff",
        "--no-textconv",
        "--no-renames",
        "--ignore-submodules=all",
        "--name-status",
        "-z",
        revision,
        "--",
    ).split("\0")
    changed = {str(top / name): status[:1] for status, name in zip(listed[::2], listed[1::2], strict=False)}
    for name in git("ls-files", "--others", "--exclude-standard", "--full-name", "-z").split("\0"):
        if name:
            changed[str(top / name)] = "A"
    return changed


def touched_by(builder: Builder, member: Member, changed: Mapping[str, str]) -> bool:
    """Whether a change decides what the member's artifact is, or may.

    What decides it are its inputs now, those of its last build, the places where imports were looked up,
    and settings. A member that can't be read counts: building it says what is wrong.
    """
    try:
        prospect = builder.prospect(member)
    except CapsuleError:
        return True
    base = prospect.planned.project.base
    return bool(changed) and (
        any(path in changed for path in _deciding(prospect.planned, base))
        or _record_touched(prospect.old, base, changed)
        or _lookups_touched(prospect.lookups, prospect.planned, changed)
    )


def _deciding(planned: Plan, base: Path) -> set[str]:
    named = {f"{base}/{name}" for name in planned.inputs.files}
    settings = {str(base / CONFIG_NAME)}
    if planned.project.config.file is not None:
        settings.add(str(planned.project.config.file))
    # git names a file by where it is, an import may have come through a link.
    return {path for name in (*named, *settings) for path in (os.path.normpath(name), os.path.realpath(name))}


def _record_touched(record: Record | None, base: Path, changed: Mapping[str, str]) -> bool:
    return record is not None and any(os.path.normpath(f"{base}/{name}") in changed for name in record.files)


def _lookups_touched(lookups: Lookups | None, planned: Plan, changed: Mapping[str, str]) -> bool:
    removed = [path for path, status in changed.items() if status == "D"]
    if lookups is None:
        # Nobody knows where the frontend looked: a file of its language that went may have been an import.
        return any(path.lower().endswith(planned.frontend.suffixes) for path in removed)
    # A new file that decides something is an input by now. One that went is only missed where it was.
    return any(path in changed for path in lookups.places) or any(
        os.path.dirname(path) in lookups.folders  # noqa: PTH120
        for path in removed
    )


def _revision(repository: Repository, since: str) -> str:
    commit = repository.git(
        "rev-parse",
        "--verify",
        "--end-of-options",
        f"{since}^{{commit}}",
        problem=f"git knows no revision {since[:100]!r}",
    ).strip()
    if since == "HEAD":
        return commit
    try:
        return repository.git("merge-base", commit, "HEAD").strip()
    except UsageError:
        return commit  # a shallow clone may not have what the two have in common
