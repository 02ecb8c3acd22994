"""The plugin contract 1.1: everything that a language frontend has to know of the host.

A frontend is an object with the methods of `Frontend`. A distribution hands it to the host
through the entry-point group ``capsule``::

    # pyproject.toml
    [project.entry-points.capsule]
    mylang = "capsule_mylang.plugin"

    # capsule_mylang/plugin.py
    from capsule.frontend.spec import hookimpl

    CONTRACT = "1.0"

    @hookimpl
    def capsule_frontends():
        return [MyLanguage()]

What the host does with it, in this order, for a source file whose suffix is the frontend's:

1. `Frontend.inputs` reads whatever decides the result: files and toolchain versions. The host hashes
   it and looks the artifact up; a hit ends here.
2. `Frontend.discover` lists the tasks that the source declares, and their options.
3. `Frontend.compile` makes the component, or the program for the frontend's engine.
4. The host packs, stores and runs it. The frontend takes no part in running.

Nothing of the user's may run on the host while a frontend works: what can't be read out of the
source statically is evaluated in a sealed sandbox, through `Host.call_engine`.

What a frontend may import of the host, and nothing else:

====================================  ==================================================================
`capsule.frontend.spec`               this module: the contract
`capsule.errors`                      `BuildError`, `ConfigError`, `CapsuleError`, `Location`
`capsule.frontend.declared`           `declared_tasks`: what the engine's ``declared`` answers, parsed
`capsule.frontend.folders`            `cache_folder`: `Host.cache_folder` where there is no host
`capsule.frontend.confined`           `Confinement`, `private_environment`: what a tool may read, write, see
                                      and reach; `looking_at`: one that only reads what it is shown
`capsule.frontend.installing`         `install_line`: the command for hints about what is not installed
`capsule.frontend.inputs`             `read_input`: a regular file of bounded size that lies in the project
`capsule.frontend.kept`               `read_kept`, `write_kept`: a value in the cache folder, or none
`capsule.frontend.owner`              `check_owner`: for what is found by looking upwards
`capsule.frontend.patterns`           `find`: patterns of files, with a bound on the work
`capsule.frontend.process`            `run_tool`: a compiler that doesn't outlive an interrupted host
`capsule.frontend.programs`           `find_program`: on the path, and never one that the project brings
`capsule.frontend.sdk`                `sdk_modules`: the Python SDK's modules that a guest has too
`capsule.frontend.tracking`           `Tracker`: for hosts that build hundreds of sources
`capsule.frontend.wheels.installers`  `find_installer`, `install_wheels`: uv or pip, confined; no builds
`capsule.frontend.wit`                `wit_folder`: where ``capsule.wit`` and its dependencies are
`capsule.testing`                     the conformance suite; in tests only
====================================  ==================================================================

Stable, while the first number of `CONTRACT_VERSION` stays: the names above and in these modules' public
parts, what functions take, return and raise, and the entry-point group; the WIT package
``capsule:runtime@1.0.0`` and the JSON that crosses it. The second number counts additions, and these only:
optional hooks, optional protocols (like `TypeChecker`), optional methods, parameters and fields with
defaults, new names. So a data class of this module is made with its fields' names, and what a later version
adds to one is left at its default.

A plugin states the contract that it was written for, as ``CONTRACT`` in the module that the entry point
names; "1.0" when it doesn't. The host takes a plugin of its own first number whose second is not above its
own. Any other is refused with a sentence about what to upgrade, and the host goes on without it. A plugin
that uses an addition where there is one, and does without elsewhere, states the older version and looks at
`CONTRACT_VERSION`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pluggy

from capsule.errors import Location

CONTRACT_VERSION = "1.1"
"""The version of this contract: the first number changes when a frontend has to change, the second with
every addition."""

PROJECT_NAME = "capsule"
hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)

Json = Any
"""A value as `json.loads` returns it."""


@dataclass(frozen=True, slots=True)
class Source:
    """The file to build.

    ``root`` is the project root, absolute; ``path`` is the source, absolute; ``settings`` is the
    frontend's own table of ``capsule.toml`` (``[python]`` for the frontend named "python").
    """

    path: Path
    root: Path
    settings: Mapping[str, Json] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The source's path relative to the project root, with forward slashes."""
        try:
            return self.path.relative_to(self.root).as_posix()
        except ValueError:
            return self.path.name


@dataclass(frozen=True, slots=True)
class Inputs:
    """Everything that decides what a build results in.

    ``files`` maps paths relative to the project root (forward slashes) to their content: what is
    hashed is what `discover` and `compile` get, so a file that changes in between can't slip through.
    ``digests`` names inputs that are too big to carry (a folder of packages) by a digest of their content.
    ``toolchain`` maps tools to versions. ``notes`` decide nothing: a line for each thing that the author may
    want to know, which ``capsule build --verbose`` shows.
    """

    files: Mapping[str, bytes]
    digests: Mapping[str, str] = field(default_factory=dict)
    toolchain: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


