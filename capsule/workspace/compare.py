"""Compares the artifacts on disk with what their source builds, compiled anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from capsule.artifact.sections import parse, signed_part
from capsule.artifact.signature import LARGEST_SECTION
from capsule.build.pipeline import Built, Plan, compile_anew, self_contained
from capsule.build.reading import LARGEST_WASM, read_artifact
from capsule.errors import ArtifactError, CapsuleError
from capsule.frontend.inputs import InputError, read_input
from capsule.workspace.builder import Builder, Prospect
from capsule.workspace.members import Member


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of a member. ``compared`` names what was looked at; ``findings`` say what is wrong.

    "absent" means that there is nothing on disk to compare: a check of nothing is no success.
    """

    member: Member
    state: Literal["same", "differs", "absent", "failed"]
    compared: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    error: CapsuleError | None = None


def compare(builder: Builder, member: Member, progress: Callable[[str], None]) -> Comparison:
    """Compiles a member and compares its stored artifact, and the one exported beside its source."""
    try:
        prospect = builder.prospect(member)
        fresh = compile_anew(prospect.planned, progress=progress)
        findings: list[str] = []
        compared = [
            *_compare_stored(prospect, fresh, findings),
            *_compare_exported(prospect.planned, fresh, findings, progress),
        ]
    except CapsuleError as error:
        return Comparison(member, "failed", error=error)
    if findings:
        return Comparison(member, "differs", tuple(compared), tuple(findings))
    if not compared:
        finding = "nothing on disk to compare: build it first, with 'capsule build'"
        return Comparison(member, "absent", (), (finding,))
    return Comparison(member, "same", tuple(compared))


def _compare_stored(prospect: Prospect, fresh: bytes, findings: list[str]) -> list[str]:
    project, key = prospect.planned.project, prospect.planned.key
    store = project.artifacts()
    present = [item.file for item in store.entries() if item.key == key]
    entry = store.get(key, name=project.source.stem)
    if entry is not None:
        name = entry.path.relative_to(project.base).as_posix()
        if entry.read() != fresh:
            findings.append(f"{name} is not what the source builds, though its inputs are the same")
        return [name]
    if present:
        findings.append(f"{present[0]} is damaged, or was not built by you")
        return present
    if prospect.old is not None:
        reasons = ", ".join(prospect.because) or "the artifact is missing"
        findings.append(f"the stored artifact is stale: {reasons}")
        return [f"the build of {prospect.old.key[:8]}"]
    return []


def _compare_exported(
    planned: Plan, fresh: bytes, findings: list[str], progress: Callable[[str], None]
) -> list[str]:
    path = planned.project.source.with_suffix(".wasm")
    if not path.is_file():
        return []
    name = _shown(path, planned)
    artifact = parse(fresh, name=planned.source.name)
    expected = self_contained(Built(artifact, planned.engine, None, False, 0.0, len(fresh)), progress)
    try:
        # A signature is of the file, and not of what the source builds: that is what it stands behind.
        found = read_input(path, most=LARGEST_WASM, within=planned.project.base)
        same = len(found) - len(expected) <= LARGEST_SECTION and _unsigned(found) == expected
    except InputError as error:
        findings.append(f"{name}: {error.reason}")
        return [name]
    if not same:
        findings.append(f"{name} {_difference(path, planned, fresh)}")
    return [name]


def _unsigned(data: bytes) -> bytes:
    try:
        return bytes(signed_part(data, name="")[0])
    except ArtifactError:
        return b""


def _difference(path: Path, planned: Plan, fresh: bytes) -> str:
    try:
        found = read_artifact(path)
    except ArtifactError:
        return "is damaged, or was not made by capsule"
    expected = parse(fresh, name=planned.source.name)
    if (found.manifest, found.program) == (expected.manifest, expected.program) and expected.engine:
        return "has the source's program, and another build of the engine: export it again"
    return "is not what the source builds: export it again with 'capsule build --export'"


def _shown(path: Path, planned: Plan) -> str:
    return path.relative_to(planned.project.base).as_posix()
