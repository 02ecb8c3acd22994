"""What ``build`` was asked for, and what is to be done with each artifact besides."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import ArtifactError, BuildError, UsageError

if TYPE_CHECKING:
    from capsule.artifact.signing import SigningKey
    from capsule.build.pipeline import Built, Plan
    from capsule.frontend.spec import Diagnostic
    from capsule.workspace.builder import Finish


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
    verbose: bool = False
    sign: tuple[Path, ...] = ()


def job_count(jobs: int | None) -> int:
    """How many members are worked on at once. Raises `UsageError`."""
    if jobs is None:
        return os.cpu_count() or 1
    if not 1 <= jobs <= 256:
        raise UsageError(f"--jobs {jobs}: not a number from 1 to 256", hint="capsule build -j 4")
    return jobs


def finish_for(options: BuildOptions) -> Finish | None:
    """What is to be done with each artifact besides."""
    if not (options.export or options.typecheck):
        return None
    keys = signing_keys(options)
    return partial(finish_artifact, export=options.export, typecheck=options.typecheck, keys=keys)


def signing_keys(options: BuildOptions) -> tuple[SigningKey, ...]:
    """The keys, before anything is built: one that can't be used should not cost a build."""
    if not options.sign:
        return ()
    from capsule.artifact.signing import read_signing_key

    return tuple(read_signing_key(path) for path in options.sign)


def finish_artifact(
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
        _write_export(path, data)
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


def _write_export(path: Path, data: bytes) -> None:
    """Writes an exported artifact. Raises `UsageError` rather than overwrite anything else."""
    from capsule.build.reading import read_artifact

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
