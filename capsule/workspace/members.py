"""The members of a workspace: source files that the patterns of ``[workspace]`` name, each once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from capsule.errors import ConfigError, Location, UsageError
from capsule.frontend.manager import Plugins
from capsule.frontend.patterns import Budget, Found, TooMuch, covers, find, is_skipped
from capsule.project.config import CONFIG_NAME, Config, Workspace, is_there
from capsule.project.workspace import Settings

MAX_MEMBERS = 20_000


@dataclass(frozen=True, slots=True)
class Member:
    """A source to build. ``name`` is its path relative to ``root``, with forward slashes.

    ``source`` is absolute, with symbolic links resolved; ``root`` is the workspace's folder.
    """

    name: str
    source: Path
    root: Path


def members(root: Path, config: Config, plugins: Plugins, settings: Settings) -> tuple[Member, ...]:
    """The workspace's members, in the order of their names.

    A folder that a pattern names stands for its entrypoint: what its ``capsule.toml`` says, else its only
    ``main.<suffix>``. Folders without one and files of no frontend are passed over where a pattern has
    wildcards. Raises `ConfigError` for a pattern that names nothing, patterns that look at too many names,
    a folder with several entrypoints, and a link that leaves the workspace.
    """
    assert config.workspace is not None
    try:
        return _all_members(
            root, config.workspace, _Chooser(root, plugins, settings, config.workspace.location)
        )
    except TooMuch:
        raise TooMuch(config.workspace.location) from None


def _all_members(root: Path, workspace: Workspace, chooser: _Chooser) -> tuple[Member, ...]:
    location = workspace.location
    patterns = [pattern for pattern in workspace.members if not pattern.startswith("!")]
    taken_away = [pattern[1:] for pattern in workspace.members if pattern.startswith("!")]
    found: dict[str, Member] = {}
    budget = Budget()
    for pattern in patterns:
        count = 0
        for one in find(root, pattern, budget):
            name = one.path.relative_to(root).as_posix()
            if any(covers(taken, name, budget) for taken in taken_away):
                count += 1
                continue
            for member in chooser.choose([one]):
                count += 1
                if not any(covers(taken, member.name, budget) for taken in taken_away):
                    found[member.name] = member
            if len(found) > MAX_MEMBERS:
                raise ConfigError(f"more than {MAX_MEMBERS} members", location=location)
        if count == 0:
            raise ConfigError(
                f"the pattern {pattern!r} names no source and no folder with one",
                hint=f"it starts at {root}; a folder needs a main file, like main.py, or a {CONFIG_NAME}",
                location=location,
            )
    return tuple(found[name] for name in sorted(found))


def chosen(
    arguments: Iterable[Path], cwd: Path, root: Path, all_members: tuple[Member, ...], chooser: _Chooser
) -> tuple[Member, ...]:
    """What arguments of a command name: files, folders and patterns, relative to ``cwd``.

    A folder stands for the members in it, or for its own entrypoint where there are none; a file need
    not be a member. Raises `UsageError`.
    """
    found: dict[str, Member] = {}
    for argument in arguments:
        named = list(_named(argument, cwd, root, all_members, chooser))
        if not named:
            raise UsageError(
                f"{argument}: no member and no source",
                hint="capsule build without arguments builds all members of the workspace",
            )
        found.update((member.name, member) for member in named)
    return tuple(found[name] for name in sorted(found))


def below(folder: Path, all_members: Iterable[Member]) -> tuple[Member, ...]:
    """The members in a folder (a real path)."""
    return tuple(member for member in all_members if member.source.is_relative_to(folder))


def member_chooser(root: Path, plugins: Plugins, settings: Settings) -> _Chooser:
    """Tells which sources files and folders below ``root`` stand for."""
    return _Chooser(root, plugins, settings, None)


def _named(
    argument: Path, cwd: Path, root: Path, all_members: tuple[Member, ...], chooser: _Chooser
) -> Iterator[Member]:
    path = Path(os.path.realpath(cwd / argument))
    if path.is_dir():
        inside = below(path, all_members)
        yield from inside or chooser.choose([Found(path, True)])
    elif path.is_file():
        yield from chooser.choose([Found(path, True)])
    elif any(letter in str(argument) for letter in "*?[{"):
        # A pattern in quotes, or one that the shell found nothing for.
        for match in find(cwd, str(argument)):
            if match.path.is_dir():
                yield from below(Path(os.path.realpath(match.path)), all_members) or chooser.choose([match])
            else:
                yield from chooser.choose([match])
    else:
        raise UsageError(
            f"{argument}: no such file or folder", hint="relative paths start at the working directory"
        )


class _Chooser:
    """From what a pattern or an argument names to sources."""

    def __init__(self, root: Path, plugins: Plugins, settings: Settings, location: Location | None) -> None:
        self._root = root
        self._settings = settings
        self._location = location
        self._suffixes = tuple(suffix for frontend in plugins.frontends for suffix in frontend.suffixes)

    def choose(self, found: Iterable[Found]) -> Iterator[Member]:
        """The sources that these files and folders stand for."""
        for one in found:
            source = self._source(one)
            if source is not None:
                yield Member(source.relative_to(self._root).as_posix(), source, self._root)

    def _source(self, found: Found) -> Path | None:
        real = self._inside(found.path)
        if real.is_dir():
            real_source = self._entrypoint(real)
            if real_source is None and found.asked:
                raise self._error(
                    f"{self._shown(real)} has no entrypoint",
                    "name its main file main.py or main.ts, or set [workflow] entrypoint in its capsule.toml",
                )
            return None if real_source is None else self._named(self._inside(real_source))
        if real.suffix.lower() in self._suffixes:
            return self._named(real)
        if found.asked:
            known = ", ".join(sorted(self._suffixes))
            raise self._error(f"no installed frontend takes {self._shown(real)}", f"they take {known}")
        return None

    def _entrypoint(self, folder: Path) -> Path | None:
        config_file = folder / CONFIG_NAME
        if folder != self._root and is_there(config_file):
            entrypoint = self._settings.of(folder, config_file).config.workflow.entrypoint
            if entrypoint is not None:
                source = folder / entrypoint
                if not source.is_file():
                    shown = config_file.relative_to(self._root).as_posix()
                    raise ConfigError(
                        f"the entrypoint {entrypoint} isn't there",
                        hint="paths start at the folder of the capsule.toml",
                        location=Location(shown),
                    )
                return source
        mains = sorted(
            entry.name
            for entry in os.scandir(folder)
            if entry.name.startswith("main.") and Path(entry.name).suffix.lower() in self._suffixes
            if entry.name.count(".") == 1 and entry.is_file()
        )
        if len(mains) > 1:
            raise self._error(
                f"{self._shown(folder)} has several entrypoints: {', '.join(mains)}",
                "list the files themselves, or set [workflow] entrypoint in a capsule.toml in that folder",
            )
        return folder / mains[0] if mains else None

    def _inside(self, path: Path) -> Path:
        real = Path(os.path.realpath(path))
        if not real.is_relative_to(self._root):
            raise self._error(
                f"{path.name} leads out of the workspace, to {real}",
                "members lie in the workspace; put a copy there, or leave the link out with a ! pattern",
            )
        if any(is_skipped(part) for part in real.relative_to(self._root).parts[:-1]):
            raise self._error(
                f"{self._shown(real)} lies in a hidden folder or one of installed packages",
                "move it to a folder of its own",
            )
        return real

    def _named(self, source: Path) -> Path:
        """The source, if its name can be shown in a table, a list and JSON."""
        name = self._shown(source)
        if not name.isprintable():
            raise self._error(
                f"{name!r} has characters in its name that can't be shown",
                "rename it, or leave it out with a ! pattern",
            )
        return source

    def _shown(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def _error(self, message: str, hint: str) -> ConfigError | UsageError:
        if self._location is None:
            return UsageError(message, hint=hint)
        return ConfigError(message, hint=hint, location=self._location)
