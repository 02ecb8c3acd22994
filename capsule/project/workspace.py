"""Which ``capsule.toml`` files speak of a source in a workspace, and what they come to together.

A member may have a ``capsule.toml`` of its own. What it says is nearer and wins, with one exception: the
ceilings of the workspace hold for everything below its folder, whether it is listed as a member or not, and
a nearer file can only tighten them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from capsule.errors import ConfigError
from capsule.policy.limits import Limits
from capsule.policy.model import FileGrant
from capsule.project.config import CONFIG_NAME, Config, is_there, load_config


class Settings:
    """Reads ``capsule.toml`` files, each once. Not for longer than one command: it never looks again."""

    def __init__(self, known_tables: tuple[str, ...]) -> None:
        self._known = known_tables
        self._read: dict[tuple[Path, str], Config] = {}
        self._above: dict[Path, tuple[Path, Config] | None] = {}

    def of(self, root: Path, config_file: Path | None) -> Governed:
        """The settings of the project at ``root``. Raises `ConfigError`."""
        if config_file is None:
            return Governed(Config(root), None)
        outer = self._workspace_above(root)
        if outer is None:
            config = self._load(config_file, CONFIG_NAME)
            return Governed(config, root if config.workspace is not None else None)
        folder, workspace = outer
        inner = self._load(config_file, config_file.relative_to(folder).as_posix(), folder)
        if inner.workspace is not None:
            raise ConfigError(
                f"a workspace inside the workspace of {folder / CONFIG_NAME}",
                hint="list these members there, and remove [workspace] here",
                location=inner.workspace.location,
            )
        return Governed(governed(workspace, inner), folder)

    def _workspace_above(self, root: Path) -> tuple[Path, Config] | None:
        """The outermost workspace above a folder: no folder between can lift its ceilings."""
        if root.parent == root:
            return None
        folder = root.parent
        if folder not in self._above:
            found = self._workspace_above(folder)
            if found is None and is_there(folder / CONFIG_NAME):
                config = self._load(folder / CONFIG_NAME, str(folder / CONFIG_NAME))
                if config.workspace is not None:
                    found = folder, self._load(folder / CONFIG_NAME, CONFIG_NAME)
            self._above[folder] = found
        return self._above[folder]

    def _load(self, config_file: Path, shown: str, within: Path | None = None) -> Config:
        config = self._read.get((config_file, shown))
        if config is None:
            config = load_config(config_file, config_file.parent, self._known, shown=shown, within=within)
            self._read[config_file, shown] = config
        return config


@dataclass(frozen=True, slots=True)
class Governed:
    """A project's effective settings, and the folder of the workspace that it lies in, if any."""

    config: Config
    workspace: Path | None


def governed(outer: Config, inner: Config) -> Config:
    """The settings of a project inside a workspace: its own, over the workspace's, under its ceilings.

    ``[workflow]`` is the project's alone. ``[tasks]`` and the frontends' tables are taken key by key, the
    nearer first. ``[limits]`` are the narrower of both; ``allow_project_writes`` needs the word of both.
    Of a secret that both define, the workspace's definition holds: a project can't send it elsewhere.
    ``[cache]`` is the nearer one that names a remote.
    """
    prefix = inner.root.relative_to(outer.root).as_posix()
    limits = seen_from(outer.limits, prefix).merge(inner.limits)
    if not outer.limits.allow_project_writes:
        limits = replace(limits, allow_project_writes=False)
    return replace(
        inner,
        defaults={**outer.defaults, **inner.defaults},
        limits=limits,
        tables={
            name: _merged(outer.tables.get(name, {}), inner.tables.get(name, {}))
            for name in (*outer.tables, *(name for name in inner.tables if name not in outer.tables))
        },
        digest=hashlib.sha256(f"{outer.digest} {inner.digest}".encode()).hexdigest(),
        signatures=tuple(dict.fromkeys((*outer.signatures, *inner.signatures))),
        cache=outer.cache if inner.cache.remote is None else inner.cache,
        secrets={**inner.secrets, **outer.secrets},
    )


def _merged(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**outer, **inner}


def seen_from(limits: Limits, prefix: str) -> Limits:
    """A workspace's ceilings, with folders as a project in the folder ``prefix`` of it calls them."""
    if not isinstance(limits.allow_project_writes, bool):
        writes = (_path_seen_from(path, prefix) for path in limits.allow_project_writes)
        within = tuple(dict.fromkeys(path for path in writes if path is not None))
        limits = replace(limits, allow_project_writes=within)
    if limits.allowed_files is None:
        return limits
    # A folder may come twice, from grants above it: the writable one says more.
    paths: dict[str, bool] = {}
    for grant in limits.allowed_files:
        path = _path_seen_from(grant.path, prefix)
        if path is not None:
            paths[path] = paths.get(path, False) or grant.writable
    files = tuple(FileGrant(path, writable) for path, writable in paths.items())
    return replace(limits, allowed_files=files)


def _path_seen_from(path: str, prefix: str) -> str | None:
    """What a folder of a workspace is to a project in its folder ``prefix``; None for one elsewhere."""
    if path == "." or f"{prefix}/".startswith(f"{path}/"):
        return "."
    return path.removeprefix(f"{prefix}/") if path.startswith(f"{prefix}/") else None
