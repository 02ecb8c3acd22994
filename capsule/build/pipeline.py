"""The build pipeline: read, hash, look up, discover, compile, store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule_cache import BuildTimeout, Entry, Key, StoreError, StoreReadOnly, derive_key

from capsule.artifact.manifest import LONGEST_PARAMETER, MOST_PARAMETERS, Manifest, Task
from capsule.artifact.sections import Artifact, EngineReference, ProgramTable, pack, pack_program, parse
from capsule.build.engines import engine_code, engine_key, engine_wasm
from capsule.build.loading import unpack_files
from capsule.errors import ArtifactError, BuildError, Location
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import (
    Engine,
    EngineProgram,
    Frontend,
    Inputs,
    OwnNames,
    Parameter,
    Program,
    Source,
    TaskDeclaration,
)
from capsule.policy.resolve import declared_policy
from capsule.project.opened import Project, prepare_folder
from capsule.project.user_cache import private_folder

if TYPE_CHECKING:
    from capsule.build.compiled import CompiledCode
    from capsule.build.remote.sharing import Shared

FORMAT_VERSION = 3

SNAPSHOT_RAM = 2 << 30
"""Bytes that a program's top level may take while it is built, where its tasks may take more."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """An artifact, and how it came about. ``path`` is None when it could not be stored.

    ``hit`` means that nothing was built; ``fetched``, that it came from the shared cache.
    """

    artifact: Artifact
    engine: Engine | None
    path: Path | None
    hit: bool
    seconds: float
    size: int
    fetched: bool = False


class BuildHost:
    """What frontends may ask of the host while they work: `capsule.frontend.spec.Host`."""

    def __init__(self, frontend: str, progress: Progress, ram: int = SNAPSHOT_RAM) -> None:
        self._frontend = frontend
        self._progress = progress
        self.ram = ram

    def progress(self, message: str) -> None:
        """Tells the user what is being done."""
        self._progress(message)

    def call_engine(
        self, engine: Engine, export: str, *arguments: str, program: Program | None = None
    ) -> str:
        """Calls an export of an engine in a sealed sandbox."""
        from capsule.build.sealed import call_sealed

        code = engine_code(engine, self._progress)
        what = f"the {engine.name} engine's {export}"
        if program is None:
            return call_sealed(code, None, export, arguments, what)
        return self._call_program(code, export, arguments, what, program)

    def load_program(self, compiled: EngineProgram) -> None:
        """Runs a program's top level in a sealed sandbox that may take what its tasks may.

        Raises `BuildError` when it fails, or takes more memory, fuel or time.
        """
        code = engine_code(compiled.engine, self._progress)
        try:
            # An engine need not have this export: the program is loaded before that is found out.
            self._call_program(code, "declared", (), "the program's top level", compiled.program, self.ram)
        except LookupError:
            return
        except BuildError as error:
            bound = f"{self.ram >> 20} MiB of ram, as its tasks allow"
            hint = error.hint or f"with --snapshot it runs while building, without files or hosts, in {bound}"
            raise BuildError(
                error.message, hint=hint, location=error.location, traceback=error.traceback
            ) from None

    def _call_program(
        self,
        code: CompiledCode,
        export: str,
        arguments: tuple[str, ...],
        what: str,
        program: Program,
        ram: int = SNAPSHOT_RAM,
    ) -> str:
        from capsule.build.sealed import call_sealed

        packed = pack_program(program)
        table = ProgramTable(packed)
        files = unpack_files(table, packed) if table.has_files else None
        return call_sealed(code, table, export, arguments, what, files, ram)

    def cache_folder(self, name: str) -> Path:
        """A folder of the frontend's own in the user's cache."""
        return private_folder(f"{self._frontend}-{name}")

    def download(self, url: str, most: int) -> bytes:
        """What an address has, by the rules for guests' requests."""
        from capsule.build.downloads import download

        return download(url, most)


@dataclass(frozen=True, slots=True)
class Plan:
    """What building a source comes down to: its inputs as they were read, and the key of the result."""

    project: Project
    frontend: Frontend
    source: Source
    inputs: Inputs
    engine: Engine | None
    snapshot: bool
    key: Key


