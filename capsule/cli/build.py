"""``capsule build``: artifacts ahead of time, and ``--export`` for files that run anywhere.

Plain files are built here one after the other; folders, patterns and whole workspaces by `build_members`.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_error, write_line
from capsule.cli.run import interruptibly
from capsule.errors import ArtifactError, BuildError, UsageError

if TYPE_CHECKING:
    from capsule.artifact.signing import SigningKey
    from capsule.build.pipeline import Built, Plan
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


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What ``build`` was asked for, as typed."""

    export: bool = False
    snapshot: bool = False
    typecheck: bool = False
    json: bool = False
    jobs: int | None = None
    affected: bool = False
    since: str | None = None
    check: bool = False
    explain: bool = False
    watch: bool = False
    sign: tuple[Path, ...] = ()


def build_command(files: tuple[Path, ...], options: BuildOptions) -> int:
    """Builds members of a workspace, or plain files. Returns the exit code; raises `CapsuleError`."""
    from capsule.frontend.manager import plugins
    from capsule.workspace.selection import select

    _check_options(options)
    if options.watch:
        from capsule.cli.watch import watch_builds

        return watch_builds(files, options)
    special = options.affected or options.check or options.explain
    selection = select(files, Path.cwd(), plugins(), always=special)
    if selection is None:
        return build_files(
            files,
            export=options.export,
            snapshot=options.snapshot,
            typecheck=options.typecheck,
            keys=_signing_keys(options),
            as_json=options.json,
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
    )


def finish_for(options: BuildOptions) -> Finish | None:
    """What is to be done with each artifact besides."""
    if not (options.export or options.typecheck):
        return None
    keys = _signing_keys(options)
    return partial(_finish, export=options.export, typecheck=options.typecheck, keys=keys)


def _signing_keys(options: BuildOptions) -> tuple[SigningKey, ...]:
    """The keys, before anything is built: one that can't be used should not cost a build."""
    if not options.sign:
        return ()
    from capsule.artifact.signing import read_signing_key

    return tuple(read_signing_key(path) for path in options.sign)


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
            finish = partial(_finish, export=export, typecheck=typecheck, keys=keys, progress=progress)
            work = partial(_build, project, progress, snapshot=snapshot, finish=finish)
            built = interruptibly(work)
        _report(built, as_json=as_json)
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
    return _Built(planned.source.name, exported or built.path, built.seconds, built.hit, types)


def _finish(
    planned: Plan,
    built: Built,
    *,
    export: bool,
    typecheck: bool,
    keys: tuple[SigningKey, ...] = (),
    progress: Callable[[str], None] = lambda message: None,
) -> tuple[Path | None, tuple[Diagnostic, ...]]:
    """Exports an artifact, signs it, and checks the types of its source, where that was asked for."""
    from capsule.build.pipeline import BuildHost, self_contained
    from capsule.frontend.spec import TypeChecker

    path = None
    if export:
        path = planned.project.source.with_suffix(".wasm")
        data = self_contained(built, progress)
        if keys:
            from capsule.artifact.signing import sign

            data = sign(data, keys, name=path.name)
        write_export(path, data)
    types: tuple[Diagnostic, ...] = ()
    if typecheck:
        frontend = planned.frontend
        if not isinstance(frontend, TypeChecker):
            raise UsageError(
                f"the {frontend.name} frontend checks no types",
                hint="use a checker of the language, like mypy" if frontend.name == "python" else None,
            )
        types = tuple(frontend.typecheck(planned.source, BuildHost(frontend.name, progress)))
    return path, types


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
            "types": [
                {
                    "message": found.message,
                    "file": None if found.location is None else found.location.file,
                    "line": None if found.location is None else found.location.line,
                }
                for found in built.types
            ],
        }
        print(json.dumps(row))
        return
    what = "cached" if built.hit else "built"
    size_text = "" if path is None else f" ({path.stat().st_size / 1024:,.0f} KiB)"
    write_line(f"{what:>8} {built.source} -> {shown}{size_text} in {built.seconds:.2f} s")
    for found in built.types:
        write_error(BuildError(found.message, location=found.location))


def write_export(path: Path, data: bytes) -> None:
    """Writes an exported artifact. Raises `UsageError` rather than overwrite anything else."""
    from capsule.build.session import read_artifact

    if path.is_dir():
        raise UsageError(f"{path.name} is a folder", hint="move it away, then export again")
    if path.exists():
        try:
            read_artifact(path)
        except ArtifactError:
            raise UsageError(
                f"{path.name} exists and was not made by capsule", hint="move it away, then export again"
            ) from None
    making = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        making.write_bytes(data)
        os.replace(making, path)  # noqa: PTH105
    except OSError as error:
        raise BuildError(f"{path.name} can't be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            making.unlink(missing_ok=True)
