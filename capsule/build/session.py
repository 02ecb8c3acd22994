"""Preparing and starting runs: what the CLI and `capsule.run` have in common."""

from __future__ import annotations

import atexit
import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.artifact.sections import Artifact, parse
from capsule.build.adoption import read_component
from capsule.build.engines import engine_key
from capsule.build.loading import load
from capsule.build.oversight import ARTIFACT_SUFFIX, check_signatures, oversight
from capsule.build.pipeline import Plan, build, plan, prefer_snapshot
from capsule.errors import ArtifactError, CapsuleError
from capsule.frontend.inputs import InputError, read_input
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import Engine, Source
from capsule.project.config import CONFIG_NAME
from capsule.project.environment import environment
from capsule.project.opened import STATE_FOLDER, Project, open_project, prepare_state
from capsule.runtime.loaded import Loaded
from capsule.workers.isolation import Isolation

if TYPE_CHECKING:
    from capsule.artifact.signing import Requirement
    from capsule.events import Sink
    from capsule.journal.writer import Journal
    from capsule.policy.limits import Limits
    from capsule.runtime.execution import Execution

Progress = Callable[[str], None]

LARGEST_WASM = 1 << 30
REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is ready to run, in its project; ``inputs`` are the files that it was built from.

    ``limits`` are the ceilings of the settings that it is held to (`capsule.build.oversight`).
    """

    project: Project
    loaded: Loaded
    inputs: tuple[Path, ...]
    limits: Limits


_lock = threading.Lock()
_remembered: dict[tuple[str, ...], Loaded] = {}
_journals: dict[Path, Journal] = {}
_told: set[Path] = set()


def prepare(
    file: Path | None,
    cwd: Path,
    plugins: Plugins,
    *,
    progress: Progress,
    require_signatures: Iterable[Path] = (),
) -> Prepared:
    """Builds a source file, or reads a ``.wasm``, and makes it ready to run.

    ``require_signatures`` are files of public keys: a ``.wasm`` must be signed by a key of each.
    Raises `CapsuleError` for whatever is wrong with it.
    """
    project = open_project(file, cwd, plugins)
    held_to = oversight(project, cwd, plugins, require_signatures=require_signatures)
    if project.source.suffix.lower() == ARTIFACT_SUFFIX:
        read = _load_wasm(project, plugins, progress, held_to.requirements())
        return Prepared(project, read, (project.source,), held_to.limits)
    planned = plan(project, plugins, progress=progress)
    identity = ("built", str(project.root), planned.key)
    loaded = _recall(identity)
    if loaded is None:
        built = build(prefer_snapshot(planned), progress=progress)
        loaded = load(built.artifact, built.engine, name=project.source.name, progress=progress)
        _remember(identity, loaded)
    return Prepared(project, loaded, built_from(planned), held_to.limits)


def built_from(planned: Plan) -> tuple[Path, ...]:
    """What decides what runs next time: the source, what it is built from, and the settings above it."""
    project = planned.project
    inputs = tuple(project.base / name for name in planned.inputs.files)
    if project.workspace is not None:
        # The workspace's own settings and artifacts decide what runs next time as much as the project's.
        inputs = (*inputs, project.base / CONFIG_NAME, project.base / STATE_FOLDER)
    return (project.source, *inputs)


def start(
    prepared: Prepared,
    task: str,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    *,
    cwd: Path,
    mounts: Iterable[str] = (),
    limits: Limits | None = None,
    env_file: Path | None = None,
    sinks: Iterable[Sink] = (),
    ahead: bool = False,
    isolation: Isolation = "process",
    begun: Callable[[Execution], None] | None = None,
    here: bool = False,
    on_problem: Callable[[str], None],
) -> Execution:
    """Starts a task of a prepared file. With ``ahead``, sandboxes are kept ready for the next run of it.
    ``isolation`` says where its sandboxes are.

    ``begun`` and ``here`` are those of `capsule.runtime.run.Run.start`.
    Raises `CapsuleError` when it can't be started at all.
    """
    from capsule.runtime.preopens import Protected, mount_preopens, parse_mount
    from capsule.runtime.run import Run
    from capsule.runtime.settings import RunSettings
    from capsule.workers.attempts import attempts

    project = prepared.project
    ceilings = prepared.limits if limits is None else prepared.limits.merge(limits)
    mounts = tuple(mounts)
    if prepared.loaded.manifest.contract.foreign:
        _tell_of_grants(project.source, ceilings, mounts, on_problem)
    protected = Protected.of(project.root, prepared.inputs, allowed=ceilings.allow_project_writes)
    settings = RunSettings(
        root=project.root,
        limits=ceilings,
        protected=protected,
        environment=environment(project.root, env_file).select,
        mounts=tuple(mount_preopens([parse_mount(text, cwd) for text in mounts], protected)),
        sinks=tuple(sinks),
        journal=journal(project, on_problem).record,
        secrets=project.config.secrets,
        ahead=ahead,
        attempts=attempts(isolation),
    )
    return Run(prepared.loaded, settings).start(task, list(args), kwargs, begun=begun, here=here)


def _tell_of_grants(
    source: Path, limits: Limits, mounts: tuple[str, ...], tell: Callable[[str], None]
) -> None:
    """Says once for each file what to type, when a component of others is given nothing."""
    from capsule.artifact.foreign_policy import what_to_type

    typed = what_to_type(limits, mounted=bool(mounts))
    if typed is not None and source not in _told:
        _told.add(source)
        what = "was not made by capsule, so it gets no folders, hosts or variables"
        tell(f"{source.name} {what}; to give it some: {typed}")


def journal(project: Project, on_problem: Callable[[str], None]) -> Journal:
    """The project's journal, opened once for each process and closed at its end."""
    from capsule.journal.writer import Journal

    with _lock:
        opened = _journals.get(project.trace)
        if opened is None:
            if not _journals:
                atexit.register(close_journals)
            prepare_state(project)
            opened = _journals[project.trace] = Journal(project.trace, on_problem)
        return opened