def plan(project: Project, plugins: Plugins, *, snapshot: bool = False, progress: Progress) -> Plan:
    """Reads and hashes whatever decides the result.

    Raises `BuildError`, with file and line, and `UsageError` when no frontend takes the source.
    """
    frontend = plugins.frontend_for(project.source)
    source = source_of(project, frontend)
    inputs = frontend.inputs(source, BuildHost(frontend.name, progress))
    engine = None if snapshot else frontend.engine(source)
    key = _key(project, frontend, source, inputs, snapshot)
    return Plan(project, frontend, source, inputs, engine, snapshot, key)


def source_of(project: Project, frontend: Frontend) -> Source:
    """The project's source as a frontend sees it: in its workspace, with the frontend's own table."""
    return Source(project.source, project.base, project.config.tables.get(frontend.name, {}))


def prefer_snapshot(planned: Plan) -> Plan:
    """The plan for a snapshot, when somebody has built one of the same inputs; else the plan as it is."""
    key = _key(planned.project, planned.frontend, planned.source, planned.inputs, True)
    if planned.project.artifacts().get(key, name=planned.project.source.stem) is None:
        return planned
    return replace(planned, engine=None, snapshot=True, key=key)


def _key(project: Project, frontend: Frontend, source: Source, inputs: Inputs, snapshot: bool) -> Key:
    return derive_key(**_decisive(project, frontend, source, inputs, snapshot))


def _decisive(
    project: Project, frontend: Frontend, source: Source, inputs: Inputs, snapshot: bool
) -> dict[str, Any]:
    """What decides the result, as `derive_key` takes it."""
    return {
        "format_version": FORMAT_VERSION,
        "toolchain": {f"frontend {frontend.name}": frontend.version, **inputs.toolchain},
        "files": inputs.files,
        "digests": {"capsule.toml": project.config.digest, **inputs.digests},
        "options": {"snapshot": snapshot, "source": source.name},
    }


def shared_name(planned: Plan) -> str:
    """What a shared cache knows the result by: the SHA-256 of what decides it.

    Sources of people who don't trust each other meet there, and a key is no proof against collisions.
    """
    return planned.key.digest


def is_built_from(planned: Plan, data: bytes) -> bool:
    """Whether these bytes are an artifact of the plan, by what they say of themselves."""
    try:
        manifest = parse(data, name=planned.source.name).manifest
    except ArtifactError:
        return False
    return (manifest.key, manifest.source) == (planned.key, planned.source.name)


def build(planned: Plan, *, progress: Progress) -> Built:
    """The artifact, from the project's store when nothing has changed.

    Raises `BuildError` and `PolicyError`, with file and line.
    """
    started = time.monotonic()
    project, source, engine, key = planned.project, planned.source, planned.engine, planned.key

    def compile_artifact() -> bytes:
        progress(f"building {source.name}")
        return _compile(planned, BuildHost(planned.frontend.name, progress))

    store = project.artifacts()
    name = project.source.stem
    entry = store.get(key, name=name)
    if entry is not None:
        artifact = _parse_own(entry.read(), source.name)
        return Built(artifact, engine, entry.path, True, time.monotonic() - started, entry.size)
    prepare_folder(project.base)
    shared = _shared(planned, compile_artifact)
    path, data, built = _store(store.get_or_build, key, shared, name, progress)
    artifact = _parse_own(data, source.name)
    hit = shared.fetched or not built
    return Built(artifact, engine, path, hit, time.monotonic() - started, len(data), shared.fetched)


def compile_anew(planned: Plan, *, progress: Progress) -> bytes:
    """The artifact's bytes, compiled whatever is stored, and not kept.

    Raises `BuildError` and `PolicyError`, with file and line.
    """
    progress(f"building {planned.source.name}")
    return _compile(planned, BuildHost(planned.frontend.name, progress))


def _shared(planned: Plan, compile_artifact: Callable[[], bytes]) -> Shared:
    from capsule.build.remote.sharing import Shared, project_remote_if_any

    remote = project_remote_if_any(planned.project.config.cache, planned.project.base)
    return Shared(
        remote, lambda: shared_name(planned), compile_artifact, lambda data: is_built_from(planned, data)
    )


def self_contained(built: Built, progress: Progress) -> bytes:
    """The bytes of an artifact that needs nothing else to run: with its engine in front."""
    artifact = built.artifact
    component = artifact.component
    if not component:
        assert built.engine is not None
        component = engine_wasm(built.engine, progress)
    return pack(artifact.manifest, component=component, engine=artifact.engine, program=artifact.program)


