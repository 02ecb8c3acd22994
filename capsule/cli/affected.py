"""``capsule build --affected``: of a selection, the members that a change touches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress

if TYPE_CHECKING:
    from capsule.workspace.selection import Selection


def only_affected(selection: Selection, since: str | None, *, snapshot: bool) -> Selection:
    """The members that files touch which differ from a revision. Raises `UsageError` without git."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.builder import Builder
    from capsule.workspace.changes import changed_files, touched_by

    with Progress() as progress:
        builder = Builder(plugins(), selection.settings, snapshot=snapshot, progress=progress)

        def work() -> list[bool]:
            changed = changed_files(selection.root, since)
            with ThreadPoolExecutor() as pool:
                return list(pool.map(lambda member: touched_by(builder, member, changed), selection.members))

        touched = interruptibly(work)
    kept = tuple(member for member, is_touched in zip(selection.members, touched, strict=True) if is_touched)
    return replace(selection, members=kept)
