"""``capsule build --check``: is what lies on disk what the sources build?"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from capsule.cli.common.building import job_count
from capsule.cli.common.exits import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress, Tally
from capsule.cli.common.render import error_row, write_columns, write_error, write_line

if TYPE_CHECKING:
    from capsule.workspace.compare import Comparison
    from capsule.workspace.selection import Selection

_STATES = ("same", "differs", "absent", "failed")


def check_members(selection: Selection, *, jobs: int | None, snapshot: bool, as_json: bool) -> int:
    """Compiles every member anew and compares. Returns the exit code: 3 when one isn't the same."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.builder import Builder
    from capsule.workspace.compare import compare

    with Progress() as progress:
        tally = Tally(len(selection.members), progress)
        builder = Builder(plugins(), selection.settings, snapshot=snapshot, progress=tally)

        def work() -> list[Comparison]:
            with ThreadPoolExecutor(max_workers=job_count(jobs)) as pool:
                return list(pool.map(lambda member: compare(builder, member, tally), selection.members))

        found = interruptibly(work)
    if as_json:
        for one in found:
            print(json.dumps(_row(one)))
        counts = Counter(one.state for one in found)
        summary: dict[str, Any] = {"members": len(found)}
        print(json.dumps({"summary": summary | {state: counts[state] for state in _STATES}}))  # type: ignore[index]
    else:
        _write(found)
    return EXIT_OK if all(one.state == "same" for one in found) else EXIT_BUILD_FAILED


def _row(one: Comparison) -> dict[str, Any]:
    return {
        "member": one.member.name,
        "state": one.state,
        "compared": list(one.compared),
        "findings": list(one.findings),
        "error": None if one.error is None else error_row(one.error),
    }


def _write(found: list[Comparison]) -> None:
    rows = [("MEMBER", "STATE", "COMPARED")]
    write_columns([*rows, *((one.member.name, one.state, ", ".join(one.compared)) for one in found)])
    for one in found:
        for finding in one.findings:
            write_line(f"{one.member.name}: {finding}")
    wrong = sum(one.state != "same" for one in found)
    write_line(f"{len(found)} checked: {f'{wrong} not what the source builds' if wrong else 'all the same'}")
    for one in found:
        if one.error is not None:
            write_error(one.error)
