"""The recipe for the JavaScript engine: QuickJS, the Web APIs, Node's built-ins and the SDK in one snapshot.

The engine is bundled and pre-initialised by ``guest/build.mjs`` in Node; `javascript_engine` hands the
host what decides its bytes and how to make them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from capsule.errors import BuildError
from capsule.frontend.confined import Confinement, private_environment
from capsule.frontend.process import ToolLimits, run_tool
from capsule.frontend.spec import Engine
from capsule.frontend.wit import wit_folder
from capsule_js.node import node_programs
from capsule_js.npm_package import sdk_folder

NAME: Final = "javascript"
VERSION: Final = "1.0.0"
"""The engine's own version: goes up when bundles made for it have to change."""

GUEST: Final = Path(__file__).parent / "guest"
WORLD: Final = Path(__file__).parent / "wit" / "world.wit"
TIMEOUT: Final = 300
"""Seconds that a build may take; on two cores it takes three."""

MOST_RAM: Final = 2 << 30
OWN_MEMORY: Final = 2 << 30
LARGEST_FILE: Final = 1 << 30
"""Bytes, for making a snapshot: what a program may take where nobody says, what Node takes besides, and what
a file may have."""

_ROOM: Final = 4 << 30
"""Bytes of all files that a build makes."""

_LOAD_ERROR = 4
"""The exit code of ``build.mjs`` when the program's top level failed; stdout has the details."""

_SHOWN = 4000
"""Characters of the build's own output that an error shows."""


class Toolchain(Protocol):
    """What makes the engine: a Node, and the packages of ``guest/package-lock.json``.

    Both are called only when the engine is really built, so that they may install what is missing.
    """

    def node(self, progress: Callable[[str], None]) -> Path:
        """The Node executable, version 20 or later."""

    def modules(self, progress: Callable[[str], None]) -> Path:
        """The folder ``node_modules`` that ``npm ci`` made from the lock file."""


def javascript_engine(toolchain: Toolchain) -> Engine:
    """The engine that ``toolchain`` makes.

    Its key covers the guest's sources, both WIT packages and the lock file. Building raises `BuildError`.
    """

    def build(progress: Callable[[str], None]) -> bytes:
        node, modules = toolchain.node(progress), toolchain.modules(progress)
        progress("building the JavaScript engine (once per machine; compiling it comes next)")
        return build_engine(node, modules)

    return Engine(name=NAME, version=VERSION, key=engine_key(), build=build)


@lru_cache(maxsize=1)
def engine_key() -> str:
    """A digest over everything that decides the engine's bytes."""
    return digest(file for file in inputs() if not file[0].startswith("guest/starlingmonkey/"))


def digest(files: Iterable[tuple[str, bytes]]) -> str:
    """A digest over named contents, in any order."""
    made = hashlib.sha256()
    for name, content in sorted(files):
        made.update(f"{len(name)}:{name}{len(content)}:".encode())
        made.update(content)
    return made.hexdigest()


def builtins() -> frozenset[str]:
    """The specifiers that the engine brings, without ``node:``: external to every bundle."""
    return frozenset(json.loads((GUEST / "builtins.json").read_text("utf-8")))


def build_snapshot(node: Path, modules: Path, bundle: str, frames: str, ram: int | None = None) -> bytes:
    """Builds a component of its own for one program, with the program's top level evaluated in its snapshot.

    ``ram`` is what the program may take, in bytes, besides what the tools do.

    Raises `BuildError`, with the traceback of the program's own error where there is one.
    """
    limits = ToolLimits(memory=OWN_MEMORY + (MOST_RAM if ram is None else ram), file=LARGEST_FILE)
    return _build(node, modules, {"bundle": bundle, "frames": frames}, limits)


def build_engine(node: Path, modules: Path) -> bytes:
    """Builds the engine's component. Raises `BuildError` with what the build printed."""
    return _build(node, modules, None)


def _build(
    node: Path, modules: Path, program: Mapping[str, str] | None, limits: ToolLimits | None = None
) -> bytes:
    with tempfile.TemporaryDirectory(prefix="capsule-program-") as folder:
        arguments = []
        if program is not None:
            file = Path(folder) / "program.json"
            file.write_text(json.dumps(program), "utf-8")
            arguments.append(str(file))
        command = [str(node), str(GUEST / "build.mjs"), str(modules)]
        return build_component(command, WORLD, arguments, TIMEOUT, limits)


def build_component(
    command: Sequence[str],
    world: Path,
    arguments: Sequence[str],
    timeout: int,
    limits: ToolLimits | None = None,
) -> bytes:
    """Runs a build script: ``command``, the folder of ``world``, the component to write, ``arguments``.

    Raises `BuildError` with what the build printed.
    """
    # A maker of engines takes a temporary folder within the working one for a part of the program.
    with (
        tempfile.TemporaryDirectory(prefix="capsule-engine-") as folder,
        tempfile.TemporaryDirectory(prefix="capsule-home-") as home,
    ):
        wit, output = Path(folder) / "wit", Path(folder) / "engine.wasm"
        _lay_out_wit(wit, world)
        whole = [*command, str(wit), str(output), *arguments]
        node, *places = map(Path, command)
        modules = [place for place in places if place.is_dir()]
        confinement = Confinement(
            reads=(GUEST, sdk_folder(), *map(Path, arguments)),
            writes=(Path(folder), Path(home)),
            # esbuild and the makers of snapshots are among the modules.
            programs=(*node_programs(node), *modules),
            room=_ROOM,
        )
        try:
            done = run_tool(
                whole,
                cwd=Path(folder),
                environment=private_environment(Path(home)),
                timeout=timeout,
                limits=limits,
                confinement=confinement,
            )
        except TimeoutError:
            raise BuildError(f"building the JavaScript engine took more than {timeout} seconds") from None
        except OSError as error:
            raise BuildError(f"Node can't be started: {error}", hint="capsule doctor") from None
        if done.status == _LOAD_ERROR:
            message, traceback = _load_error(done.output)
            raise BuildError(message, traceback=traceback)
        if done.status != 0 or not output.is_file():
            raise BuildError(
                "building the JavaScript engine failed",
                traceback=done.output[-_SHOWN:],
                hint="capsule doctor",
            )
        return output.read_bytes()


def _load_error(output: str) -> tuple[str, str | None]:
    """What the program's own error was: a line of JSON among whatever else was printed."""
    for line in reversed(output.splitlines()):
        try:
            details = json.loads(line)
            return str(details["message"]), details["traceback"]
        except (ValueError, KeyError, TypeError):
            continue
    return "the program's top level failed", output[-_SHOWN:]


def _lay_out_wit(folder: Path, world: Path) -> None:
    contract = wit_folder()
    shutil.copytree(contract / "deps", folder / "deps")
    (folder / "deps" / "capsule-runtime").mkdir()
    shutil.copy(contract / "capsule.wit", folder / "deps" / "capsule-runtime")
    shutil.copy(world, folder)


def inputs(world: Path = WORLD) -> Iterator[tuple[str, bytes]]:
    """What an engine with this world is made of: names and contents of the guest's sources and both WITs."""
    yield f"wit/{world.name}", world.read_bytes()
    yield "sdk/envelope.js", (sdk_folder() / "envelope.js").read_bytes()
    for label, root in {"guest": GUEST, "contract": wit_folder()}.items():
        for path in root.rglob("*"):
            if path.is_file() and _decides(path):
                yield f"{label}/{path.relative_to(root).as_posix()}", path.read_bytes()


def _decides(path: Path) -> bool:
    return path.suffix in (".js", ".mjs", ".json", ".wit") and not path.stem.endswith("_test")
