"""From an artifact to something that can run: compiled code, program, files."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path, PurePosixPath

from capsule.artifact.sections import Artifact, ProgramTable
from capsule.build.compiled import compiled_code
from capsule.build.engines import built_engine_digest, compiled_name, engine_code
from capsule.build.exports import check_exports
from capsule.errors import ArtifactError
from capsule.frontend.spec import Engine
from capsule.project.user_cache import private_folder
from capsule.runtime.loaded import Loaded

Progress = Callable[[str], None]

LARGEST_FILE_COUNT = 50_000


def load(artifact: Artifact, engine: Engine | None, *, name: str, progress: Progress) -> Loaded:
    """Makes an artifact ready to run. ``engine`` is what a thin artifact needs.

    Raises `ArtifactError` and `BuildError`.
    """
    if artifact.component:
        digest = hashlib.sha256(artifact.component).hexdigest()
        identity, stem = {"component": digest}, Path(name).stem
        if artifact.engine is not None and built_engine_digest(artifact.engine) == digest:
            # The engine of this machine, which is compiled already, or will be of use to others.
            identity, stem = {"engine": artifact.engine.key}, compiled_name(artifact.engine.name)
        code = compiled_code(identity, lambda: artifact.component, name=stem, progress=progress)
        if not artifact.manifest.contract.foreign:  # those were looked at when they were recognised
            check_exports(code.component(), name, needs_load=artifact.engine is not None)
    elif engine is not None:
        code = engine_code(engine, progress)
    else:
        raise ArtifactError(
            f"{name} needs an engine and does not bring it",
            hint="export it again with 'capsule build --export', from its source",
        )
    table = artifact.table()
    files = None
    if table is not None and table.has_files:
        assert artifact.program is not None
        files = unpack_files(table, artifact.program)
    return Loaded(artifact.manifest, code, table, files)


def unpack_files(table: ProgramTable, packed: bytes) -> Path:
    """The program's files as a folder in the user's cache, by the digest of the packed program.

    Raises `ArtifactError` for a path that leaves the folder.
    """
    parent = private_folder("files")
    digest = hashlib.sha256(packed).hexdigest()
    folder = parent / digest
    if folder.is_dir():
        return folder
    making = parent / f".{digest}.{uuid.uuid4().hex}"
    making.mkdir(mode=0o700)
    try:
        for count, (name, content) in enumerate(table.files()):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
                raise ArtifactError(f"the program has a file at the impossible path {name[:200]!r}")
            if count >= LARGEST_FILE_COUNT:
                raise ArtifactError(f"the program has more than {LARGEST_FILE_COUNT} files")
            target = making.joinpath(*path.parts)
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as file:
                    file.write(content)
            except OSError as error:
                raise ArtifactError(f"the program's file {name[:200]!r} can't be unpacked: {error}") from None
        with suppress(OSError):  # another process was quicker
            os.rename(making, folder)  # noqa: PTH104
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return folder
