"""``capsule build`` in a workspace: many members at once, and a table or JSON lines of what came of them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.cli import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_error, write_line, write_warning
from capsule.cli.run import interruptibly
from capsule.errors import BuildError, Location, UsageError

if TYPE_CHECKING:
    from capsule.errors import CapsuleError
    from capsule.workspace.builder import Finish, Result
    from capsule.workspace.members import Member
    from capsule.workspace.selection import Selection

_STATES = ("hit", "fetched", "built", "failed")
_HEAD = ("MEMBER", "LANGUAGE", "STATE", "TIME", "SIZE", "ARTIFACT")


class Tally:
    """Says what is being done, and how much is done already."""

    def __init__(self, total: int, progress: Progress) -> None:
        self._total = total
        self._progress = progress
        self._done = 0
        self._lock = threading.Lock()

    def __call__(self, message: str) -> None:
        """Says what is being done from now on."""
        self._progress(f"[{self._done}/{self._total}] {message}")

    def step(self) -> None:
        """Counts one more that is done."""
        with self._lock:
            self._done += 1


def build_members(
    selection: Selection, *, jobs: int | None, snapshot: bool, finish: Finish | None, as_json: bool
) -> int:
    """Builds all members and reports. Returns the exit code: 3 when one of them failed."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.builder import Builder

    started = time.monotonic()
    with Progress() as progress:
        tally = Tally(len(selection.members), progress)
        builder = Builder(plugins(), selection.settings, snapshot=snapshot, finish=finish, progress=tally)

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
        _write_problems(results)
    failed = any(result.state == "failed" or result.types for result in results)
    return EXIT_BUILD_FAILED if failed else EXIT_OK


def write_result(result: Result, *, as_json: bool) -> None:
    """What came of one member, by itself: for ``--watch``."""
    if as_json:
        print(json.dumps(result_row(result)), flush=True)
        return
    because = f": {', '.join(result.because)}" if result.because else ""
    write_line(f"{result.state:>8} {result.member.name} in {result.seconds:.2f} s{because}")
    _write_problems([result])


def _write_problems(results: list[Result]) -> None:
    """What is wrong with members, for people, with file and line: what several have in common, once."""
    having: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.error is not None:
            having.setdefault((str(result.error), type(result.error).__name__), []).append(result)
    for failed in having.values():
        write_error(_in_common(failed))
    for result in results:
        for found in result.types:
            write_error(BuildError(found.message, location=found.location))


def _in_common(failed: list[Result]) -> CapsuleError:
    """The error of these members, which says whose it is."""
    error = failed[0].error
    assert error is not None
    message, location = error.message, error.location
    if len(failed) > 1:
        message = f"{message} ({len(failed)} members, {failed[0].member.name} for one)"
    elif location is None:
        location = Location(failed[0].member.name)
    traceback = getattr(error, "traceback", None)
    return BuildError(message, hint=error.hint, location=location, traceback=traceback)


def _write_not_kept(results: list[Result]) -> None:
    lost = [result for result in results if result.artifact is None and result.state != "failed"]
    if lost:
        noun = "artifact" if len(lost) == 1 else "artifacts"
        folder = lost[0].member.root / ".capsule"
        write_warning(f"{len(lost)} {noun} could not be kept in {folder}: is the disk full, or read-only?")


def job_count(jobs: int | None) -> int:
    """How many members are worked on at once. Raises `UsageError`."""
    if jobs is None:
        return os.cpu_count() or 1
    if not 1 <= jobs <= 256:
        raise UsageError(f"--jobs {jobs}: not a number from 1 to 256", hint="capsule build -j 4")
    return jobs


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


def result_row(result: Result) -> dict[str, Any]:
    """A member's line of ``--json``; docs/monorepo.md has the shape."""
    return {
        "member": result.member.name,
        "language": result.language,
        "state": result.state,
        "seconds": round(result.seconds, 6),
        "bytes": result.size,
        "artifact": None if result.artifact is None else os.path.relpath(result.artifact, result.member.root),
        "because": list(result.because),
        "error": None if result.error is None else error_row(result.error),
        "types": [
            {
                "message": found.message,
                "file": None if found.location is None else found.location.file,
                "line": None if found.location is None else found.location.line,
            }
            for found in result.types
        ],
    }


def error_row(error: CapsuleError) -> dict[str, Any]:
    """An error for machines."""
    return {
        "message": error.message,
        "file": None if error.location is None else error.location.file,
        "line": None if error.location is None else error.location.line,
        "hint": error.hint,
    }


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


def write_columns(rows: list[tuple[str, ...]]) -> None:
    """Rows of a table, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        write_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


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
