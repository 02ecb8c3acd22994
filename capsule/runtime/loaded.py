"""An artifact, ready to run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from capsule.artifact.manifest import Manifest
from capsule.artifact.sections import ProgramTable

if TYPE_CHECKING:
    from wasmtime.component import Component


class Code(Protocol):
    """A component's code, compiled for this machine (`capsule.build.compiled` makes it)."""

    @property
    def key(self) -> str:
        """Names this code and no other."""

    @property
    def file(self) -> Path | None:
        """The file that holds it; None when it could not be kept in one."""

    def component(self) -> Component:
        """The component, mapped on first use. Raises `ArtifactError`."""

    def data(self) -> bytes:
        """The bytes of code that has no file, or whose file is gone."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A manifest, compiled code, and for an engine's program its table and its folder of files."""

    manifest: Manifest
    code: Code
    program: ProgramTable | None = None
    files: Path | None = None
