"""``capsule build --explain``: why members were built, or would be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from capsule.cli.common.exits import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import error_row, write_error, write_line
from capsule.errors import CapsuleError

if TYPE_CHECKING:
    from capsule.workspace.builder import Builder
    from capsule.workspace.members import Member
    from capsule.workspace.selection import Selection


def explain_members(selection: Selection, *, snapshot: bool, as_json: bool) -> int:
    """Says of each member whether it would be built and why, or why it was. Builds nothing."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.builder import Builder

    code = EXIT_OK
    with Progress() as progress:
        builder = Builder(plugins(), selection.settings, snapshot=snapshot, progress=progress)
        rows = interruptibly(lambda: [_explain(builder, member) for member in selection.members])
    for row, error in rows:
        if error is not None:
            code = EXIT_BUILD_FAILED
        if as_json:
            print(json.dumps(row))
        elif error is not None:
            write_line(f"{row['member']}: would fail")
            write_error(error)
        else:
            for line in _say(row):
                write_line(line)
    return code


def _explain(builder: Builder, member: Member) -> tuple[dict[str, Any], CapsuleError | None]:
    try:
        prospect = builder.prospect(member)
    except CapsuleError as error:
        return {"member": member.name, "state": "failed", "because": [], "error": error_row(error)}, error
    project, planned = prospect.planned.project, prospect.planned
    stored = project.artifacts().get(planned.key, name=project.source.stem, verify="stat")
    if stored is not None:
        last = () if prospect.old is None or prospect.because else prospect.old.because
        return {"member": member.name, "state": "current", "because": list(last), "error": None}, None
    because = prospect.because or ("the artifact is missing or damaged",)
    return {"member": member.name, "state": "stale", "because": list(because), "error": None}, None


def _say(row: dict[str, Any]) -> list[str]:
    reasons = [f"  {reason}" for reason in row["because"]]
    if row["state"] == "stale":
        return [f"{row['member']}: would be built:", *reasons]
    if not reasons:
        return [f"{row['member']}: up to date"]
    return [f"{row['member']}: up to date; it was last built because:", *reasons]
