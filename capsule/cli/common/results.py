"""What came of building members, one by one."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from capsule.cli.common.render import error_row, type_row, write_error, write_line
from capsule.errors import BuildError, Location

if TYPE_CHECKING:
    from capsule.errors import CapsuleError
    from capsule.workspace.builder import Result


def write_result(result: Result, *, as_json: bool) -> None:
    """What came of one member, by itself: for ``--watch``."""
    if as_json:
        print(json.dumps(result_row(result)), flush=True)
        return
    because = f": {', '.join(result.because)}" if result.because else ""
    write_line(f"{result.state:>8} {result.member.name} in {result.seconds:.2f} s{because}")
    write_problems([result])


def write_problems(results: list[Result]) -> None:
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
        "types": [type_row(found) for found in result.types],
    }
