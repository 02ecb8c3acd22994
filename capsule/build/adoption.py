"""Components without a manifest, as artifacts: with tasks and policies that the host makes up for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from capsule.artifact.foreign import MAIN_TASK
from capsule.artifact.foreign_policy import granted
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import CORE_MODULE_HEADER, MANIFEST_SECTION, Artifact, parse, split
from capsule.errors import ArtifactError, Location
from capsule.policy.limits import Limits

PREVIEW_1 = b"\x16wasi_snapshot_preview1"
"""How a core module that was built for WASI 0.1 names what it imports from: a name's length, and the name."""


def read_component(data: bytes, *, name: str, progress: Callable[[str], None]) -> Artifact:
    """An artifact, or what one stands for a component of others.

    The latter is compiled for this machine, to see what it is. Raises `ArtifactError`.
    """
    if data.startswith(CORE_MODULE_HEADER):
        raise _core_module(data, name)
    component, sections = split(data, name=name)
    if MANIFEST_SECTION in sections or any(section.startswith("capsule:") for section in sections):
        return parse(data, name=name)
    return Artifact(_manifest(component, name, progress), None, None, component)


def _manifest(component: bytes, name: str, progress: Callable[[str], None]) -> Manifest:
    from capsule.build.compiled import compiled_code
    from capsule.build.recognition import recognise

    digest = hashlib.sha256(component).hexdigest()
    code = compiled_code({"component": digest}, lambda: component, name=Path(name).stem, progress=progress)
    contract = recognise(code.component(), name)
    task = Task(MAIN_TASK, granted(Limits()), Location(name))
    return Manifest(name, digest[:32], contract.value, "", {MAIN_TASK: task}, {}, contract)


def _core_module(data: bytes, name: str) -> ArtifactError:
    """A module is what most compilers write; a component is made from it in one more step."""
    if PREVIEW_1 in data:
        return ArtifactError(
            f"{name} is a core WebAssembly module for WASI 0.1 (wasm32-wasip1), not a component",
            hint="compile it for wasm32-wasip2, or make a component of it: wasm-tools component new "
            f"{name} --adapt wasi_snapshot_preview1.command.wasm -o tool.wasm; "
            "for a source of yours: capsule build --export",
        )
    return ArtifactError(
        f"{name} is a core WebAssembly module, not a component",
        hint="build it with 'capsule build --export', from its source; or make a component of it: "
        f"wasm-tools component new {name} -o tool.wasm",
    )
