"""Requirements as a program writes them, read strictly: what an installer is given can mean one thing only.

An installer reads lines with options, expands variables in them, and opens addresses of every kind. So a
requirement is one line of ASCII without a ``$``, as PEP 508 has it, and is handed on in its one form. A wheel
may be named by address with its digest; it is fetched by us (`capsule_python.addresses`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capsule.errors import BuildError, Location
from capsule_python.syntax import GUEST_PYTHON

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_VERSION = ".".join(map(str, GUEST_PYTHON))

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

_DIGEST = re.compile(r"sha256=([0-9a-f]{64})")
_LINE = re.compile(r"[\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel by its address, with the SHA-256 that it must have."""

    url: str
    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requirement that applies to the guest. ``line`` is its one form, without marker and address."""

    name: str
    line: str
    wheel: Wheel | None = None


def wanted(texts: tuple[str, ...], origin: Location) -> list[Wanted]:
    """The requirements that apply to the guest. Raises `BuildError` for what is none."""
    return [found for text in texts if (found := _wanted(text, origin)) is not None]


def _wanted(text: str, origin: Location) -> Wanted | None:
    from packaging.requirements import InvalidRequirement, Requirement

    if _LINE.fullmatch(text) is None:
        raise _refused(text, "it has a character that is no printable ASCII", origin)
    if "$" in text:
        raise _refused(text, "installers would put variables of yours in the place of a $", origin)
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _refused(text, str(error).splitlines()[0], origin) from None
    if requirement.marker is not None and not requirement.marker.evaluate(
        {**TARGET_ENVIRONMENT, "extra": ""}
    ):
        return None
    requirement.marker = None
    wheel = None if requirement.url is None else _wheel(text, requirement, origin)
    requirement.url = None
    return Wanted(requirement.name, str(requirement), wheel)


def _wheel(text: str, requirement: Requirement, origin: Location) -> Wheel:
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

    address, _, fragment = (requirement.url or "").partition("#")
    file = address.partition("?")[0].rpartition("/")[2]
    match = _DIGEST.fullmatch(fragment)
    # Anything else than a wheel would be built, which runs its code on this machine.
    if not address.startswith(("https://", "http://")) or not file.endswith(".whl"):
        raise BuildError(
            f"{text!r} is not a wheel on an https server",
            hint="name a released version, or the address of a .whl file",
            location=origin,
        )
    if match is None:
        raise BuildError(
            f"{text!r} has an address without a digest: what is there may change",
            hint=f"write the wheel's SHA-256 behind it: {requirement.name} @ {address}#sha256=...",
            location=origin,
        )
    try:
        name = parse_wheel_filename(file)[0]
    except InvalidWheelFilename as error:
        raise _refused(text, str(error), origin) from None
    if name != canonicalize_name(requirement.name):
        raise _refused(text, f"the file is a wheel of {name}", origin)
    return Wheel(address, file, match[1])


def _refused(text: str, reason: str, origin: Location) -> BuildError:
    return BuildError(
        f"{text[:200]!r} is no requirement: {reason[:300]}",
        hint='write a name and perhaps versions, for example "requests>=2"',
        location=origin,
    )
