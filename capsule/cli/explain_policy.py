"""``capsule explain``: what each task of a file may use, where it came from, and what cut it.

On a terminal it is laid out to the terminal's width. Elsewhere each line stands for itself, beginning with
the task's name, for ``grep`` and its kin.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.cli.common.ceilings import given_limits
from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.values import value_text
from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.artifact.sections import Artifact
    from capsule.build.explanation import Explanation, Folder, TaskExplanation, Value, Variable
    from capsule.project.opened import Project

Row = tuple[str, str, str]
"""What it is, its value, and where that came from."""

NARROW = 72
"""Columns of a terminal below which origins go on lines of their own."""


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """What ``explain`` was asked for, as typed."""

    limit: tuple[str, ...] = ()
    deny_all: bool = False
    mount: tuple[str, ...] = ()
    env_file: Path | None = None
    json: bool = False


def explain_file(file: Path | None, task: str | None, options: ExplainOptions) -> int:
    """Explains the policies of a file's tasks, or of one. Returns the exit code; raises `CapsuleError`."""
    from capsule.artifact.foreign_policy import under_ceilings
    from capsule.build.explanation import Surroundings, explain
    from capsule.build.oversight import ARTIFACT_SUFFIX, oversight
    from capsule.frontend.manager import plugins
    from capsule.launch.prepare import elsewhere
    from capsule.project.environment import environment
    from capsule.project.opened import open_project
    from capsule.runtime.preopens import parse_mount
    from capsule.runtime.protected import Protected

    here = Path.cwd()
    given = given_limits(
        options.limit, deny_all=options.deny_all, mount=options.mount, env_file=options.env_file
    )
    mounts = tuple(parse_mount(text, here, "--mount") for text in options.mount)
    project = open_project(file, here, plugins())
    held_to = oversight(project, here, plugins(), limits=given)
    with Progress() as progress:
        artifact, inputs, looked_up = interruptibly(
            lambda: _artifact(project, held_to.requirements(), progress)
        )
    around = Surroundings(
        project.config,
        held_to.limits,
        Protected.of(
            project.root,
            inputs,
            allowed=held_to.limits.allow_project_writes,
            looked_up=looked_up,
            others=lambda: elsewhere(project, plugins()),
        ),
        environment(project.root, None if options.env_file is None else here / options.env_file),
        mounts,
        project.source.suffix.lower() == ARTIFACT_SUFFIX,
        held_to.ceilings,
    )
    found = explain(under_ceilings(artifact.manifest, around.limits), around)
    chosen = _chosen(found, task, artifact)
    signed = tuple(one.key_id for one in artifact.signatures) if around.is_artifact else None
    checked = tuple(origin for _, origin in held_to.signatures)
    if options.json:
        print(json.dumps(_as_json(found, chosen, signed, checked)))
    else:
        _write(found, chosen, signed, checked)
    return EXIT_OK


def _artifact(
    project: Project, requirements: Any, progress: Progress
) -> tuple[Artifact, tuple[Path, ...], Callable[[], Iterable[Path]]]:
    from capsule.build.oversight import ARTIFACT_SUFFIX
    from capsule.build.pipeline import build, plan
    from capsule.build.reading import read_wasm
    from capsule.frontend.manager import plugins
    from capsule.launch.prepare import built_from, places_looked_up

    if project.source.suffix.lower() == ARTIFACT_SUFFIX:
        return read_wasm(project.source, requirements, progress=progress), (project.source,), tuple
    planned = plan(project, plugins(), progress=progress)
    artifact = build(planned, progress=progress).artifact
    return artifact, built_from(planned), lambda: places_looked_up(planned, progress)


def _chosen(found: Explanation, task: str | None, artifact: Artifact) -> tuple[TaskExplanation, ...]:
    if task is None:
        return found.tasks
    chosen = tuple(one for one in found.tasks if one.name == task)
    if not chosen:
        from capsule.policy.problems import name_hint, show

        hint = name_hint(task, [one.name for one in found.tasks[:20]])
        raise UsageError(f"{artifact.manifest.source} declares no task {show(task)}", hint=hint)
    return chosen


# Text


def _write(
    found: Explanation,
    chosen: tuple[TaskExplanation, ...],
    signed: tuple[str, ...] | None,
    checked: tuple[str, ...],
) -> None:
    parts = [(task.name, str(task.location), list(_task_rows(task))) for task in chosen]
    run: list[Row] = [(one.name, value_text(one.name, one.value), one.origin) for one in found.limits]
    run += [
        ("ceiling", f"{one.name} = {value_text(one.name, one.value)}", one.origin) for one in found.ceilings
    ]
    run += [("mount", _folder_text(folder), "--mount") for folder in found.mounts]
    if signed is not None:
        how = f"checked: {', '.join(checked)}" if checked else "not checked; --require-signature would"
        run.append(("signed by", ", ".join(signed) or "nobody", how))
    parts.append(("(run)", "a run as a whole", run))
    if sys.stdout.isatty():
        _write_terminal(parts)
    else:
        _write_lines(parts)


