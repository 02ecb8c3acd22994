"""``[cli] resident = false`` in ``capsule.toml``: its project does without a resident host."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from capsule.errors import CapsuleError
from capsule.frontend.inputs import InputError, read_input
from capsule.project.config import MAX_BYTES, find_root, load_config


def turned_off(arguments: Sequence[str], cwd: Path) -> bool:
    """Whether the project of a command line says so. What can't be read is the command's to report."""
    words = [word for word in arguments[1:] if not word.startswith("-")][:1]
    try:
        root, file = find_root(Path(words[0]) if words and words[0] else cwd, cwd)
        if file is None or b"resident" not in read_input(file, most=MAX_BYTES, within=root, owned=True):
            return False
        return not load_config(file, root).cli.resident
    except (CapsuleError, InputError, OSError, ValueError):
        return False
