"""Runs uv or pip so that wheels come out, and nothing of them, or of a project, runs or is read on the way.

Neither gets the project's files or settings, variables of yours but those of `settings`, or a folder to write
but a private one; both are bounded in time, memory, room and files. Neither builds anything, whatever
metadata says: uv is told so, also for what is named by address, and pip can start no process (`pip_alone`).
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.confinement.tool import no_processes
from capsule.frontend.confined import Confinement, private_environment, python_programs
from capsule.frontend.process import Finished, ToolLimits, run_tool
from capsule.frontend.programs import find_program
from capsule.frontend.wheels.pip_alone import NO_NETWORK, UNSUITED
from capsule.frontend.wheels.settings import Settings, pip_settings, uv_settings

__all__ = [
    "NO_NETWORK",
    "TIMEOUT",
    "UNSUITED",
    "Installer",
    "Target",
    "find_installer",
    "install_wheels",
    "pip_of",
]

TIMEOUT: Final = 900.0
"""Seconds for one installation."""

LIMITS: Final = ToolLimits(memory=2 << 30, file=1 << 30)
ROOM: Final = 4 << 30
"""Bytes of all that is downloaded, unpacked and installed: some of it is there twice for a while."""
FILES: Final = 200_000

_SHEBANG: Final = re.compile(r"#!(/[^\s]+/python[\d.]*)\s*$")
_ALONE: Final = Path(__file__).with_name("pip_alone.py")


@dataclass(frozen=True, slots=True)
class Installer:
    """uv, or pip: its name, the command that starts it, and for pip the Python that it belongs to."""

    name: str
    command: tuple[str, ...]
    python: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels are chosen for: a Python version ("3.14"), pip's platforms and uv's platform."""

    python: str
    platforms: tuple[str, ...]
    uv_platform: str


def find_installer() -> Installer | None:
    """uv if it is there, else pip, else None. Starts nothing."""
    path = _which("uv")
    if path is not None:
        return Installer("uv", (path,))
    if importlib.util.find_spec("uv") is not None:
        return Installer("uv", (sys.executable, "-I", "-m", "uv"))
    if importlib.util.find_spec("pip") is not None:
        return pip_of(sys.executable)
    for name in ("pip", "pip3"):
        path = _which(name)
        python = None if path is None else _python_of(Path(path))
        if python is not None:
            return pip_of(python)
    return None


def pip_of(python: str) -> Installer:
    """The pip that this Python has."""
    return Installer("pip", (python, "-I", "-m", "pip"), python)


def install_wheels(
    installer: Installer,
    requirements: str,
    site: Path,
    *,
    work: Path,
    wheels: Path | None = None,
    target: Target | None = None,
    project: Path | None = None,
    options: Sequence[str] = (),
) -> Finished:
    """Installs requirements, the lines of a file, into ``site`` with an installer.

    ``work`` is an empty folder that the installer may fill; ``wheels`` has files that requirements name
    by address. Without ``target``, for this Python and machine. ``options`` are those that both installers
    know. Raises `TimeoutError` and `OSError` (`capsule.frontend.process.TookTooMuchError` among them).
    """
    listed = work / "requirements.txt"
    listed.write_text(requirements, encoding="utf-8")
    environment = private_environment(work, network=True)
    make = _uv if installer.name == "uv" else _pip
    settings, command, programs = make(installer, work, wheels, target, project)
    confinement = Confinement(
        reads=(*settings.reads, *([wheels] if wheels is not None else [])),
        writes=(work, site),
        programs=(*programs, *python_programs()),
        network=True,
        room=ROOM,
        files=FILES,
    )
    return run_tool(
        [*command, *options, "--target", str(site), "-r", str(listed)],
        cwd=work,
        environment={**environment, **settings.variables},
        timeout=TIMEOUT,
        limits=LIMITS,
        confinement=confinement,
    )


def _uv(
    installer: Installer, work: Path, wheels: Path | None, target: Target | None, project: Path | None
) -> tuple[Settings, list[str], list[Path]]:
    settings = uv_settings(project)
    (work / "uv.toml").write_text(settings.file, encoding="utf-8")
    command = [*installer.command, "pip", "install", "--quiet", "--python", sys.executable]
    if target is not None:
        command += ["--python-version", target.python, "--python-platform", target.uv_platform]
    command += ["--config-file", str(work / "uv.toml"), "--no-cache", "--only-binary", ":all:"]
    command += ["--no-sources", "--link-mode", "copy", "--color", "never"]
    return settings, command, []


def _pip(
    installer: Installer, work: Path, wheels: Path | None, target: Target | None, project: Path | None
) -> tuple[Settings, list[str], list[Path]]:
    prefix = Path(installer.python).parent.parent
    address = f"{wheels.as_uri()}/" if wheels is not None else "none:"
    command = [installer.python, "-I", str(_ALONE), no_processes().hex(), address, "install", "--quiet"]
    command += ["--no-input", "--disable-pip-version-check", "--no-compile", "--no-color", "--no-cache-dir"]
    if target is not None:
        tag = target.python.replace(".", "")
        command += ["--python-version", target.python, "--implementation", "cp"]
        command += ["--abi", f"cp{tag}", "--abi", "abi3"]
        command += [part for name in target.platforms for part in ("--platform", name)]
    command += ["--only-binary", ":all:", "--progress-bar", "off"]
    real = Path(os.path.realpath(installer.python))
    return pip_settings(project, prefix), command, [prefix, real.parent.parent, _ALONE]


def _which(name: str) -> str | None:
    """A program on the path (never the project's own), or beside the Python that this one was made with.

    A version manager's ``shims`` are passed over: they choose a program by the folder that they are called
    in and by files of the user's, none of which a confined tool has.
    """
    return find_program(name, besides=[f"{sys.base_prefix}/bin"], without=["shims"])


def _python_of(script: Path) -> str | None:
    """The Python that a script starts with, as its first line says; None for anything else."""
    try:
        with script.open("rb") as file:
            first = file.readline(500).decode()
    except (OSError, ValueError):
        return None
    match = _SHEBANG.match(first)
    return match[1] if match is not None and Path(match[1]).is_file() else None
