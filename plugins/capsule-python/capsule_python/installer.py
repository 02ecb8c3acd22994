"""Puts the packages of a set of requirements into a folder, with uv or pip."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from capsule.errors import BuildError
from capsule.frontend.installing import install_line
from capsule.frontend.process import Finished, TookTooMuchError
from capsule.frontend.spec import Host
from capsule.frontend.wheels.installers import (
    NO_NETWORK,
    TIMEOUT,
    UNSUITED,
    Installer,
    Target,
    find_installer,
    install_wheels,
)
from capsule_python.addresses import fetch_wheel
from capsule_python.dependencies import Dependencies
from capsule_python.requirements import Wanted, wanted
from capsule_python.syntax import GUEST_PYTHON
from capsule_python.vetting import UnfitError, check_installed

_VERSION = ".".join(map(str, GUEST_PYTHON))
_SHOWN_LINES = 15
_TARGET = Target(
    _VERSION, ("manylinux2014_x86_64", "manylinux_2_28_x86_64", "linux_x86_64"), "x86_64-manylinux_2_28"
)

_NO_NETWORK = re.compile(
    r"error sending request|failed to (?:fetch|lookup)|could not (?:connect|resolve)|dns error|offline"
    r"|network (?:is )?(?:unreachable|connectivity)|connection (?:refused|reset|error)|timed out"
    r"|newconnectionerror|name or service not known|temporary failure in name resolution",
    re.IGNORECASE,
)


def install(dependencies: Dependencies, site: Path, host: Host) -> None:
    """Installs the requirements and all that they require into ``site``.

    Works in the folder around it. Raises `BuildError` without a tool or a network, for packages that have no
    wheel, and for wheels that ask for more than wheels of an index.
    """
    origin = dependencies.origin
    listed = wanted(dependencies.requirements, origin)
    installer = find_installer()
    if installer is None:
        raise BuildError(
            f"neither uv nor pip is there to install {_joined(listed)}",
            hint=install_line("uv"),
            location=origin,
        )
    work, wheels = site.parent / "work", site.parent / "wheels"
    for folder in (work, wheels):
        folder.mkdir()
    try:
        lines = [
            entry.line
            if entry.wheel is None
            else f"{entry.line} @ {fetch_wheel(entry.wheel, wheels, origin, host)}"
            for entry in listed
        ]
        host.progress(f"installing {_joined(listed)} with {installer.name}")
        _run(installer, lines, site, work, wheels, listed, dependencies)
        check_installed(site)
    except UnfitError as error:
        raise BuildError(
            f"what {installer.name} installed for {_joined(listed)} is not taken: {error}",
            hint="name another version, or what it requires in the program's own dependencies",
            location=origin,
        ) from None
    finally:
        for folder in (work, wheels):
            shutil.rmtree(folder, ignore_errors=True)


def _run(
    installer: Installer,
    lines: list[str],
    site: Path,
    work: Path,
    wheels: Path,
    listed: list[Wanted],
    dependencies: Dependencies,
) -> None:
    origin = dependencies.origin
    try:
        done = install_wheels(
            installer,
            "".join(f"{line}\n" for line in lines),
            site,
            work=work,
            wheels=wheels,
            target=_TARGET,
            project=dependencies.root,
        )
    except TimeoutError:
        raise BuildError(
            f"{installer.name} took longer than {TIMEOUT:.0f} s to install {_joined(listed)}",
            hint="look at the network, and run again",
            location=origin,
        ) from None
    except TookTooMuchError as error:
        raise BuildError(
            f"{installer.name} was stopped while it installed {_joined(listed)}: {error.strerror}",
            hint="look at what these packages bring, and name only what the program imports",
            location=origin,
        ) from None
    except OSError as error:
        raise BuildError(
            f"{installer.name} can't be started: {error.strerror}", hint=install_line("uv"), location=origin
        ) from None
    if done.status != 0:
        raise _failure(installer, listed, done, dependencies)


def _failure(
    installer: Installer, listed: list[Wanted], done: Finished, dependencies: Dependencies
) -> BuildError:
    output = done.output.strip()
    shown = "\n".join(f"    {line}" for line in output.splitlines()[-_SHOWN_LINES:])
    if done.status < 0:
        shown += f"\n    (too much memory, too large a file, or it broke down: signal {-done.status})"
    if done.status == UNSUITED:
        return BuildError(
            f"this pip ({installer.python}) can't be kept from building packages",
            hint=install_line("uv"),
            location=dependencies.origin,
        )
    if done.status == NO_NETWORK or _NO_NETWORK.search(output):
        hint = "connect to the network and run again; once installed, packages are kept in your cache"
    else:
        hint = (
            f"correct the dependencies in {dependencies.origin.file}; only packages with wheels can be used, "
            f"for Python {_VERSION}"
        )
    return BuildError(
        f"{installer.name} could not install {_joined(listed)}:\n{shown}",
        hint=hint,
        location=dependencies.origin,
    )


def _joined(listed: list[Wanted]) -> str:
    lines = [entry.line for entry in listed]
    return ", ".join(lines[:8]) + (f" and {len(lines) - 8} more" if len(lines) > 8 else "")
