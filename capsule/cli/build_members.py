"""``capsule build`` in a workspace: many members at once, and a table or JSON lines of what came of them."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.cli.common.building import job_count
from capsule.cli.common.exits import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress, Tally
from capsule.cli.common.render import write_columns, write_line, write_notes, write_warning
from capsule.cli.common.results import result_row, write_problems
from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.workspace.builder import Finish, Prospect, Result
    from capsule.workspace.members import Member
    from capsule.workspace.selection import Selection

_STATES = ("hit", "fetched", "built", "failed")
_HEAD = ("MEMBER", "LANGUAGE", "STATE", "TIME", "SIZE", "ARTIFACT")


def build_members(
    selection: Selection,
    *,
    jobs: int | None,
    snapshot: bool,
    finish: Finish | None,
    as_json: bool,
    verbose: bool = False,
) -> int:
    """Builds all members and reports. Returns the exit code: 3 when one of them failed."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.builder import Builder

    started = time.monotonic()
    notes: dict[str, tuple[str, ...]] = {}

    def seen(member: Member, prospect: Prospect) -> None:
        notes[member.name] = prospect.planned.inputs.notes

    with Progress() as progress:
        tally = Tally(len(selection.members), progress)
        builder = Builder(
            plugins(),
            selection.settings,
            snapshot=snapshot,
            finish=finish,
            seen=seen if verbose else None,
            progress=tally,
        )

        def work() -> list[Result]:
            done = []
            for result in builder.build_all(selection.members, job_count(jobs)):
                tally.step()
                done.append(result)
            return sorted(done, key=lambda result: result.member.name)

        results = interruptibly(work)
    seconds = time.monotonic() - started
    if as_json:
        for result in results:
            print(json.dumps(result_row(result)))
        print(json.dumps({"summary": _summary(results, seconds)}))
    else:
        if results:
            _write_table(results)
        _write_summary(results, seconds)
        _write_not_kept(results)
        write_problems(results)
    # Members that share a module share its notes.
    write_notes(dict.fromkeys(note for name in sorted(notes) for note in notes[name]))
    failed = any(result.state == "failed" or result.types for result in results)
    return EXIT_BUILD_FAILED if failed else EXIT_OK


def _write_not_kept(results: list[Result]) -> None:
    lost = [result for result in results if result.artifact is None and result.state != "failed"]
    if lost:
        noun = "artifact" if len(lost) == 1 else "artifacts"
        folder = lost[0].member.root / ".capsule"
        write_warning(f"{len(lost)} {noun} could not be kept in {folder}: is the disk full, or read-only?")


def check_exports(members: tuple[Member, ...]) -> None:
    """Raises `UsageError` when two members would be exported to one file."""
    seen: dict[Path, str] = {}
    for member in members:
        path = member.source.with_suffix(".wasm")
        if path in seen:
            raise UsageError(
                f"{seen[path]} and {member.name} would both be exported to {path.name}",
                hint="export them one by one, and move the first away, or rename one of them",
            )
        seen[path] = member.name


def _summary(results: list[Result], seconds: float) -> dict[str, Any]:
    counts = Counter(result.state for result in results)
    return {
        "members": len(results),
        **{state: counts[state] for state in _STATES},  # type: ignore[index]
        "seconds": round(seconds, 6),
    }


def _write_table(results: list[Result]) -> None:
    rows = [_HEAD, *(_cells(result) for result in results)]
    write_columns(rows)


def _cells(result: Result) -> tuple[str, ...]:
    size = "" if result.size is None else f"{result.size / 1024:,.1f} KiB"
    artifact = "" if result.artifact is None else os.path.relpath(result.artifact)
    if result.artifact is None and result.state != "failed":
        artifact = "not kept"
    return (
        result.member.name,
        result.language or "?",
        result.state,
        f"{result.seconds:.2f} s",
        size,
        artifact,
    )


def _write_summary(results: list[Result], seconds: float) -> None:
    counts = Counter(result.state for result in results)
    parts = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])  # type: ignore[index]
    noun = "member" if len(results) == 1 else "members"
    write_line(f"{len(results)} {noun}: {parts or 'nothing to do'} in {seconds:.2f} s")
