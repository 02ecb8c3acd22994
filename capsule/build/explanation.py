"""The effective policy of a file's tasks, value by value, with where each came from and what cut it.

Nothing is run, and no folder is made. Values of variables and secrets are looked for, and never told.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from capsule.errors import Location, PolicyError
from capsule.policy.limits import Limits, apply_limits
from capsule.policy.model import TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.resolve import BUILT_IN

if TYPE_CHECKING:
    from capsule.artifact.manifest import Manifest, Task
    from capsule.build.oversight import Ceiling
    from capsule.project.config import Config
    from capsule.project.environment import Environment
    from capsule.runtime.preopens import Mount
    from capsule.runtime.protected import Protected

FolderState = Literal["exists", "missing", "to be made", "refused"]


@dataclass(frozen=True, slots=True)
class Value:
    """An option of a task: what it declares, the ceiling if there is one, and what comes of both.

    The three are in the units of `capsule.policy.model.Policy`. ``ceiling_origin`` is None without a ceiling.
    """

    name: str
    effective: Any
    declared: Any
    origin: str
    ceiling: Any = None
    ceiling_origin: str | None = None

    @property
    def cut(self) -> bool:
        """Whether the ceiling took something away."""
        return bool(self.effective != self.declared)


@dataclass(frozen=True, slots=True)
class Setting:
    """A limit of the run as a whole, in the units of `Limits`."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that a task sees under ``guest``. ``problem`` says why it is refused."""

    guest: str
    host: Path | None
    writable: bool
    state: FolderState
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable, or a secret, that a task may see; ``note`` is what else is known of it."""

    name: str
    is_set: bool
    note: str = ""


@dataclass(frozen=True, slots=True)
class TaskExplanation:
    """A task. ``refusal`` says why a run of the file is refused because of it."""

    name: str
    location: Location
    values: tuple[Value, ...]
    folders: tuple[Folder, ...]
    variables: tuple[Variable, ...]
    secrets: tuple[Variable, ...]
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A file: its tasks, the limits of a run of it, the operator's own folders, and every ceiling there is.

    ``ceilings`` are as they were written, also those that a narrower one makes idle: the narrowest holds.
    """

    tasks: tuple[TaskExplanation, ...]
    limits: tuple[Setting, ...]
    mounts: tuple[Folder, ...]
    ceilings: tuple[Setting, ...] = ()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a file would be run in. ``defaults`` are of the sources' project, empty for an artifact."""

    config: Config
    limits: Limits
    protected: Protected
    environment: Environment
    mounts: tuple[Mount, ...] = ()
    is_artifact: bool = False
    ceilings: tuple[Ceiling, ...] = ()


def explain(manifest: Manifest, around: Surroundings) -> Explanation:
    """What each task may use. Raises `ConfigError` for a ``.env`` that can't be read."""
    lines = {} if around.is_artifact else _default_lines(around.config)
    return Explanation(
        tasks=tuple(_explain_task(task, around, lines) for task in manifest.tasks.values()),
        limits=tuple(
            Setting(field.name, getattr(around.limits, field.name), around.limits.origin(field.name))
            for field in fields(Limits)
            if field.name not in (*OPTIONS, "origins")
        ),
        mounts=tuple(_mount(mount, around.protected) for mount in around.mounts),
        ceilings=tuple(
            Setting(name, getattr(ceiling.limits, name), _placed(origin, ceiling.written_in))
            for ceiling in around.ceilings
            for name, origin in ceiling.limits.origins.items()
        ),
    )


def _placed(origin: str, written_in: str | None) -> str:
    """An origin with its file's whole path, where it names but the end of it."""
    return origin if written_in is None or written_in in origin else f"{origin}, of {written_in}"


def _default_lines(config: Config) -> Mapping[str, str]:
    """What artifacts say of a project's defaults, with the lines that they stand in now."""
    return {
        default.origin: f"{default.location} default_{option}"
        for option, default in config.defaults.items()
        if default.location is not None
    }


def _explain_task(task: Task, around: Surroundings, lines: Mapping[str, str]) -> TaskExplanation:
    refusal = None
    try:
        effective = apply_limits(task.declared, around.limits, task=task.name, location=task.location)
    except PolicyError as error:
        refusal = error.message
        effective = apply_limits(task.declared, replace(around.limits, on_exceed="cap"))
    policy = effective.policy
    origin = effective.origins.get("allowed_files", BUILT_IN)
    return TaskExplanation(
        name=task.name,
        location=task.location,
        values=tuple(_value(option, task.declared, effective, around.limits, lines) for option in OPTIONS),
        folders=tuple(
            _folder(grant.path, grant.writable, _resolve(grant, around, origin))
            for grant in policy.allowed_files
        ),
        variables=tuple(_variables(policy.env_variables, around.environment)),
        secrets=tuple(_secrets(policy.secrets, around)),
        refusal=refusal,
    )


def _value(
    option: str, declared: TaskPolicy, effective: TaskPolicy, limits: Limits, lines: Mapping[str, str]
) -> Value:
    origin = declared.origins.get(option, BUILT_IN)
    ceiling = getattr(limits, option)
    return Value(
        option,
        getattr(effective.policy, option),
        getattr(declared.policy, option),
        lines.get(origin, origin),
        ceiling,
        None if ceiling is None else limits.origin(option),
    )


def _resolve(grant: Any, around: Surroundings, origin: str) -> Path | PolicyError:
    from capsule.runtime.preopens import granted_folder

    real_root = Path(os.path.realpath(around.config.root))
    try:
        return granted_folder(grant, real_root, around.protected, origin)
    except PolicyError as error:
        return error
    except OSError as error:
        return PolicyError(f"it can't be used: {error.strerror or error}")


def _folder(path: str, writable: bool, found: Path | PolicyError) -> Folder:
    guest = "/" if path == "." else f"/{path}"
    if isinstance(found, PolicyError):
        return Folder(guest, None, writable, "refused", found.message)
    missing: FolderState = "to be made" if writable else "missing"
    return Folder(guest, found, writable, "exists" if found.is_dir() else missing)


def _mount(mount: Mount, protected: Protected) -> Folder:
    from capsule.errors import UsageError
    from capsule.runtime.preopens import mount_preopens

    try:
        mount_preopens([mount], protected)
    except UsageError as error:
        return Folder(mount.guest, mount.host, mount.writable, "refused", error.message)
    return Folder(mount.guest, mount.host, mount.writable, "exists")


def _variables(names: tuple[str, ...], environment: Environment) -> Iterable[Variable]:
    for name in names:
        yield Variable(name, name in environment.select((name,)))


def _secrets(names: tuple[str, ...], around: Surroundings) -> Iterable[Variable]:
    for name in names:
        secret = around.config.secrets.get(name)
        if secret is None:
            yield Variable(name, False, "[secrets] has none of this name, so runs are refused")
            continue
        found = secret.variable in around.environment.select((secret.variable,))
        yield Variable(name, found, f"from {secret.variable}, for {', '.join(secret.hosts)}")