def _task_rows(task: TaskExplanation) -> Iterator[Row]:
    if task.refusal is not None:
        yield "refused", task.refusal, ""
    for value in task.values:
        yield value.name, value_text(value.name, value.effective), _because(value)
    for folder in task.folders:
        yield "folder", _folder_text(folder), ""
    for kind, variables in (("variable", task.variables), ("secret", task.secrets)):
        for variable in variables:
            yield kind, _variable_text(variable), ""


def _because(value: Value) -> str:
    if not value.cut:
        return value.origin
    declared = value_text(value.name, value.declared)
    return f"declared {declared} ({value.origin}), cut by {value.ceiling_origin}"


def _folder_text(folder: Folder) -> str:
    mode = "rw" if folder.writable else "ro"
    return f"{folder.guest} -> {folder.host or 'nothing'} ({mode}), {folder.problem or folder.state}"


def _variable_text(variable: Variable) -> str:
    text = f"{variable.name}, {'set' if variable.is_set else 'not set'}"
    return f"{text}, {variable.note}" if variable.note else text


def _write_lines(parts: list[tuple[str, str, list[Row]]]) -> None:
    from capsule.cli.common.render import write_line
    from capsule.terminal import escape

    lines = [(escape(name), *map(escape, row)) for name, _, rows in parts for row in rows]
    widths = [min(40, max(len(line[column]) for line in lines)) for column in range(3)]
    for line in lines:
        padded = (text.ljust(width) for text, width in zip(line, (*widths, 0), strict=True))
        write_line("  ".join(padded).rstrip())


def _write_terminal(parts: list[tuple[str, str, list[Row]]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from capsule.terminal import escape

    console = Console(highlight=False, markup=False)
    for name, place, rows in parts:
        console.print(Text.assemble((escape(name), "bold"), "  ", (escape(place), "dim")))
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        table.add_column(style="cyan", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_column(overflow="fold")
        for label, value, origin in rows:
            attention = "red" if label == "refused" else "yellow" if ", cut by " in origin else ""
            said, why = Text(escape(value), style=attention), Text(escape(origin), style="dim")
            if console.width < NARROW and origin:
                said, why = Text.assemble(said, "\n", why), Text()
            table.add_row(Text("  " + label), said, why)
        console.print(table)


# JSON


def _as_json(
    found: Explanation,
    chosen: tuple[TaskExplanation, ...],
    signed: tuple[str, ...] | None,
    checked: tuple[str, ...],
) -> dict[str, Any]:
    return {
        "tasks": [
            {
                "name": task.name,
                "file": task.location.file,
                "line": task.location.line,
                "refusal": task.refusal,
                "policy": {value.name: _value_json(value) for value in task.values},
                "folders": [_folder_json(folder) for folder in task.folders],
                "env_variables": [{"name": one.name, "set": one.is_set} for one in task.variables],
                "secrets": [{"name": one.name, "set": one.is_set, "note": one.note} for one in task.secrets],
            }
            for task in chosen
        ],
        "limits": {one.name: {"value": one.value, "origin": one.origin} for one in found.limits},
        "ceilings": [
            {"name": one.name, "value": _plain(one.name, one.value), "origin": one.origin}
            for one in found.ceilings
        ],
        "mounts": [_folder_json(folder) for folder in found.mounts],
        "signed_by": None if signed is None else list(signed),
        "signatures_checked": list(checked),
    }


def _value_json(value: Value) -> dict[str, Any]:
    return {
        "effective": _plain(value.name, value.effective),
        "declared": _plain(value.name, value.declared),
        "origin": value.origin,
        "ceiling": None if value.ceiling is None else _plain(value.name, value.ceiling),
        "ceiling_origin": value.ceiling_origin,
        "cut": value.cut,
    }


def _plain(name: str, value: Any) -> Any:
    if name == "allowed_files":
        return [
            {"path": grant.path, "mode": "read-write" if grant.writable else "read-only"} for grant in value
        ]
    return list(value) if isinstance(value, tuple) else value


def _folder_json(folder: Folder) -> dict[str, Any]:
    return {
        "guest": folder.guest,
        "host": None if folder.host is None else str(folder.host),
        "mode": "read-write" if folder.writable else "read-only",
        "state": folder.state,
        "problem": folder.problem,
    }