JsonType = Literal["array", "boolean", "integer", "null", "number", "object", "string"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A positional parameter of a task's function: what a word of a command line is turned into for it.

    ``types`` are those that its annotation admits. Without any (no annotation, or one that is not among
    these types) the word stays text. ``rest`` says that it takes all further arguments, each of these types.
    """

    name: str
    types: tuple[JsonType, ...] = ()
    rest: bool = False


@dataclass(frozen=True, slots=True)
class TaskDeclaration:
    """A task as the source declares it.

    ``options`` holds what the source says, under the names of the user guide in snake_case
    (``compute``, ``ram``, ``timeout``, ``max_retries``, ``allowed_files``, ``allowed_hosts``,
    ``env_variables``), unchecked: the host parses it, and reports errors at ``location``.
    ``parameters`` are those that the task's function takes by position, None when the text doesn't tell.
    """

    name: str
    options: Mapping[str, Json]
    location: Location
    parameters: tuple[Parameter, ...] | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """A component that runs programs of one language: the recipe to make it.

    ``key`` is a digest over everything that decides its bytes. The host calls ``build`` once per
    machine and key, and keeps the result. ``build`` gets a function that reports progress.
    """

    name: str
    version: str
    key: str
    build: Callable[[Callable[[str], None]], bytes]


@dataclass(frozen=True, slots=True)
class Program:
    """What an engine is to run.

    The engine asks for ``entries`` by name, as text. ``files`` (paths relative, forward slashes) are
    mounted read-only at ``/app`` in each of the program's sandboxes.
    """

    entries: Mapping[str, str]
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineProgram:
    """A compiled source that needs an engine to run."""

    engine: Engine
    program: Program


@dataclass(frozen=True, slots=True)
class OwnComponent:
    """A compiled source that is a component of its own: it exports the world ``task``.

    ``files`` are mounted as a `Program`'s are.
    """

    wasm: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of ``capsule doctor``: a thing that is there, or what to do about it."""

    name: str
    state: Literal["ok", "missing", "broken", "info"]
    detail: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """Something that a type checker found wrong; it never stops a run."""

    message: str
    location: Location | None


class Host(Protocol):
    """What the host offers a frontend while it works.

    A host may have ``ram``, the bytes that a program's tasks may take. A tool that runs the program's top
    level for a snapshot gets these, besides its own need, as its `capsule.frontend.process.ToolLimits`.
    """

    def progress(self, message: str) -> None:
        """Tells the user what is being done; cheap, call it before anything that takes time."""

    def call_engine(
        self, engine: Engine, export: str, *arguments: str, program: Program | None = None
    ) -> str:
        """Calls an export of an engine in a sealed sandbox: no files, hosts, environment or tasks.

        With ``program``, the program is loaded first. Raises `BuildError` when loading fails or the
        sandbox traps, and `LookupError` when the engine has no such export.
        """

    def cache_folder(self, name: str) -> Path:
        """A folder of the frontend's own in the user's cache, made if need be (mode 0700)."""

    def download(self, url: str, most: int) -> bytes:
        """At most ``most`` bytes from an http or https address that a program names, by the rules for guests.

        That is without proxies, credentials or private networks, every redirect checked. Check a digest that
        the program names as well: the answer is anybody's. Raises `BuildError`.
        """


@runtime_checkable
class Frontend(Protocol):
    """A language. ``name`` is its table in ``capsule.toml``; ``suffixes`` are lower-case, with the dot."""

    name: str
    version: str
    suffixes: tuple[str, ...]

    def inputs(self, source: Source, host: Host) -> Inputs:
        """Reads what decides the result. Called on every run: keep it quick.

        Raises `BuildError` for a source that can't be read or parsed.
        """

    def discover(self, source: Source, inputs: Inputs, host: Host) -> tuple[TaskDeclaration, ...]:
        """The tasks that the source declares. Raises `BuildError`, with file and line."""

    def compile(
        self, source: Source, inputs: Inputs, host: Host, *, snapshot: bool
    ) -> EngineProgram | OwnComponent:
        """Makes what runs.

        With ``snapshot`` the result is a component of its own in which the program's top level has
        already run; a frontend that can't do that raises `BuildError`. The same inputs give an equal
        program. Raises `BuildError`, with file and line.
        """

    def engine(self, source: Source) -> Engine | None:
        """The engine that this source's programs need; None for a compiled language."""

    def doctor(self) -> Iterable[Check]:
        """Is the toolchain there, and if not, what to do. Must not install or build anything."""


@runtime_checkable
class TypeChecker(Protocol):
    """What a frontend has besides, if its language has types to check: ``capsule build --typecheck``."""

    def typecheck(self, source: Source, host: Host) -> Sequence[Diagnostic]:
        """What is wrong with the types of a source and all that it imports.

        Raises `BuildError` when they can't be checked.
        """


@dataclass(frozen=True, slots=True)
class Snippet:
    """What runs code that is in no file: a project of a few ``files``, by their names.

    The code is run by the task ``main`` of ``entry``, with ``args``. Best is one program for all code, which
    takes it as an argument: nothing has to be built for the next piece then.
    """

    files: Mapping[str, bytes]
    entry: str
    args: tuple[Json, ...] = ()


@runtime_checkable
class Snippets(Protocol):
    """What a frontend has besides, if it runs code that is in no file (since 1.1).

    ``languages`` are the names by which people ask for it, such as ``("python", "py")``.
    """

    languages: tuple[str, ...]

    def snippet(self, code: str, options: Mapping[str, Json], packages: Sequence[str]) -> Snippet:
        """What runs ``code``: statements, whose value is that of the last one, or a program with tasks.

        ``options`` are those of the task that runs statements, as a source would have them. A program's
        tasks declare their own, and the host bounds them by the same. ``packages`` are what statements may
        import, as the language's tools name them; what the code names counts, too. Raises `BuildError`.
        """


@runtime_checkable
class OwnNames(Protocol):
    """What a frontend has besides, if its sources write options in their own way (``allowedFiles``).

    Errors about a source use them.
    """

    @property
    def option_names(self) -> Mapping[str, str]:
        """From the names of `TaskDeclaration.options` to the language's."""


class Hooks:
    """The hooks that the host calls. A plugin implements what it needs of them, with `hookimpl`."""

    @hookspec
    def capsule_frontends(self) -> Iterable[Frontend]:  # type: ignore[empty-body]
        """The frontends that this plugin brings."""
