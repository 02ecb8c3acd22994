"""Reading ``.wasm`` files: artifacts of ours, and components of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.artifact.sections import Artifact, parse
from capsule.build.adoption import read_component
from capsule.build.oversight import check_signatures
from capsule.errors import ArtifactError
from capsule.frontend.inputs import InputError, read_input

if TYPE_CHECKING:
    from capsule.artifact.signing import Requirement

Progress = Callable[[str], None]

LARGEST_WASM = 1 << 30


def read_artifact(path: Path, requirements: tuple[Requirement, ...] = ()) -> Artifact:
    """Reads a ``.wasm`` file, which must be signed as ``requirements`` ask. Raises `ArtifactError`."""
    data = read_bytes(path)
    # What is checked and what is read on are these same bytes.
    check_signatures(data, requirements, name=path.name)
    return parse(data, name=path.name)


def read_wasm(path: Path, requirements: tuple[Requirement, ...] = (), *, progress: Progress) -> Artifact:
    """`read_artifact`, and components of others too, as what stands for them. Raises `ArtifactError`."""
    data = read_bytes(path)
    check_signatures(data, requirements, name=path.name)
    return read_component(data, name=path.name, progress=progress)


def read_bytes(path: Path) -> bytes:
    """The bytes of a ``.wasm`` file. Raises `ArtifactError`."""
    try:
        return read_input(path, most=LARGEST_WASM)
    except InputError as error:
        raise ArtifactError(f"{path.name}: {error.reason}", hint=error.hint) from None
