"""``capsule tasks``: what tasks a file declares, and what each may use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.build.oversight import ARTIFACT_SUFFIX, oversight
from capsule.cli.common.ceilings import given_limits
from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_columns, write_line
from capsule.cli.common.values import value_text
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.options import OPTIONS
from capsule.policy.serial import to_json

if TYPE_CHECKING:
    from capsule.artifact.sections import Artifact


def list_tasks(file: Path | None, *, limit: tuple[str, ...], deny_all: bool = False, as_json: bool) -> int:
    """Lists the tasks of a file with their policies: as declared, and as they take effect."""
    from capsule.artifact.foreign_policy import under_ceilings
    from capsule.build.pipeline import build, plan
    from capsule.build.reading import read_wasm
    from capsule.frontend.manager import plugins
    from capsule.project.opened import open_project

    project = open_project(file, Path.cwd(), plugins())
    given = given_limits(limit, deny_all=deny_all)
    held_to = oversight(project, Path.cwd(), plugins(), limits=given)
    limits = held_to.limits
    with Progress() as progress:

        def artifact() -> Artifact:
            if project.source.suffix.lower() == ARTIFACT_SUFFIX:
                return read_wasm(project.source, held_to.requirements(), progress=progress)
            planned = plan(project, plugins(), progress=progress)
            return build(planned, progress=progress).artifact

        found = interruptibly(artifact)
    declared_tasks = under_ceilings(found.manifest, limits).tasks.values()
    if as_json:
        print(json.dumps([_entry(task, limits) for task in declared_tasks]))
        return EXIT_OK
    if found.signatures:
        how = "checked" if held_to.signatures else "not checked; 'capsule exec --require-signature' would"
        write_line(f"signed by {', '.join(one.key_id for one in found.signatures)} ({how})")
    contract = found.manifest.contract
    if contract.foreign:
        which = "all its tasks have" if contract.names_tasks_freely else "it has"
        write_line(f"{project.source.name} was not made by capsule ({contract}): {which} one policy")
    for task in declared_tasks:
        write_line(f"{task.name}  ({task.location})")
        effective = apply_limits(task.declared, limits, task=task.name, location=task.location)
        rows = []
        for option in OPTIONS:
            value = getattr(effective.policy, option)
            declared = getattr(task.declared.policy, option)
            cut = "" if value == declared else f"  [declared: {value_text(option, declared)}]"
            origin = effective.origins.get(option, "")
            rows.append((f"  {option:<13}", f"{value_text(option, value):<27}", f"{origin}{cut}"))
        write_columns(rows)
    return EXIT_OK


def _entry(task: Any, limits: Limits) -> dict[str, Any]:
    return {
        "name": task.name,
        "file": task.location.file,
        "line": task.location.line,
        "declared": to_json(task.declared),
        "effective": to_json(apply_limits(task.declared, limits, task=task.name, location=task.location)),
    }
