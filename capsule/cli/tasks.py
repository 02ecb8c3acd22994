"""``capsule tasks``: what tasks a file declares, and what each may use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.cli import EXIT_OK
from capsule.cli.progress import Progress
from capsule.cli.render import write_line
from capsule.cli.run import interruptibly
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.model import OPTIONS
from capsule.policy.serial import to_json

if TYPE_CHECKING:
    from capsule.manifest import Manifest


def list_tasks(file: Path | None, *, limit: tuple[str, ...], as_json: bool) -> int:
    """Lists the tasks of a file with their policies: as declared, and as they take effect."""
    from capsule.build import build, plan
    from capsule.frontend.manager import plugins
    from capsule.project import open_project
    from capsule.session import read_artifact

    project = open_project(file, Path.cwd(), plugins())
    limits = project.config.limits
    if limit:
        limits = limits.merge(Limits.parse_arguments(limit))
    with Progress() as progress:

        def manifest() -> Manifest:
            if project.source.suffix.lower() == ".wasm":
                return read_artifact(project.source).manifest
            planned = plan(project, plugins(), progress=progress)
            return build(planned, progress=progress).artifact.manifest

        found = interruptibly(manifest)
    if as_json:
        print(json.dumps([_entry(task, limits) for task in found.tasks.values()]))
        return EXIT_OK
    for task in found.tasks.values():
        write_line(f"{task.name}  ({task.location})")
        effective = apply_limits(task.declared, limits, task=task.name, location=task.location)
        for option in OPTIONS:
            value = getattr(effective.policy, option)
            declared = getattr(task.declared.policy, option)
            cut = "" if value == declared else f"  [declared: {_say(option, declared)}]"
            origin = effective.origins.get(option, "")
            write_line(f"  {option:<14} {_say(option, value):<28} {origin}{cut}")
    return EXIT_OK


def _entry(task: Any, limits: Limits) -> dict[str, Any]:
    return {
        "name": task.name,
        "file": task.location.file,
        "line": task.location.line,
        "declared": to_json(task.declared),
        "effective": to_json(apply_limits(task.declared, limits, task=task.name, location=task.location)),
    }


def _say(option: str, value: Any) -> str:
    if value is None:
        return "unlimited"
    if option == "compute":
        return f"{value:,} fuel"
    if option == "ram":
        return f"{value:,} bytes"
    if option == "timeout":
        return f"{value:g} s"
    if option == "allowed_files":
        return ", ".join(f"{grant.path} ({'rw' if grant.writable else 'ro'})" for grant in value) or "none"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value)
