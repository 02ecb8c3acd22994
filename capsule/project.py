"""A project: its root, its settings, and its ``.capsule`` folder, which may be anybody's."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from capsule_cache import Store

from capsule.config import Config, find_root, load_config
from capsule.errors import UsageError
from capsule.frontend.manager import Plugins
from capsule.user_cache import secret

STATE_FOLDER = ".capsule"


@dataclass(frozen=True, slots=True)
class Project:
    """A source file in its project. ``source`` is absolute, with symbolic links resolved."""

    root: Path
    source: Path
    config: Config

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
        return Store(self.state / "wasm", secret(), within=self.root)


def open_project(file: Path | None, cwd: Path, plugins: Plugins) -> Project:
    """The project of ``file``, or of the entrypoint that ``capsule.toml`` names.

    Raises `UsageError` for a file that isn't there, `ConfigError` for bad settings.
    """
    if file is None:
        root, config_file = find_root(cwd, cwd)
        config = _load(config_file, root, plugins)
        if config.workflow.entrypoint is None:
            raise UsageError(
                "no file given, and no entrypoint in capsule.toml",
                hint='capsule run main.py  # or: entrypoint = "main.py" under [workflow] in capsule.toml',
            )
        source = _existing(root / config.workflow.entrypoint, config.workflow.entrypoint)
        return Project(root, source, config)
    source = _existing(cwd / file, str(file))
    root, config_file = find_root(source, cwd)
    return Project(root, source, _load(config_file, root, plugins))


def prepare_state(project: Project) -> None:
    """Makes ``.capsule`` with what belongs into it besides artifacts: ``wit/`` and a ``.gitignore``.

    Never fails: a folder that can't be written, or isn't one, is left alone.
    """
    from capsule.frontend.wit import wit_folder

    state = project.state
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


def _existing(path: Path, shown: str) -> Path:
    try:
        real = Path(os.path.realpath(path))
        if real.is_file():
            return real
        if real.is_dir():
            raise UsageError(f"{shown} is a folder", hint="name the file with your main task, like main.py")
    except (OSError, ValueError):
        raise UsageError(f"{shown[:200]!r} is not a path") from None
    raise UsageError(
        f"{shown}: no such file", hint="check the path; relative paths start at the working directory"
    )


def _load(config_file: Path | None, root: Path, plugins: Plugins) -> Config:
    if config_file is None:
        return Config(root)
    return load_config(config_file, root, tuple(frontend.name for frontend in plugins.frontends))
