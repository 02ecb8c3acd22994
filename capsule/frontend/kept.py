"""What a frontend has worked out and keeps in a file of its cache folder: whole, or not there at all."""

from __future__ import annotations

import json
import os
import tempfile
from hashlib import sha256
from pathlib import Path

from capsule.frontend.spec import Json


def read_kept(file: Path) -> Json | None:
    """The value in a file of `write_kept`; None when there is none, or the file is damaged."""
    try:
        digest, _, content = file.read_bytes().partition(b"\n")
        if sha256(content).hexdigest().encode() != digest:
            return None
        return json.loads(content)
    except (OSError, ValueError, RecursionError):
        return None


def write_kept(file: Path, value: Json) -> None:
    """Writes a value, as JSON under its digest, in one step. Raises `OSError`."""
    content = json.dumps(value).encode()
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.")
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(sha256(content).hexdigest().encode() + b"\n" + content)
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
