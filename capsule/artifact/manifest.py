"""What tasks an artifact declares, and the policy of each: frozen when it is built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from capsule.artifact.foreign import Contract
from capsule.errors import ArtifactError, Location
from capsule.frontend.spec import Json, JsonType, Parameter
from capsule.policy.model import TaskPolicy

MANIFEST_VERSION = 1


@dataclass(frozen=True, slots=True)
class Task:
    """A declared task: its policy is what the source says over the project's defaults.

    ``parameters`` are what its function takes by position, None where that is not known.
    """

    name: str
    declared: TaskPolicy
    location: Location
    parameters: tuple[Parameter, ...] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact says of itself.

    ``source`` is the built file's path relative to its project root; ``key`` is the hash of the
    inputs; ``frontend`` and ``frontend_version`` name what built it. ``contract`` is how its component is
    called: never read from an artifact, whose component is always of our own contract.
    """

    source: str
    key: str
    frontend: str
    frontend_version: str
    tasks: Mapping[str, Task]
    workflow: Mapping[str, str]
    contract: Contract = Contract.TASK


LARGEST_TASK_COUNT = 10_000

MOST_PARAMETERS = 200
"""Parameters of a task that a manifest tells of."""

LONGEST_PARAMETER = 200
"""Characters of a parameter's name."""

_JSON_TYPES = frozenset(get_args(JsonType))


def manifest_to_json(manifest: Manifest) -> dict[str, Json]:
    """The manifest section's content."""
    from capsule.policy.serial import to_json

    return {
        "version": MANIFEST_VERSION,
        "source": manifest.source,
        "key": manifest.key,
        "frontend": manifest.frontend,
        "frontend_version": manifest.frontend_version,
        "workflow": dict(manifest.workflow),
        "tasks": {
            name: {
                "policy": to_json(task.declared),
                "file": task.location.file,
                "line": task.location.line,
                **({} if task.parameters is None else {"parameters": _described(task.parameters)}),
            }
            for name, task in manifest.tasks.items()
        },
    }


def manifest_from_json(value: Mapping[str, Json]) -> Manifest:
    """Reads a manifest section: a claim by whoever made the artifact. Raises `ArtifactError`."""
    from capsule.policy.serial import from_json

    if value.get("version") != MANIFEST_VERSION:
        raise ArtifactError(
            f"the artifact's manifest has version {str(value.get('version'))[:20]}, not {MANIFEST_VERSION}",
            hint="build it again with this version of capsule",
        )
    tasks = value.get("tasks")
    workflow = value.get("workflow")
    if not isinstance(tasks, dict) or len(tasks) > LARGEST_TASK_COUNT or not isinstance(workflow, dict):
        raise ArtifactError("the artifact's manifest lists no tasks")
    parsed = {}
    for name, task in tasks.items():
        if not isinstance(task, dict) or not isinstance(task.get("policy"), dict):
            raise ArtifactError(f"the artifact's manifest is wrong about the task {name[:80]!r}")
        if not name.isprintable():
            raise ArtifactError(f"the artifact's task {name[:80]!r} has a name that can't be shown")
        line = task.get("line")
        location = Location(_text(task, "file"), line if type(line) is int and line > 0 else None)
        parsed[name] = Task(name, from_json(task["policy"]), location, _parameters(task.get("parameters")))
    return Manifest(
        source=_text(value, "source"),
        key=_text(value, "key"),
        frontend=_text(value, "frontend"),
        frontend_version=_text(value, "frontend_version"),
        tasks=parsed,
        workflow={str(key)[:100]: str(text)[:1000] for key, text in list(workflow.items())[:20]},
    )


def _described(parameters: tuple[Parameter, ...]) -> list[Json]:
    return [
        {"name": each.name, "types": list(each.types), **({"rest": True} if each.rest else {})}
        for each in parameters
    ]


def _parameters(value: Json) -> tuple[Parameter, ...] | None:
    """The parameters that a manifest tells of, None for one that tells of none."""
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MOST_PARAMETERS:
        raise ArtifactError("the artifact's manifest is wrong about a task's parameters")
    found = []
    for each in value:
        name, types = (each.get("name"), each.get("types")) if isinstance(each, dict) else (None, None)
        if (
            not isinstance(name, str)
            or not name.isprintable()
            or len(name) > LONGEST_PARAMETER
            or not isinstance(types, list)
            or not all(isinstance(kind, str) and kind in _JSON_TYPES for kind in types)
        ):
            raise ArtifactError("the artifact's manifest is wrong about a task's parameters")
        found.append(Parameter(name, tuple(sorted(set(types))), rest=each.get("rest") is True))
    return tuple(found)


def _text(value: Mapping[str, Json], field: str) -> str:
    text = value.get(field)
    if not isinstance(text, str) or len(text) > 4096:
        raise ArtifactError(f"the artifact's manifest has no usable {field!r}")
    return text
