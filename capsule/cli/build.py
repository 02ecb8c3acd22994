"""``capsule build``: artifacts ahead of time, and ``--export`` for files that run anywhere.

Plain files are built here one after the other; folders, patterns and whole workspaces by `build_members`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli.common.building import BuildOptions, finish_artifact, finish_for, signing_keys
from capsule.cli.common.exits import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import type_row, write_error, write_line, write_notes
from capsule.errors import BuildError, UsageError

if TYPE_CHECKING:
    from capsule.artifact.signing import SigningKey
    from capsule.frontend.spec import Diagnostic
    from capsule.project.opened import Project
    from capsule.workspace.builder import Finish
    from capsule.workspace.selection import Selection


@dataclass(frozen=True, slots=True)
class _Built:
    """What is said of one build."""

    source: str
    path: Path | None
    seconds: float
    hit: bool
    types: tuple[Diagnostic, ...] = ()
    notes: tuple[str, ...] = ()


def build_command(files: tuple[Path, ...], options: BuildOptions) -> int:
    """Builds members of a workspace, or plain files. Returns the exit code; raises `CapsuleError`."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.selection import select

    _check_options(options)
    if options.watch:
        from capsule.cli.watch_builds import watch_builds

        return watch_builds(files, options)
    special = options.affected or options.check or options.explain
    selection = select(files, Path.cwd(), plugins(), always=special)
    if selection is None:
        return build_files(
            files,
            export=options.export,
            snapshot=options.snapshot,
            typecheck=options.typecheck,
            keys=signing_keys(options),
            as_json=options.json,
            verbose=options.verbose,
        )
    if options.affected:
        from capsule.cli.affected import only_affected

        selection = only_affected(selection, options.since, snapshot=options.snapshot)
    if options.explain:
        from capsule.cli.explain import explain_members

        return explain_members(selection, snapshot=options.snapshot, as_json=options.json)
    if options.check:
        from capsule.cli.check import check_members

        return check_members(selection, jobs=options.jobs, snapshot=options.snapshot, as_json=options.json)
    return build_selection(selection, options)


def build_selection(selection: Selection, options: BuildOptions) -> int:
    """Builds the members of a selection and reports. Returns the exit code."""
    from capsule.cli.build_members import build_members, check_exports

    if options.export:
        check_exports(selection.members)
    return build_members(
        selection,
        jobs=options.jobs,
        snapshot=options.snapshot,
        finish=finish_for(options),
        as_json=options.json,
        verbose=options.verbose,
    )


def _check_options(options: BuildOptions) -> None:
    alone = {
        "--check": options.check,
        "--explain": options.explain,
        "--watch": options.watch,
    }
    chosen = [name for name, on in alone.items() if on]
    if len(chosen) > 1:
        raise UsageError(f"{' and '.join(chosen)} don't go together", hint="give one of them")
    if options.since is not None and not options.affected:
        raise UsageError("--since goes with --affected", hint=f"--affected --since {options.since}")
    if options.sign and not options.export:
        raise UsageError("--sign goes with --export", hint=f"--export --sign {options.sign[0]}")
    if options.watch and options.affected:
        raise UsageError("--watch builds what a save touches: leave --affected out")


def build_files(
    files: tuple[Path, ...],
    *,
    export: bool,
    snapshot: bool,
    typecheck: bool,
    keys: tuple[SigningKey, ...] = (),
    as_json: bool,
    verbose: bool = False,
) -> int:
    """Builds each file and says what came of it. Returns the exit code; raises `CapsuleError`."""
    from capsule.frontend.manager import plugins
    from capsule.project.opened import open_project

    code = EXIT_OK
    for file in files or (None,):
        with Progress() as progress:
            project = open_project(file, Path.cwd(), plugins())
            if project.source.suffix.lower() == ".wasm":
                raise UsageError(f"{file} is built already", hint=f"capsule exec {file}")
            finish = partial(
                finish_artifact, export=export, typecheck=typecheck, keys=keys, progress=progress
            )
            work = partial(_build, project, progress, snapshot=snapshot, finish=finish)
            built = interruptibly(work)
        _report(built, as_json=as_json)
        if verbose:
            write_notes(built.notes)
        if built.types:
            code = EXIT_BUILD_FAILED
    return code


def _build(project: Project, progress: Progress, *, snapshot: bool, finish: Finish) -> _Built:
    from capsule.build.loading import load
    from capsule.build.pipeline import build, plan
    from capsule.frontend.manager import plugins

    planned = plan(project, plugins(), snapshot=snapshot, progress=progress)
    built = build(planned, progress=progress)
    # Compiling for this machine is what the first run would wait for.
    load(built.artifact, built.engine, name=project.source.name, progress=progress)
    exported, types = finish(planned, built)
    notes = planned.inputs.notes
    return _Built(planned.source.name, exported or built.path, built.seconds, built.hit, types, notes)


def _report(built: _Built, *, as_json: bool) -> None:
    path = built.path
    shown = "not kept" if path is None else os.path.relpath(path)
    if as_json:
        import json

        row = {
            "source": built.source,
            "artifact": shown,
            "cached": built.hit,
            "seconds": built.seconds,
            "bytes": None if path is None else path.stat().st_size,
            "types": [type_row(found) for found in built.types],
        }
        print(json.dumps(row))
        return
    what = "cached" if built.hit else "built"
    size_text = "" if path is None else f" ({path.stat().st_size / 1024:,.0f} KiB)"
    write_line(f"{what:>8} {built.source} -> {shown}{size_text} in {built.seconds:.2f} s")
    for found in built.types:
        write_error(BuildError(found.message, location=found.location))