def close_journals() -> None:
    """Writes what has not been written yet."""
    with _lock:
        journals = list(_journals.values())
        _journals.clear()
    for opened in journals:
        opened.close()


def _forget_journals() -> None:
    """In a process that was forked from this one, nobody writes what its journals take."""
    global _lock
    _lock = threading.Lock()
    _journals.clear()


os.register_at_fork(after_in_child=_forget_journals)


def read_artifact(path: Path, requirements: tuple[Requirement, ...] = ()) -> Artifact:
    """Reads a ``.wasm`` file, which must be signed as ``requirements`` ask. Raises `ArtifactError`."""
    data = _read_wasm(path)
    # What is checked and what is read on are these same bytes.
    check_signatures(data, requirements, name=path.name)
    return parse(data, name=path.name)


def read_wasm(path: Path, requirements: tuple[Requirement, ...] = (), *, progress: Progress) -> Artifact:
    """`read_artifact`, and components of others too, as what stands for them. Raises `ArtifactError`."""
    data = _read_wasm(path)
    check_signatures(data, requirements, name=path.name)
    return read_component(data, name=path.name, progress=progress)


def _read_wasm(path: Path) -> bytes:
    try:
        return read_input(path, most=LARGEST_WASM)
    except InputError as error:
        raise ArtifactError(f"{path.name}: {error.reason}", hint=error.hint) from None


def _load_wasm(
    project: Project, plugins: Plugins, progress: Progress, requirements: tuple[Requirement, ...]
) -> Loaded:
    path = project.source
    data = None
    if requirements:
        # Times and sizes can be made to look the same, so a file that must be signed is known by its content.
        data = _read_wasm(path)
        check_signatures(data, requirements, name=path.name)
        identity: tuple[str, ...] = ("bytes", str(path), hashlib.sha256(data).hexdigest())
    else:
        facts = path.stat()
        identity = ("file", str(path), str(facts.st_mtime_ns), str(facts.st_size), str(facts.st_ino))
    loaded = _recall(identity)
    if loaded is None:
        content = _read_wasm(path) if data is None else data
        artifact = read_component(content, name=path.name, progress=progress)
        engine = None if artifact.component else _installed_engine(artifact, project, plugins)
        loaded = load(artifact, engine, name=path.name, progress=progress)
        _remember(identity, loaded)
    return loaded


def _installed_engine(artifact: Artifact, project: Project, plugins: Plugins) -> Engine | None:
    """The engine that a thin artifact names, from an installed frontend; None when there is none."""
    wanted = artifact.engine
    if wanted is None:
        return None
    for frontend in plugins.frontends:
        try:
            source = Source(project.source, project.base, project.config.tables.get(frontend.name, {}))
            engine = frontend.engine(source)
        except CapsuleError:
            continue
        if engine is not None and engine.name == wanted.name and engine_key(engine) == wanted.key:
            return engine
    return None


def _recall(identity: tuple[str, ...]) -> Loaded | None:
    with _lock:
        return _remembered.get(identity)


def _remember(identity: tuple[str, ...], loaded: Loaded) -> None:
    with _lock:
        while len(_remembered) >= REMEMBERED:
            del _remembered[next(iter(_remembered))]
        _remembered[identity] = loaded
