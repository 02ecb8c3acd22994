"""Preparing a run: a source is built, a ``.wasm`` is read, and what a process has loaded is remembered."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.artifact.sections import Artifact
from capsule.build.adoption import read_component
from capsule.build.engines import engine_key
from capsule.build.loading import load
from capsule.build.oversight import ARTIFACT_SUFFIX, check_signatures, oversight
from capsule.build.pipeline import BuildHost, Built, Plan, build, plan, prefer_snapshot
from capsule.build.reading import read_bytes
from capsule.errors import CapsuleError
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import Engine, Source
from capsule.frontend.tracking import Lookups, Tracker
from capsule.project.config import CONFIG_NAME
from capsule.project.opened import STATE_FOLDER, Project, open_project
from capsule.runtime.loaded import Loaded
from capsule.telemetry.switch import is_on as telemetry

if TYPE_CHECKING:
    from capsule.artifact.signing import Requirement
    from capsule.policy.limits import Limits

Progress = Callable[[str], None]

REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file that is ready to run, in its project; ``inputs`` are the files that it was built from, and
    ``looked_up`` gives the places in which others were looked for, ``others`` what other programs are built
    from (`capsule.workspace.others`).

    ``limits`` are the ceilings of the settings that it is held to (`capsule.build.oversight`);
    ``recorded_in`` is whose record has its runs, None for the project itself.
    """

    project: Project
    loaded: Loaded
    inputs: tuple[Path, ...]
    limits: Limits
    looked_up: Callable[[], Iterable[Path]] = tuple
    recorded_in: Project | None = None
    others: Callable[[], Iterable[Path]] = tuple


_lock = threading.Lock()
_remembered: dict[tuple[str, ...], Loaded] = {}


def prepare(
    file: Path | None,
    cwd: Path,
    plugins: Plugins,
    *,
    progress: Progress,
    require_signatures: Iterable[Path] = (),
    noted: bool = True,
) -> Prepared:
    """Builds a source file, or reads a ``.wasm``, and makes it ready to run.

    ``require_signatures`` are files of public keys: a ``.wasm`` must be signed by a key of each. Without
    ``noted``, what it is built from isn't kept from the tasks of the project's other programs.
    Raises `CapsuleError` for whatever is wrong with it.
    """
    project = open_project(file, cwd, plugins)
    held_to = oversight(project, cwd, plugins, require_signatures=require_signatures)
    if project.source.suffix.lower() == ARTIFACT_SUFFIX:
        read = _load_wasm(project, plugins, progress, held_to.requirements())
        return Prepared(
            project, read, (project.source,), held_to.limits, others=partial(elsewhere, project, plugins)
        )
    started = time.time_ns()
    planned = plan(project, plugins, progress=progress)
    identity = ("built", str(project.root), planned.key.digest)
    loaded = _recall(identity)
    if loaded is None:
        built = build(prefer_snapshot(planned), progress=progress)
        if telemetry():
            from capsule.telemetry.telling import tell_of_build

            tell_of_build(project.source.name, started, hit=built.hit, fetched=built.fetched)
        if noted and (built.fetched or not built.hit):
            _record(planned, built, started, progress)
        loaded = load(built.artifact, built.engine, name=project.source.name, progress=progress)
        _remember(identity, loaded)
    return Prepared(
        project,
        loaded,
        built_from(planned),
        held_to.limits,
        lambda: places_looked_up(planned, progress),
        others=partial(elsewhere, project, plugins),
    )


def elsewhere(project: Project, plugins: Plugins) -> tuple[Path, ...]:
    """What decides what other programs of the project do next time."""
    from capsule.workspace.others import decisive_elsewhere

    return decisive_elsewhere(project, plugins)


def _record(planned: Plan, built: Built, started: int, progress: Progress) -> None:
    """Notes what the program was built from: no task of another one may write that."""
    from capsule.workspace.record import Records, note

    if built.path is not None:
        record = note(planned, _lookups(planned, progress), started, ())
        Records(planned.project.base).save(planned.project, planned.snapshot, record)


def built_from(planned: Plan) -> tuple[Path, ...]:
    """What decides what runs next time: the source, what it is built from, and the settings above it."""
    project = planned.project
    inputs = tuple(project.base / name for name in planned.inputs.files)
    if project.workspace is not None:
        # The workspace's own settings and artifacts decide what runs next time as much as the project's.
        inputs = (*inputs, project.base / CONFIG_NAME, project.base / STATE_FOLDER)
    return (project.source, *inputs)


def places_looked_up(planned: Plan, progress: Progress) -> tuple[Path, ...]:
    """Where the frontend looked for what the source is built from, found or not: something put there wins.

    Nothing where it can't tell. Raises what making the inputs raises.
    """
    found = _lookups(planned, progress)
    return () if found is None else tuple(Path(place) for place in found.places)


def _lookups(planned: Plan, progress: Progress) -> Lookups | None:
    frontend = planned.frontend
    if not isinstance(frontend, Tracker):
        return None
    return frontend.lookups(planned.source, planned.inputs, BuildHost(frontend.name, progress))


def _load_wasm(
    project: Project, plugins: Plugins, progress: Progress, requirements: tuple[Requirement, ...]
) -> Loaded:
    path = project.source
    data = None
    if requirements:
        # Times and sizes can be made to look the same, so a file that must be signed is known by its content.
        data = read_bytes(path)
        check_signatures(data, requirements, name=path.name)
        identity: tuple[str, ...] = ("bytes", str(path), hashlib.sha256(data).hexdigest())
    else:
        facts = path.stat()
        identity = ("file", str(path), str(facts.st_mtime_ns), str(facts.st_size), str(facts.st_ino))
    loaded = _recall(identity)
    if loaded is None:
        content = read_bytes(path) if data is None else data
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
