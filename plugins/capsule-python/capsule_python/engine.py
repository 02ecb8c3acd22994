"""The recipe for the Python engine: the component that runs Python programs.

componentize-py makes a component out of the guest's sources by running them, in a sandbox of its own,
up to the point where calls can arrive, and keeping the memory.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from capsule.errors import BuildError, Location
from capsule.frontend.confined import Confinement, python_programs
from capsule.frontend.installing import install_line
from capsule.frontend.process import ToolLimits, run_tool
from capsule.frontend.sdk import sdk_modules
from capsule.frontend.spec import Engine, Program
from capsule.frontend.wit import wit_folder

GUEST_PYTHON = "3.14"
"""The version of CPython inside the engine: it comes with componentize-py."""

_RECIPE = "1"
"""Changes when this module builds differently from the same inputs."""

_GUEST = Path(__file__).parent / "guest"
_WIT = Path(__file__).parent / "wit"
_TIMEOUT = 900.0
_SNAPSHOT_TIMEOUT = 300.0
MOST_RAM = 2 << 30
_OWN_MEMORY = 1 << 30
_LARGEST_FILE = 1 << 30
"""Seconds and bytes for making a snapshot, where the program's own top level runs: what the program may take
where nobody says, what the tool takes besides, and what a file may have."""
_ROOM = 4 << 30
"""Bytes of all files that the tool makes."""
_TAIL = 200_000
"""Characters of the tool's output that an error keeps."""

_ADAPT = """\
from capsule._engine import prepare
prepare.adapt()
from capsule._engine import stdlib
stdlib.keep()
"""
_ENGINE_ENTRY = f"""{_ADAPT}\
from capsule._engine.world import WitWorld
prepare.finish()
"""
_SNAPSHOT_ENTRY = f"""{_ADAPT}\
from capsule._engine import snapshot
snapshot.load({{path!r}})
from capsule._engine.snapshot import WitWorld
prepare.finish()
"""
_PROGRAM = "capsule_program.json"
_FAILED = "capsule-snapshot-failed:"
"""What the guest's ``snapshot`` module puts before its account of an error."""


def python_engine() -> Engine:
    """The engine for Python programs; nothing is built before its ``build`` is called."""
    toolchain = importlib.metadata.version("componentize-py")
    return Engine(
        name="python",
        version=f"{toolchain}/cpython-{GUEST_PYTHON}",
        key=_key(toolchain),
        build=_build_engine,
    )


def _key(toolchain: str) -> str:
    digest = hashlib.sha256()
    for text in ("capsule-python engine", _RECIPE, toolchain, GUEST_PYTHON):
        digest.update(text.encode() + b"\0")
    for name, path in [*_guest_files(), *_wit_files()]:
        content = path.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _guest_files() -> Iterator[tuple[str, Path]]:
    """The guest's modules: the plugin's own, and those that the SDK outside a sandbox has too."""
    for name, path in sdk_modules().items():
        yield f"capsule/{name}", path
    yield "capsule/_engine/alternatives.py", Path(__file__).parent / "alternatives.py"
    for path in sorted(_GUEST.rglob("*.py")):
        if not path.name.endswith("_test.py"):
            yield path.relative_to(_GUEST).as_posix(), path


def _wit_files() -> Iterator[tuple[str, Path]]:
    """The WIT files, laid out as the toolchain wants them: own package, dependencies under ``deps``."""
    host = wit_folder()
    for path in sorted(_WIT.glob("*.wit")):
        yield path.name, path
    for path in sorted(host.glob("*.wit")):
        yield f"deps/capsule-runtime/{path.name}", path
    for path in sorted(host.glob("deps/**/*.wit")):
        yield path.relative_to(host).as_posix(), path


def _build_engine(progress: Callable[[str], None]) -> bytes:
    progress(f"building the Python {GUEST_PYTHON} engine (once per machine; compiling it comes next)")
    return componentize("python-engine", {"engine_app.py": _ENGINE_ENTRY.encode()})