def _store(
    get_or_build: Callable[..., tuple[Entry, bool]],
    key: Key,
    compile_artifact: Callable[[], bytes],
    name: str,
    progress: Progress,
) -> tuple[Path | None, bytes, bool]:
    try:
        entry, built = get_or_build(
            key,
            compile_artifact,
            name=name,
            on_wait=lambda owner: progress("waiting for another process that builds the same"),
        )
        return entry.path, entry.read(), built
    except StoreReadOnly:
        progress("the project folder can't be written: the artifact is not kept")
        return None, compile_artifact(), True
    except BuildTimeout as error:
        raise BuildError(str(error)) from None
    except StoreError as error:
        progress(f"the artifact is not kept: {error}")
        return None, error.data if error.data is not None else compile_artifact(), True


def _compile(planned: Plan, host: BuildHost) -> bytes:
    frontend, source, project = planned.frontend, planned.source, planned.project
    declarations = frontend.discover(source, planned.inputs, host)
    workflow = project.config.workflow
    manifest = Manifest(
        source=source.name,
        key=planned.key,
        frontend=frontend.name,
        frontend_version=frontend.version,
        tasks=_tasks(declarations, project, frontend.option_names if isinstance(frontend, OwnNames) else {}),
        workflow={
            name: value
            for name, value in (("name", workflow.name), ("version", workflow.version))
            if value is not None
        },
    )
    if planned.snapshot:
        host.ram = _most_ram(manifest.tasks, project.config.limits.ram)
        tried = frontend.compile(source, planned.inputs, host, snapshot=False)
        if isinstance(tried, EngineProgram):
            # What makes the snapshot runs it again, where only a process's memory and time are bounded.
            host.load_program(tried)
    compiled = frontend.compile(source, planned.inputs, host, snapshot=planned.snapshot)
    if isinstance(compiled, EngineProgram):
        engine = compiled.engine
        reference = EngineReference(engine.name, engine.version, engine_key(engine))
        return pack(manifest, engine=reference, program=pack_program(compiled.program))
    files = pack_program(Program({}, compiled.files)) if compiled.files else None
    return pack(manifest, component=compiled.wasm, program=files)


def _most_ram(tasks: Mapping[str, Task], ceiling: int | None) -> int:
    """The most memory, in bytes, that any of the tasks may take: none could load a larger snapshot."""
    wanted = [task.declared.policy.ram for task in tasks.values()]
    most = SNAPSHOT_RAM if None in wanted or not wanted else max(ram for ram in wanted if ram is not None)
    return min(most, SNAPSHOT_RAM, SNAPSHOT_RAM if ceiling is None else ceiling)


def _tasks(
    declarations: tuple[TaskDeclaration, ...], project: Project, names: Mapping[str, str]
) -> dict[str, Task]:
    tasks: dict[str, Task] = {}
    for declaration in declarations:
        if not declaration.name.isprintable():
            raise BuildError(
                f"the task {declaration.name[:80]!r} has characters in its name that can't be shown",
                hint="give it a name of letters, digits, - and _",
                location=declaration.location,
            )
        if declaration.name in tasks:
            first: Location = tasks[declaration.name].location
            raise BuildError(
                f"the task {declaration.name!r} is declared twice; the first time at {first}",
                hint="give one of them another name",
                location=declaration.location,
            )
        policy = declared_policy(declaration.options, declaration.location, project.config.defaults, names)
        tasks[declaration.name] = Task(
            declaration.name, policy, declaration.location, _parameters(declaration)
        )
    return tasks


def _parse_own(data: bytes, name: str) -> Artifact:
    try:
        return parse(data, name=name)
    except ArtifactError as error:
        raise BuildError(f"the artifact of {name} can't be read: {error.message}") from None


def _parameters(declaration: TaskDeclaration) -> tuple[Parameter, ...] | None:
    """What the frontend says of the task's parameters, unless it is more than a manifest holds."""
    found = declaration.parameters
    if found is None or len(found) > MOST_PARAMETERS:
        return None
    return tuple(replace(each, name=each.name[:LONGEST_PARAMETER]) for each in found)
