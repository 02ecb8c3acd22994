"""The Python frontend: what the host asks, answered by the modules beside this one."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from capsule.errors import BuildError, Location
from capsule.frontend.spec import (
    Check,
    Engine,
    EngineProgram,
    Host,
    Inputs,
    Json,
    OwnComponent,
    Program,
    Snippet,
    Source,
    TaskDeclaration,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from capsule.frontend.tracking import Lookups
    from capsule_python.modules import Closure
    from capsule_python.packages import Packages

_SEARCH = "search path"
_PACKAGES = "packages"
SNIPPET = "snippet.py"
"""What code is called that is in no file."""


class PythonFrontend:
    """Builds ``.py`` files into programs of the Python engine."""

    name = "python"
    suffixes: tuple[str, ...] = (".py",)
    languages: tuple[str, ...] = ("python", "py")

    def __init__(self) -> None:
        self.version = importlib.metadata.version("capsule-python")
        self._engine: Engine | None = None
        # The last program: discovery may have had to make the one that compile is then asked for.
        self._made: tuple[Inputs, Program] | None = None

    def inputs(self, source: Source, host: Host) -> Inputs:
        """The source, the own modules that it imports, the packages, and the versions of the tools."""
        from capsule_python.modules import find_modules, search_folders
        from capsule_python.tree import DiskTree

        _check_place(source)
        if source.settings:
            from capsule_python.dependencies import check_settings

            check_settings(source.settings)
        tree = DiskTree(source.root)
        folders = search_folders(source.name, tree, _paths(source))
        closure = find_modules(source.name, tree, folders)
        digests = {_SEARCH: json.dumps(folders)}
        packages = _packages(source, closure, host)
        if packages is not None:
            digests[_PACKAGES] = packages.digest
        return Inputs(
            files={module.file: module.source for module in closure.modules},
            digests=digests,
            toolchain=self.toolchain(source),
        )

    def toolchain(self, source: Source) -> Mapping[str, str]:
        """The versions of the tools."""
        return {
            "capsule-python": self.version,
            "componentize-py": _componentize_version(),
            "engine": self.engine(source).key,
        }

    def lookups(self, source: Source, inputs: Inputs, host: Host) -> Lookups | None:
        """Where the search for modules and packages looked; None when it now finds something else."""
        from dataclasses import replace

        from capsule.frontend.tracking import place_state
        from capsule_python.dependencies import named_dependencies
        from capsule_python.lookups import RecordingTree
        from capsule_python.modules import find_modules, search_folders
        from capsule_python.packages import record_file
        from capsule_python.tree import DiskTree

        tree = RecordingTree(source.root, DiskTree(source.root))
        folders = search_folders(source.name, tree, _paths(source))
        closure = find_modules(source.name, tree, folders)
        if {module.file: module.source for module in closure.modules} != inputs.files:
            return None
        if not _names_packages(source, closure):
            return tree.lookups()
        dependencies = named_dependencies(source, closure.entry.source, tree)
        found = tree.lookups()
        if not dependencies.requirements:
            return found
        record = str(record_file(dependencies, host))
        return replace(found, places={**found.places, record: place_state(record)})

    def discover(self, source: Source, inputs: Inputs, host: Host) -> tuple[TaskDeclaration, ...]:
        """The program's tasks; what the text doesn't tell is asked of the engine."""
        from capsule_python.discovery import discover_tasks

        def declared() -> str:
            program = self._program(source, inputs, host)
            return host.call_engine(self.engine(source), "declared", program=program)

        return discover_tasks(_closure(source, inputs), declared)

    def compile(
        self, source: Source, inputs: Inputs, host: Host, *, snapshot: bool
    ) -> EngineProgram | OwnComponent:
        """The engine's program; with ``snapshot``, a component in which it is loaded already."""
        program = self._program(source, inputs, host)
        self._made = None
        if snapshot:
            from capsule_python.engine import build_snapshot

            return OwnComponent(
                build_snapshot(program, host.progress, getattr(host, "ram", None)), program.files
            )
        return EngineProgram(self.engine(source), program)

    def engine(self, source: Source) -> Engine:
        """The Python engine."""
        if self._engine is None:
            from capsule_python.engine import python_engine

            self._engine = python_engine()
        return self._engine

    def snippet(self, code: str, options: Mapping[str, Json], packages: Sequence[str]) -> Snippet:
        """What runs code that is in no file."""
        from capsule_python.snippets import INTERPRETER, declares_tasks, interpreter_source, named_packages

        named = named_packages(code, SNIPPET)
        if declares_tasks(code):
            if packages:
                raise BuildError(
                    "a program with tasks names its packages itself",
                    hint="write them into its `# /// script` block",
                    location=Location(SNIPPET),
                )
            return Snippet({SNIPPET: code.encode("utf-8", "surrogatepass")}, SNIPPET)
        return Snippet({INTERPRETER: interpreter_source(options, (*packages, *named))}, INTERPRETER, (code,))

    def doctor(self) -> Iterable[Check]:
        """Is everything there that builds need."""
        from capsule_python.doctor import checks

        return checks()

    def _program(self, source: Source, inputs: Inputs, host: Host) -> Program:
        from capsule_python.compile import make_program
        from capsule_python.dependencies import where_to_write

        made = self._made
        if made is not None and made[0] is inputs:
            return made[1]
        closure = _closure(source, inputs)
        packages = None
        if _PACKAGES in inputs.digests:
            packages = _packages(source, closure, host)
            if packages is None or packages.digest != inputs.digests[_PACKAGES]:
                raise BuildError(
                    "the dependencies changed while the program was being built",
                    hint="run again",
                    location=Location(source.name),
                )
        where = where_to_write(source, closure.entry.source, of_project=packages is not None)
        program = make_program(closure, packages, self.engine(source), host, where)
        self._made = (inputs, program)
        return program


def _paths(source: Source) -> tuple[str, ...]:
    if "paths" not in source.settings:
        return ()
    from capsule_python.dependencies import search_paths

    return search_paths(source.settings)


@lru_cache(maxsize=1)
def _componentize_version() -> str:
    return importlib.metadata.version("componentize-py")


def _check_place(source: Source) -> None:
    if not source.path.is_relative_to(source.root):
        raise BuildError(
            f"the source lies outside the project root {source.root}",
            hint="move it into the project",
            location=Location(str(source.path)),
        )


def _closure(source: Source, inputs: Inputs) -> Closure:
    from capsule_python.modules import find_modules
    from capsule_python.tree import FilesTree

    folders = tuple(json.loads(inputs.digests[_SEARCH]))
    return find_modules(source.name, FilesTree(inputs.files), folders)


def _names_packages(source: Source, closure: Closure) -> bool:
    """Whether there may be packages to install: something is imported, or the program has its own list."""
    named = b"# /// script" in closure.entry.source or "dependencies" in source.settings
    return bool(closure.external) or named


def _packages(source: Source, closure: Closure, host: Host) -> Packages | None:
    if not _names_packages(source, closure):
        return None
    from capsule_python.dependencies import named_dependencies
    from capsule_python.packages import resolve
    from capsule_python.tree import DiskTree

    dependencies = named_dependencies(source, closure.entry.source, DiskTree(source.root))
    return resolve(dependencies, closure.external, host)