def build_snapshot(program: Program, progress: Callable[[str], None], ram: int | None = None) -> bytes:
    """Makes a component in which the program's top level has already run: it exports the world ``task``.

    The top level runs in the toolchain's own sandbox: no environment, files, hosts or tasks; the
    program's own ``files`` are there when a task runs, and not before. ``ram`` is what it may take, in bytes,
    besides what the toolchain does. Raises `BuildError`, with the
    user's file and line for an error in the user's code.
    """
    progress("building a snapshot of the program")
    entry = _SNAPSHOT_ENTRY.format(path=f"/0/{_PROGRAM}")
    entries = json.dumps(dict(program.entries)).encode()
    try:
        files = {"snapshot_app.py": entry.encode(), _PROGRAM: entries}
        return componentize("python-snapshot", files, ram=MOST_RAM if ram is None else ram)
    except BuildError as error:
        raise _users_error(error) or error from None


def _users_error(error: BuildError) -> BuildError | None:
    _, marker, rest = (error.traceback or "").partition(_FAILED)
    if not marker:
        return None
    try:
        details, _ = json.JSONDecoder().raw_decode(rest)
        place = details["place"]
        location = Location(str(place[0]), int(place[1])) if place else None
        return BuildError(
            str(details["message"]),
            location=location,
            traceback=str(details["traceback"]),
            hint="with --snapshot the top level runs while building, without environment, files or hosts",
        )
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def componentize(world: str, extra: dict[str, bytes], *, ram: int | None = None) -> bytes:
    """Makes a component of ``world`` from the guest's sources and ``extra`` files beside them.

    The first of ``extra`` is the module that defines the exports. Works in a private folder and a
    process with a clean environment. Raises `BuildError` with the end of the tool's output.
    """
    with tempfile.TemporaryDirectory(prefix="capsule-python-") as name:
        folder = Path(name)
        for target, path in _guest_files():
            _write(folder / "app" / target, path.read_bytes())
        for target, path in _wit_files():
            _write(folder / "wit" / target, path.read_bytes())
        for target, content in extra.items():
            _write(folder / "app" / target, content)
        output = folder / "component.wasm"
        app = next(iter(extra)).removesuffix(".py")
        _run_tool(
            folder,
            ["-q", "-d", "wit", "-w", world, "componentize", app, "-p", "app", "-o", str(output)],
            ram,
        )
        return output.read_bytes()


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


# The tool's package is found where this process found it, whatever made it importable here.
_START = "import sys; sys.path.insert(0, sys.argv.pop(1)); import componentize_py as c; sys.exit(c.script())"


def _run_tool(folder: Path, arguments: list[str], ram: int | None) -> None:
    spec = importlib.util.find_spec("componentize_py")
    if spec is None or spec.origin is None:
        raise BuildError("componentize-py is not installed", hint=install_line("capsule-python"))
    location = str(Path(spec.origin).parent.parent)
    command = [sys.executable, "-I", "-S", "-c", _START, location, *arguments]
    try:
        done = run_tool(
            command,
            cwd=folder,
            environment=_environment(folder),
            timeout=_TIMEOUT if ram is None else _SNAPSHOT_TIMEOUT,
            confinement=Confinement(
                writes=(folder,), programs=(*python_programs(), Path(location)), room=_ROOM
            ),
            limits=None if ram is None else ToolLimits(memory=_OWN_MEMORY + ram, file=_LARGEST_FILE),
        )
    except TimeoutError as error:
        raise BuildError(f"componentize-py did not end: {error}") from None
    except OSError as error:
        raise BuildError(f"componentize-py did not run: {error}") from None
    if done.status != 0:
        raise BuildError(
            f"componentize-py failed with exit code {done.status}",
            hint="capsule doctor",
            traceback=done.output[-_TAIL:],
        )


def _environment(folder: Path) -> dict[str, str]:
    """What the tool may see.

    It hands the site-packages of ``VIRTUAL_ENV`` to the guest, and looks for some elsewhere when there
    are none: an empty one keeps the guest to its own files.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for packages in (folder / "venv" / "lib" / version / "site-packages", folder / "venv/Lib/site-packages"):
        packages.mkdir(parents=True)
    environment = {
        "PATH": str(folder),
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "TEMP": str(folder),
        "VIRTUAL_ENV": str(folder / "venv"),
        "PYTHONHASHSEED": "0",
    }
    for name in ("SYSTEMROOT", "LD_LIBRARY_PATH"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment
