"""An artifact, ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.artifact.manifest import Manifest
from capsule.artifact.sections import ProgramTable

if TYPE_CHECKING:
    from capsule.build.compiled import CompiledCode


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest, compiled code, and for an engine's program its table and its folder of files."""

    manifest: Manifest
    code: CompiledCode
    program: ProgramTable | None = None
    files: Path | None = None
