"""Runs uv or pip to put the packages of a set of requirements into a folder."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from capsule.errors import BuildError
from capsule.frontend.process import run_tool
from capsule.frontend.spec import Host
from capsule_python.dependencies import Dependencies
from capsule_python.syntax import GUEST_PYTHON

_VERSION = ".".join(map(str, GUEST_PYTHON))
_TAG = "".join(map(str, GUEST_PYTHON))
_TIMEOUT = 900.0
_SHOWN_LINES = 15

TARGET_ENVIRONMENT = {
    "implementation_name": "cpython",
    "implementation_version": f"{_VERSION}.0",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_release": "",
    "platform_system": "Linux",
    "platform_version": "",
    "python_full_version": f"{_VERSION}.0",
    "python_version": _VERSION,
    "sys_platform": "linux",
}
"""What environment markers are compared with."""

_PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "linux_x86_64")

# These would send the packages elsewhere, or make the tool look at a project. Everything else of the
# user's (indexes, proxies, certificates, credentials) stays.
_DROPPED = frozenset(
    {"PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_USER", "PIP_REQUIRE_VIRTUALENV", "PIP_REQUIREMENT"}
    | {"PIP_EDITABLE", "PIP_SRC", "PIP_NO_BINARY", "PIP_PLATFORM", "PIP_PYTHON_VERSION", "PIP_REPORT"}
    | {
        "UV_PROJECT",
        "UV_PYTHON",
        "UV_SYSTEM_PYTHON",
        "UV_WORKING_DIRECTORY",
        "UV_WORKING_DIR",
        "UV_NO_BINARY",
    }
    | {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"}
)

_NO_NETWORK = re.compile(
    r"error sending request|failed to (?:fetch|lookup)|could not (?:connect|resolve)|dns error|offline"
    r"|network (?:is )?(?:unreachable|connectivity)|connection (?:refused|reset|error)|timed out"
    r"|newconnectionerror|name or service not known|temporary failure in name resolution",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Tool:
    """An installer: its name, and the command that starts it."""

    name: str
    command: tuple[str, ...]


def find_tool() -> Tool | None:
    """uv if it is there, else pip, else None. Starts nothing."""
    path = shutil.which("uv")
    if path is not None:
        return Tool("uv", (path,))
    for name in ("uv", "pip"):
        if importlib.util.find_spec(name) is not None:
            return Tool(name, (sys.executable, "-I", "-m", name))
    for name in ("pip", "pip3"):
        path = shutil.which(name)
        if path is not None:
            return Tool("pip", (path,))
    return None


def install(dependencies: Dependencies, site: Path, host: Host) -> None:
    """Installs the requirements and all that they require into ``site``.

    Raises `BuildError` without a tool or a network, and for packages that have no wheel.
    """
    wanted = _checked(dependencies)
    tool = find_tool()
    if tool is None:
        raise BuildError(
            f"neither uv nor pip is there to install {_joined(wanted)}",
            hint="pip install uv",
            location=dependencies.origin,
        )
    host.progress(f"installing {_joined(wanted)} with {tool.name}")
    requirements = site.parent / "requirements.txt"
    requirements.write_text("".join(f"{requirement}\n" for requirement in wanted), encoding="utf-8")
    arguments = _uv(site, requirements) if tool.name == "uv" else _pip(site, requirements)
    environment = {name: value for name, value in os.environ.items() if name not in _DROPPED}
    try:
        done = run_tool(
            [*tool.command, *arguments], cwd=site.parent, environment=environment, timeout=_TIMEOUT
        )
    except TimeoutError:
        raise BuildError(
            f"{tool.name} took longer than {_TIMEOUT:.0f} s to install {_joined(wanted)}",
            hint="look at the network, and run again",
            location=dependencies.origin,
        ) from None
    except OSError as error:
        raise BuildError(
            f"{tool.name} can't be started: {error.strerror}",
            hint="pip install uv",
            location=dependencies.origin,
        ) from None
    if done.status != 0:
        output = done.output.strip()
        raise _failure(tool, wanted, output, dependencies)


def _checked(dependencies: Dependencies) -> list[str]:
    """The requirements that apply to the guest, in the tools' spelling."""
    from packaging.requirements import InvalidRequirement, Requirement

    wanted = []
    for text in dependencies.requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            reason = str(error).splitlines()[0]
            raise BuildError(
                f"{text!r} is no requirement: {reason}",
                hint='write a name and perhaps versions, for example "requests>=2"',
                location=dependencies.origin,
            ) from None
        # Anything else than a wheel would be built, which runs its code on this machine.
        if requirement.url is not None and not _is_wheel(requirement.url):
            raise BuildError(
                f"{text!r} is not a wheel on an https server",
                hint="name a released version, or the address of a .whl file",
                location=dependencies.origin,
            )
        if requirement.marker is None or requirement.marker.evaluate({**TARGET_ENVIRONMENT, "extra": ""}):
            requirement.marker = None
            wanted.append(str(requirement))
    return wanted


def _is_wheel(url: str) -> bool:
    return url.startswith("https://") and url.partition("#")[0].partition("?")[0].endswith(".whl")


def _uv(site: Path, requirements: Path) -> list[str]:
    return [
        *("pip", "install", "--quiet", "--python", sys.executable, "--target", str(site)),
        *("--python-version", _VERSION, "--python-platform", "x86_64-manylinux_2_28"),
        *("--only-binary", ":all:", "--link-mode", "copy", "--color", "never", "-r", str(requirements)),
    ]


def _pip(site: Path, requirements: Path) -> list[str]:
    platforms = [argument for name in _PLATFORMS for argument in ("--platform", name)]
    return [
        *("install", "--quiet", "--no-input", "--disable-pip-version-check", "--no-compile", "--no-color"),
        *("--target", str(site), "--python-version", _VERSION, "--implementation", "cp"),
        *("--abi", f"cp{_TAG}", "--abi", "abi3", *platforms, "--only-binary", ":all:"),
        *("--progress-bar", "off", "-r", str(requirements)),
    ]


def _failure(tool: Tool, wanted: list[str], output: str, dependencies: Dependencies) -> BuildError:
    shown = "\n".join(f"    {line}" for line in output.splitlines()[-_SHOWN_LINES:])
    if _NO_NETWORK.search(output):
        hint = "connect to the network and run again; once installed, packages are kept in your cache"
    else:
        hint = (
            f"correct the dependencies in {dependencies.origin.file}; only packages with wheels can be used, "
            f"for Python {_VERSION}"
        )
    return BuildError(
        f"{tool.name} could not install {_joined(wanted)}:\n{shown}", hint=hint, location=dependencies.origin
    )


def _joined(wanted: list[str]) -> str:
    return ", ".join(wanted[:8]) + (f" and {len(wanted) - 8} more" if len(wanted) > 8 else "")
