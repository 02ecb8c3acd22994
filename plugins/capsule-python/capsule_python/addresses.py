"""Wheels that a program names by address: fetched by us, checked, and handed to the installer as files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from capsule.errors import BuildError, Location
from capsule.frontend.spec import Host
from capsule_python.requirements import Wheel
from capsule_python.vetting import UnfitError, check_wheel

LARGEST: Final = 64 << 20
"""Bytes of a wheel that is named by address."""


def fetch_wheel(wheel: Wheel, folder: Path, origin: Location, host: Host) -> str:
    """The address of the file, in ``folder``, that this wheel is now. Raises `BuildError`."""
    host.progress(f"downloading {wheel.file}")
    try:
        content = host.download(wheel.url, LARGEST)
    except BuildError as error:
        raise BuildError(error.message, hint=error.hint, location=origin) from None
    found = hashlib.sha256(content).hexdigest()
    if found != wheel.sha256:
        raise BuildError(
            f"{wheel.url} is not the wheel that is meant: its SHA-256 is {found}",
            hint="look whether it is still the file that you trust, and correct the digest",
            location=origin,
        )
    file = folder / wheel.file
    file.write_bytes(content)
    try:
        check_wheel(file)
    except UnfitError as error:
        raise BuildError(
            f"{wheel.file} is not taken: {error}",
            hint="name what it requires among the program's own dependencies",
            location=origin,
        ) from None
    return file.as_uri()
