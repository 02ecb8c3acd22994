"""The C frontend: what the host asks, answered by the modules beside this one."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.spec import Check, Host, Inputs, OwnComponent, Source, TaskDeclaration

if TYPE_CHECKING:
    from capsule.frontend.tracking import Lookups
    from capsule_c.discovery import Declared
    from capsule_c.sources import Program

_PROGRAM = "program"


class CFrontend:
    """Compiles C and C++ files into components of their own."""

    name = "c"
    suffixes: tuple[str, ...] = (".c", ".cpp", ".cc", ".cxx")

    def __init__(self) -> None:
        self.version = importlib.metadata.version("capsule-c")

    def inputs(self, source: Source, host: Host) -> Inputs:
        """The files of the project that the program is made of, and the versions of the toolchain."""
        from capsule_c.sources import read_program

        if source.settings:
            key = next(iter(source.settings))
            raise ConfigError(f"[c] has no key {key[:60]!r}", location=Location("capsule.toml"))
        program = read_program(source.path, source.root)
        shape = json.dumps({"sources": program.sources, "include": program.include})
        return Inputs(files=program.files, digests={_PROGRAM: shape}, toolchain=self.toolchain(source))

    def discover(self, source: Source, inputs: Inputs, host: Host) -> tuple[TaskDeclaration, ...]:
        """The tasks of the program's sources, read from their text."""
        return tuple(task.declaration for task in _tasks(source, inputs))

    def compile(self, source: Source, inputs: Inputs, host: Host, *, snapshot: bool) -> OwnComponent:
        """The component. It has no top level, so that a snapshot is the same."""
        from capsule_c.compile import compile_program
        from capsule_c.component import NotAProgram, make_component

        core = compile_program(_program(inputs), _tasks(source, inputs), host)
        try:
            return OwnComponent(wasm=make_component(core))
        except NotAProgram as error:
            raise BuildError(str(error), location=Location(source.name)) from None

    def engine(self, source: Source) -> None:
        """None: a compiled program needs no engine."""

    def doctor(self) -> Iterable[Check]:
        """Is everything there that builds need."""
        from capsule_c.doctor import checks

        return checks()

    def toolchain(self, source: Source) -> Mapping[str, str]:
        """What decides the result besides the files."""
        from capsule_c.toolchain import toolchain_versions

        return toolchain_versions()

    def lookups(self, source: Source, inputs: Inputs, host: Host) -> Lookups | None:
        """Names that headers could have had, and folders that sources are looked for in."""
        from capsule.frontend.tracking import Lookups, place_state
        from capsule_c.sources import read_program

        program = read_program(source.path, source.root)
        if program.folders is None:
            return None
        missed = (str(source.root / name) for name in program.missed)
        folders = {str(source.root / name): (source.root / name) for name in program.folders}
        return Lookups(
            places={path: place_state(path) for path in missed},
            folders={path: folder.stat().st_mtime_ns for path, folder in folders.items()},
        )


def _program(inputs: Inputs) -> Program:
    from capsule_c.sources import Program

    shape = json.loads(inputs.digests[_PROGRAM])
    return Program(tuple(shape["sources"]), tuple(shape["include"]), inputs.files)


def _tasks(source: Source, inputs: Inputs) -> tuple[Declared, ...]:
    from capsule_c.discovery import EXAMPLE, discover_tasks

    sources = _program(inputs).sources
    tasks = discover_tasks({name: inputs.files[name] for name in sources})
    if not tasks:
        raise BuildError(
            "the program declares no task",
            hint=f'#include <capsule.h>, then: {EXAMPLE} {{ return capsule_return("hello"); }}',
            location=Location(source.name),
        )
    return tasks
