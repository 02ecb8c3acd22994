"""A project: its root, its settings, and its ``.capsule`` folder, which may be anybody's."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capsule_cache import Store

from capsule.errors import UsageError
from capsule.frontend.manager import Plugins
from capsule.project.config import Config, find_root
from capsule.project.user_cache import secret
from capsule.project.workspace import Settings

STATE_FOLDER = ".capsule"


@dataclass(frozen=True, slots=True)
class Project:
    """A source file in its project. ``source`` is absolute, with symbolic links resolved; ``asked`` is how it
    was named, absolute and with its links, None when that is the same.

    ``root`` is what a task's ``allowed_files`` and the record of its runs start at. ``workspace`` is the
    folder of the workspace that the project lies in, None for a project that stands alone.
    """

    root: Path
    source: Path
    config: Config
    workspace: Path | None = None
    asked: Path | None = None

    @property
    def base(self) -> Path:
        """What sources are named from, and where artifacts are kept: the workspace, or else the root."""
        return self.workspace or self.root

    @property
    def state(self) -> Path:
        """The ``.capsule`` folder."""
        return self.root / STATE_FOLDER

    @property
    def trace(self) -> Path:
        """The record of runs."""
        return self.state / "trace.db"

    def artifacts(self) -> Store:
        """The store of built artifacts: only what is signed with the user's key counts."""
        return Store(self.base / STATE_FOLDER / "wasm", secret(), within=self.base)


def open_project(file: Path | None, cwd: Path, plugins: Plugins, settings: Settings | None = None) -> Project:
    """The project of ``file``, or of the entrypoint that ``capsule.toml`` names.

    Whoever opens many at once hands in ``settings``, so that no file is read twice.
    Raises `UsageError` for a file that isn't there, `ConfigError` for bad settings.
    """
    settings = settings or known_settings(plugins)
    if file is None:
        root, config_file = find_root(cwd, cwd)
        found = settings.of(root, config_file)
        config = found.config
        if config.workflow.entrypoint is None:
            raise UsageError(
                "no file given, and no entrypoint in capsule.toml",
                hint='capsule run main.py  # or: entrypoint = "main.py" under [workflow] in capsule.toml',
            )
        asked = root / config.workflow.entrypoint
        source = _existing(
            asked,
            config.workflow.entrypoint,
            hint=f"it is the entrypoint that {config_file} names; correct it there, or name a file: "
            "capsule run main.py",
        )
        return Project(root, source, config, found.workspace, asked)
    asked = (cwd / file).absolute()
    source = _existing(asked, str(file))
    root, config_file = find_root(source, cwd)
    found = settings.of(root, config_file)
    return Project(root, source, found.config, found.workspace, asked)


def known_settings(plugins: Plugins) -> Settings:
    """Reads settings, with the tables of the installed frontends."""
    return Settings(known_tables(plugins))


def known_tables(plugins: Plugins) -> tuple[str, ...]:
    """The tables of ``capsule.toml`` that the installed frontends read."""
    return tuple(frontend.name for frontend in plugins.frontends)


def prepare_state(project: Project) -> None:
    """Makes the project's ``.capsule``: see `prepare_folder`."""
    prepare_folder(project.root)


def prepare_folder(root: Path) -> None:
    """Makes ``.capsule`` with what belongs into it besides artifacts: ``wit/`` and a ``.gitignore``.

    Never fails: a folder that can't be written, or isn't one, is left alone.
    """
    from capsule.frontend.wit import wit_folder

    state = root / STATE_FOLDER
    with suppress(OSError):
        if state.is_symlink():
            return
        state.mkdir(exist_ok=True)
        ignore = state / ".gitignore"
        if not os.path.lexists(ignore):
            ignore.write_text("*\n")
        copy = state / "wit"
        if not os.path.lexists(copy):
            import shutil

            shutil.copytree(wit_folder(), copy)


def _existing(
    path: Path, shown: str, *, hint: str = "check the path; relative paths start at the working directory"
) -> Path:
    try:
        real = Path(os.path.realpath(path))
        if real.is_file():
            return real
        if real.is_dir():
            raise UsageError(f"{shown} is a folder", hint="name the file with your main task, like main.py")
    except (OSError, ValueError):
        raise UsageError(f"{shown[:200]!r} is not a path") from None
    raise UsageError(f"{shown}: no such file", hint=hint)
