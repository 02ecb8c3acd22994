"""``capsule build``: artifacts ahead of time, and ``--export`` for files that run anywhere."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli import EXIT_BUILD_FAILED, EXIT_OK
from capsule.cli.progress import Progress
from capsule.cli.render import write_error, write_line
from capsule.cli.run import interruptibly
from capsule.errors import ArtifactError, BuildError, UsageError

if TYPE_CHECKING:
    from capsule.frontend.spec import Diagnostic
    from capsule.project import Project


@dataclass(frozen=True, slots=True)
class _Built:
    """What is said of one build."""

    source: str
    path: Path | None
    seconds: float
    hit: bool
    types: tuple[Diagnostic, ...] = ()


def build_files(
    files: tuple[Path, ...], *, export: bool, snapshot: bool, typecheck: bool, as_json: bool
) -> int:
    """Builds each file and says what came of it. Returns the exit code; raises `CapsuleError`."""
    from capsule.frontend.manager import plugins
    from capsule.project import open_project

    code = EXIT_OK
    for file in files or (None,):
        with Progress() as progress:
            project = open_project(file, Path.cwd(), plugins())
            if project.source.suffix.lower() == ".wasm":
                raise UsageError(f"{file} is built already", hint=f"capsule exec {file}")
            work = partial(_build, project, progress, export=export, snapshot=snapshot, typecheck=typecheck)
            built = interruptibly(work)
        _report(built, as_json=as_json)
        if built.types:
            code = EXIT_BUILD_FAILED
    return code


def _build(project: Project, progress: Progress, *, export: bool, snapshot: bool, typecheck: bool) -> _Built:
    from capsule.build import BuildHost, build, plan, self_contained
    from capsule.frontend.manager import plugins
    from capsule.frontend.spec import TypeChecker
    from capsule.loading import load

    planned = plan(project, plugins(), snapshot=snapshot, progress=progress)
    built = build(planned, progress=progress)
    # Compiling for this machine is what the first run would wait for.
    load(built.artifact, built.engine, name=project.source.name, progress=progress)
    path = built.path
    if export:
        path = project.source.with_suffix(".wasm")
        write_export(path, self_contained(built, progress))
    types: tuple[Diagnostic, ...] = ()
    if typecheck:
        frontend = planned.frontend
        if not isinstance(frontend, TypeChecker):
            raise UsageError(
                f"the {frontend.name} frontend checks no types",
                hint="use a checker of the language, like mypy" if frontend.name == "python" else None,
            )
        types = tuple(frontend.typecheck(planned.source, BuildHost(frontend.name, progress)))
    return _Built(planned.source.name, path, built.seconds, built.hit, types)


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
    from capsule.session import read_artifact

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
