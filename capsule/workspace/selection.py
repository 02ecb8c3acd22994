"""Which members a command line means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from capsule.errors import UsageError
from capsule.frontend.manager import Plugins
from capsule.project.config import CONFIG_NAME, find_root
from capsule.project.opened import known_settings
from capsule.project.workspace import Settings
from capsule.workspace.members import Member, below, chosen, member_chooser, members


@dataclass(frozen=True, slots=True)
class Selection:
    """Members to work on, in the folder ``root`` that their names start at."""

    root: Path
    members: tuple[Member, ...]
    settings: Settings


def select(files: tuple[Path, ...], cwd: Path, plugins: Plugins, *, always: bool = False) -> Selection | None:
    """The members that ``files`` name; without any, those in the working directory.

    None when nothing but plain files are named, or there is no workspace and so the project's entrypoint is
    meant; with ``always`` these are a selection too. Raises `UsageError` and `ConfigError`.
    """
    here = Path(os.path.realpath(cwd))
    settings = known_settings(plugins)
    root, config_file = find_root(here, here)
    found = settings.of(root, config_file)
    plain = all(_is_plain(here / file) for file in files)
    if files and plain and not always:
        return None
    if found.workspace is None:
        if not files and not always:
            return None
        arguments = files or _entrypoint(found.config.workflow.entrypoint, root)
        chooser = member_chooser(root, plugins, settings)
        return Selection(root, chosen(arguments, here, root, (), chooser), settings)
    workspace = found.workspace
    config = settings.of(workspace, workspace / CONFIG_NAME).config
    everything = members(workspace, config, plugins, settings)
    if files:
        chooser = member_chooser(workspace, plugins, settings)
        return Selection(workspace, chosen(files, here, workspace, everything, chooser), settings)
    inside = below(here, everything)
    if inside:
        return Selection(workspace, inside, settings)
    if found.config.workflow.entrypoint is not None and not always:
        return None
    if not everything:
        raise UsageError(
            f"the workspace in {workspace} has no members",
            hint="its ! patterns take away all that the others find: see [workspace] in its capsule.toml",
        )
    raise UsageError(
        f"no member of the workspace lies in {here}",
        hint=f"in {workspace}, 'capsule build' builds all {len(everything)}",
    )


def _entrypoint(entrypoint: str | None, root: Path) -> tuple[Path, ...]:
    if entrypoint is None:
        raise UsageError(
            "no file given, no [workspace], and no entrypoint in capsule.toml",
            hint='capsule build main.py  # or: members = ["services/*"] under [workspace] in capsule.toml',
        )
    return (root / entrypoint,)


def _is_plain(path: Path) -> bool:
    return not path.is_dir() and (path.exists() or not any(letter in str(path) for letter in "*?[{"))
