"""Builds the members of a workspace side by side, each once, and says what came of each."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from capsule.build.loading import load
from capsule.build.pipeline import BuildHost, Built, Plan, build, plan, source_of
from capsule.errors import BuildError, CapsuleError, Location
from capsule.frontend.manager import Plugins
from capsule.frontend.spec import Diagnostic, Frontend
from capsule.frontend.tracking import Lookups, Tracker
from capsule.project.opened import Project, open_project, prepare_folder
from capsule.project.workspace import Settings
from capsule.workspace.members import Member
from capsule.workspace.record import Record, Records, differences, holds, note

State: TypeAlias = Literal["hit", "fetched", "built", "failed"]

Say: TypeAlias = Callable[[str], None]

Finish: TypeAlias = Callable[[Plan, Built], tuple[Path | None, tuple[Diagnostic, ...]]]
"""Is done with each artifact: gives where it was written to, if anywhere, and what is wrong with types."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a member.

    ``artifact`` is None for one that failed or could not be kept; ``size`` is bytes; ``because`` says why
    it was built; ``error`` is there when it failed; ``types`` is what a type checker found.
    """

    member: Member
    language: str | None
    state: State
    seconds: float
    artifact: Path | None = None
    size: int | None = None
    because: tuple[str, ...] = ()
    error: CapsuleError | None = None
    types: tuple[Diagnostic, ...] = ()


@dataclass(frozen=True, slots=True)
class Prospect:
    """A member that is about to be built: its plan, and what its record says has changed since."""

    planned: Plan
    lookups: Lookups | None
    old: Record | None
    new: Record

    @property
    def because(self) -> tuple[str, ...]:
        """Why an artifact has to be built; nothing where the inputs are those of the record."""
        return differences(self.old, self.new)


class Builder:
    """Builds members. For one command: settings are read once, and engines looked after once.

    ``finish`` is done with each artifact. ``seen`` is told what each build was made from, before it is made.
    With either of them, nothing is passed over on a look at the states of files.
    """

    def __init__(
        self,
        plugins: Plugins,
        settings: Settings,
        *,
        snapshot: bool = False,
        finish: Finish | None = None,
        seen: Callable[[Member, Prospect], None] | None = None,
        progress: Say,
    ) -> None:
        self._plugins = plugins
        self._settings = settings
        self._snapshot = snapshot
        self._finish = finish
        self._seen = seen
        self._progress = progress
        self._ready_engines: set[str] = set()
        self._lock = threading.Lock()

    def build_all(self, members: Iterable[Member], jobs: int) -> Iterator[Result]:
        """Builds ``jobs`` members at once, and yields what came of them as they are done."""
        waiting = tuple(members)
        for root in {member.root for member in waiting}:
            prepare_folder(root)
        with ThreadPoolExecutor(max_workers=max(1, jobs), thread_name_prefix="capsule-build") as pool:
            for future in as_completed([pool.submit(self.build, member) for member in waiting]):
                yield future.result()

    def build(self, member: Member) -> Result:
        """Builds a member, if need be. Never raises: what is wrong is in the result."""
        started = time.monotonic()
        language = None
        try:
            project = self.open(member)
            language = self._plugins.frontend_for(project.source).name
            result = self._unchanged(member, project) or self._build(member, project)
        except CapsuleError as error:
            result = Result(member, language, "failed", 0, error=error)
        except Exception as error:
            # A plugin of somebody's: what it does to one member must not end the others.
            failure = BuildError(
                f"the frontend failed: {type(error).__name__}: {error}", location=Location(member.name)
            )
            result = Result(member, language, "failed", 0, error=failure)
        return replace(result, seconds=time.monotonic() - started)

    def open(self, member: Member) -> Project:
        """The member's project. Raises `CapsuleError`."""
        return open_project(member.source, member.root, self._plugins, self._settings)

    def prospect(self, member: Member) -> Prospect:
        """What building the member would come down to. Raises `CapsuleError`."""
        return self.prospect_of(self.open(member))

    def prospect_of(self, project: Project) -> Prospect:
        """What building the project's source would come down to. Raises `CapsuleError`."""
        old = Records(project.base).load(project, self._snapshot)
        started = time.time_ns()
        planned = plan(project, self._plugins, snapshot=self._snapshot, progress=self._progress)
        lookups = _lookups(planned, self._progress)
        return Prospect(planned, lookups, old, note(planned, lookups, started, ()))

    def _unchanged(self, member: Member, project: Project) -> Result | None:
        """The artifact of last time, when a look at the files' states shows that it still holds."""
        record = Records(project.base).load(project, self._snapshot)
        if record is None or self._finish is not None or self._seen is not None:
            return None
        frontend = self._plugins.frontend_for(project.source)
        if (record.config, record.frontend, record.version) != (
            project.config.digest,
            frontend.name,
            frontend.version,
        ):
            return None
        source = source_of(project, frontend)
        if not isinstance(frontend, Tracker) or frontend.toolchain(source) != record.toolchain:
            return None
        if not holds(record, project.base):
            return None
        entry = project.artifacts().get(record.key, name=project.source.stem, verify="stat")
        if entry is None:
            return None
        if not self._snapshot:
            self._ready_engine(frontend, project)
        return Result(member, frontend.name, "hit", 0, entry.path, entry.size)

    def _build(self, member: Member, project: Project) -> Result:
        prospect = self.prospect_of(project)
        if self._seen is not None:
            self._seen(member, prospect)
        built = build(prospect.planned, progress=self._progress)
        # Compiling for this machine is what the first run would wait for.
        load(built.artifact, built.engine, name=project.source.name, progress=self._progress)
        because = self._keep(project, prospect, built)
        state: State = "fetched" if built.fetched else "hit" if built.hit else "built"
        path = built.path
        types: tuple[Diagnostic, ...] = ()
        if self._finish is not None:
            written, types = self._finish(prospect.planned, built)
            path = written or path
        size = None if path is None else path.stat().st_size
        return Result(
            member,
            prospect.planned.frontend.name,
            state,
            0,
            path,
            size,
            () if built.hit else because,
            types=types,
        )

    def _keep(self, project: Project, prospect: Prospect, built: Built) -> tuple[str, ...]:
        because, old = prospect.because, prospect.old
        if built.hit and (old is None or not because):
            because = () if old is None else old.because
        elif not because:
            because = ("the artifact was missing or damaged",)
        record = replace(prospect.new, because=because)
        if built.path is not None and record != old:
            Records(project.base).save(project, self._snapshot, record)
        return because

    def _ready_engine(self, frontend: Frontend, project: Project) -> None:
        from capsule.build.engines import engine_component, engine_key

        engine = frontend.engine(source_of(project, frontend))
        if engine is None:
            return
        key = engine_key(engine)
        with self._lock:
            if key not in self._ready_engines:
                engine_component(engine, self._progress)
                self._ready_engines.add(key)


def _lookups(planned: Plan, progress: Say) -> Lookups | None:
    frontend = planned.frontend
    if not isinstance(frontend, Tracker):
        return None
    return frontend.lookups(planned.source, planned.inputs, BuildHost(frontend.name, progress))
