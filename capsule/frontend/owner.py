"""Whose a file is that nobody named, and that was found by looking upwards: git's ``safe.directory``.

Settings, manifests and installed packages are looked for in the folders above a source. In a shared folder
anybody can put some there. So they count only when they are the user's own, or the system's; what else may
be trusted is for the user to say, in the environment, and never for a project.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from capsule.errors import ConfigError, Location

VARIABLE: Final = "CAPSULE_SAFE_DIRECTORIES"
"""Folders, separated as in ``PATH``, in which files of others are trusted; ``*`` is all of them."""


def check_owner(path: str | Path) -> None:
    """Raises `ConfigError` when what lies at a path is somebody else's; nothing when there is nothing.

    A link counts with its own owner and with that of what it leads to.
    """
    try:
        facts = os.lstat(path)
        check_facts(path, facts)
        if stat.S_ISLNK(facts.st_mode):
            check_facts(path, os.stat(path))  # noqa: PTH116
    except (OSError, ValueError):
        return


def check_facts(path: str | Path, facts: os.stat_result) -> None:
    """Raises `ConfigError` when these facts, of what lies at ``path``, show another owner."""
    if is_trusted(facts.st_uid) or _is_safe(os.path.abspath(path)):  # noqa: PTH100 - links stay as they are
        return
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120
    raise ConfigError(
        f"it belongs to {_name(facts.st_uid)}, not to you, and was found by looking upwards",
        hint=f"if you trust whoever that is: export {VARIABLE}={folder}",
        location=Location(str(path)),
    )


def is_trusted(owner: int) -> bool:
    """Whether files of this user count: they are yours, root's, or of who you are under ``sudo``."""
    mine = os.geteuid()
    return owner in (mine, 0) or (mine == 0 and os.environ.get("SUDO_UID") == str(owner))


def _is_safe(path: str) -> bool:
    safe = [folder for folder in os.environ.get(VARIABLE, "").split(os.pathsep) if folder]
    return any(
        folder == "*" or (os.path.isabs(folder) and _is_below(path, os.path.normpath(folder)))  # noqa: PTH117
        for folder in safe
    )


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _name(owner: int) -> str:
    import pwd

    try:
        return f"{pwd.getpwuid(owner).pw_name} (uid {owner})"
    except KeyError:
        return f"uid {owner}"
