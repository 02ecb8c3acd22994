"""Why a task may not use a path, in a sentence: for the error that its author reads, and for the record.

All of it is about text: a guest says which path it could not use, and no file is looked at for the answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from posixpath import normpath

from capsule.policy.model import FileGrant
from capsule.policy.problems import SHOWN, show
from capsule.runtime.preopens import PROGRAM_FILES, Preopen

LONGEST_PATH = 4096
"""Characters of a path that are looked at: as many as a file system takes."""

MOST_LISTED = 5
"""Folders of a task that a sentence names."""


@dataclass(frozen=True, slots=True)
class PathUse:
    """What a guest did with a path, and whether that was refused, or nothing was there. See ``wit/``."""

    path: str
    folder: bool
    change: bool
    refused: bool

    @property
    def shown(self) -> str:
        """The path for a line of text: quoted and shortened."""
        return show(self.path)


def why_denied(
    asked: PathUse, grants: Iterable[FileGrant], preopens: Iterable[Preopen], whose: str
) -> str | None:
    """The sentence; None when the policy isn't the reason.

    ``grants`` are the task's ``allowed_files``, ``preopens`` all that its sandbox sees, and ``whose`` is
    "of task main (main.py:3)".
    """
    path = "/" + normpath(f"/{asked.path}").lstrip("/")
    granted = {"/" + normpath(f"/{grant.path}").lstrip("/"): grant for grant in grants}
    seen = {preopen.guest: preopen.writable for preopen in preopens}
    within = max((guest for guest in {**granted, **seen} if _is_within(path, guest)), key=len, default=None)
    if within is None:
        return _outside(asked, path, granted.values(), whose)
    if within not in seen or not asked.refused:
        return None  # a folder that may be read and isn't there, or no such file in one that is
    if asked.change and not seen[within]:
        return _read_only(within, granted, whose)
    return f"the path leads out of the folder {_project_path(within)} {whose}, by '..' or through a link"


def _outside(asked: PathUse, path: str, grants: Iterable[FileGrant], whose: str) -> str:
    folder = PurePosixPath(path)
    # A single name may be a folder's as well as a file's; without a suffix, a folder is likelier.
    if not asked.folder and (folder.parent != PurePosixPath("/") or folder.suffix):
        folder = folder.parent
    if asked.path.startswith("/"):
        denied = _denied(f"the folder {show(str(folder))}", grants, whose)
        return f"{denied}; in a sandbox, / is the project's folder"
    wanted = _project_path(str(folder))
    denied = _denied(
        "the project's own folder" if wanted == "." else f"the folder {show(wanted)}", grants, whose
    )
    if wanted == "." and asked.change:
        return f'{denied}; write into one of its own, such as "./output"'
    if len(wanted) > SHOWN:
        return denied
    entry = wanted if asked.change else {"path": wanted, "mode": "read-only"}
    return f"{denied}; to allow it, add {json.dumps(entry, ensure_ascii=False)}"


def _denied(folder: str, grants: Iterable[FileGrant], whose: str) -> str:
    names = [f"./{grant.path}" if grant.path != "." else "." for grant in grants]
    listed = ", ".join(names[:MOST_LISTED]) + (", ..." if len(names) > MOST_LISTED else "") or "none"
    return f"{folder} is not in allowed_files {whose}, which has {listed}"


def _read_only(within: str, granted: Iterable[str], whose: str) -> str:
    if within in granted:
        entry = json.dumps(_project_path(within), ensure_ascii=False)
        return f"allowed_files {whose} has that folder read-only; for writing, list it as {entry}"
    if within == PROGRAM_FILES:
        return "the program's own files are read-only"
    return f"the folder {show(within)} was mounted read-only (--mount)"


def _project_path(guest: str) -> str:
    """A folder of the sandbox as ``allowed_files`` has it."""
    return "." if guest == "/" else f".{guest}"


def _is_within(path: str, folder: str) -> bool:
    return folder == "/" or path == folder or path.startswith(f"{folder}/")
