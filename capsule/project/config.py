"""``capsule.toml``: where it is, and what it says.

Its folder is the project root. It has ``[workflow]``, ``[tasks]`` with a ``default_`` for each option
of a task but its name (a name is one task's own), ``[limits]``, ``[secrets]``, ``[workspace]`` in a
monorepo's root, ``[signatures]``, ``[cache]``, ``[cli]``, and a table for each frontend.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from capsule.errors import ConfigError, Location, PolicyError, UsageError
from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, read_input
from capsule.policy.grants import parse_path
from capsule.policy.limits import Limits
from capsule.policy.options import OPTIONS
from capsule.policy.problems import invalid, name_hint, show
from capsule.policy.resolve import DefaultValue, parse_option
from capsule.policy.secrets import Secret, parse_table
from capsule.project.remote_cache import CacheSettings

CONFIG_NAME = "capsule.toml"
MAX_BYTES = LARGEST_SETTINGS
MOST_REQUIRED = 16

TABLES = ("workflow", "workspace", "tasks", "limits", "secrets", "signatures", "cache", "cli")
"""The host's own tables."""

WORKFLOW_KEYS = ("name", "version", "entrypoint")

FRONTEND_TABLES = ("python", "javascript", "c")
"""Frontends whose tables are accepted whether or not they are installed."""

Locate = Callable[..., Location]


@dataclass(frozen=True, slots=True)
class Workflow:
    """``[workflow]``; ``entrypoint`` is relative to the project root, with forward slashes."""

    name: str | None = None
    version: str | None = None
    entrypoint: str | None = None


@dataclass(frozen=True, slots=True)
class Workspace:
    """``[workspace]``; ``members`` are patterns relative to its folder (`capsule.workspace.members`)."""

    members: tuple[str, ...] = ()
    location: Location | None = None


@dataclass(frozen=True, slots=True)
class RequiredSignature:
    """An entry of ``[signatures] required``: a file of public keys, and where it is asked for."""

    file: Path
    location: Location


@dataclass(frozen=True, slots=True)
class CommandLine:
    """``[cli]``; ``resident`` says whether commands may be done by a resident host."""

    resident: bool = True


@dataclass(frozen=True, slots=True)
class Config:
    """A project's settings. Without a ``capsule.toml``, ``file`` is None and the rest is built-in.

    ``tables`` holds the frontends' own tables, unchecked; ``digest`` is the SHA-256 of the file's
    bytes in hex, empty without a file.
    """

    root: Path
    file: Path | None = None
    workflow: Workflow = field(default_factory=Workflow)
    defaults: Mapping[str, DefaultValue] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    digest: str = ""
    workspace: Workspace | None = None
    cache: CacheSettings = field(default_factory=CacheSettings)
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    signatures: tuple[RequiredSignature, ...] = ()
    cli: CommandLine = field(default_factory=CommandLine)


def find_root(source: Path, cwd: Path) -> tuple[Path, Path | None]:
    """The project root of a source (or of a folder), and its ``capsule.toml`` if there is one.

    ``capsule.toml`` is looked for in the source's folder and upwards. Without one, the root is the
    working directory when the source lies in it, else the source's folder. Symbolic links are resolved
    first, in both arguments; the source need not exist. Raises `UsageError` for a path that no file can have.
    """
    try:
        here = os.path.realpath(cwd)
        real = os.path.realpath(os.path.join(here, source))  # noqa: PTH118
    except ValueError:
        raise UsageError(f"{show(str(source))} is not a path") from None
    target = Path(real)
    folder = target if target.is_dir() else target.parent
    for candidate in (folder, *folder.parents):
        config_file = candidate / CONFIG_NAME
        if is_there(config_file):
            return candidate, config_file
    working = Path(here)
    return (working if folder.is_relative_to(working) else folder), None


def is_there(config_file: Path) -> bool:
    """Whether there is a ``capsule.toml``, readable or not: one that can't be read lifts no ceiling."""
    return os.path.lexists(config_file) and not config_file.is_dir()


def load_config(
    config_file: Path | None,
    root: Path,
    known_tables: Collection[str] = (),
    *,
    shown: str | None = None,
    within: Path | None = None,
) -> Config:
    """Reads and checks a ``capsule.toml``; with None, the built-in settings.

    ``known_tables`` are the tables of installed frontends, besides `FRONTEND_TABLES`. ``shown`` is what
    errors and origins call the file, where its name alone would not tell which one is meant. ``within`` is
    the folder that a link must not lead out of, the file's own without it.
    Raises `ConfigError`, with file and line, for what can't be read, is somebody else's, isn't TOML, is
    larger than `MAX_BYTES`, or has an unknown key or a bad value.
    """
    if config_file is None:
        return Config(root)
    file = shown or config_file.name
    data = _read(config_file, file, within or config_file.parent)
    text = _decode(data, file)
    tables = _parse(text, file)
    locate = _locator(text, file)
    allowed = (*TABLES, *FRONTEND_TABLES, *known_tables)
    for name, table in tables.items():
        if name not in allowed:
            kind = "table" if isinstance(table, dict) else "key"
            hint = name_hint(name, dict.fromkeys(allowed))
            raise ConfigError(f"unknown {kind} {show(name)}", hint=hint, location=locate(name))
        if not isinstance(table, dict):
            raise ConfigError(f"{name} is not a table", hint=f"write [{name}]", location=locate(name))
        _refuse_dates(table, locate, name)
    try:
        return Config(
            root=root,
            file=config_file,
            workflow=_workflow(tables.get("workflow", {}), locate),
            defaults=_defaults(tables.get("tasks", {}), locate, file),
            limits=Limits.parse(
                tables.get("limits", {}), "[limits]", locate=lambda name: locate("limits", name)
            ),
            tables={name: table for name, table in tables.items() if name not in TABLES},
            digest=_digest(data),
            workspace=_workspace(tables["workspace"], locate) if "workspace" in tables else None,
            secrets=parse_table(tables.get("secrets", {}), lambda name: locate("secrets", name)),
            signatures=_signatures(tables.get("signatures", {}), locate, root),
            cli=_command_line(tables.get("cli", {}), locate),
            cache=CacheSettings.parse(tables.get("cache", {}), lambda name: locate("cache", name)),
        )
    except PolicyError as error:
        raise ConfigError(error.message, hint=error.hint, location=error.location) from None


def _workflow(table: Mapping[str, Any], locate: Locate) -> Workflow:
    for key, value in table.items():
        location = locate("workflow", key)
        if key not in WORKFLOW_KEYS:
            message = f"[workflow] has no {show(key)}"
            raise ConfigError(message, hint=name_hint(key, WORKFLOW_KEYS), location=location)
        if not isinstance(value, str) or not value:
            raise invalid(f"[workflow] {key}", value, "not a text", "it in quotes", location)
    entrypoint = table.get("entrypoint")
    if entrypoint is not None:
        entrypoint = parse_path(entrypoint, "[workflow] entrypoint", locate("workflow", "entrypoint"))
    return Workflow(table.get("name"), table.get("version"), entrypoint)


def _workspace(table: Mapping[str, Any], locate: Locate) -> Workspace:
    from capsule.frontend.patterns import parse_patterns

    for key in table:
        if key != "members":
            raise ConfigError(
                f"[workspace] has no {show(key)}",
                hint='it has members, as in members = ["services/*"]',
                location=locate("workspace", key),
            )
    location = locate("workspace", "members")
    if "members" not in table:
        raise ConfigError(
            "[workspace] names no members", hint='write members = ["services/*"]', location=location
        )
    return Workspace(parse_patterns(table["members"], "[workspace] members", location), location)


def _signatures(table: Mapping[str, Any], locate: Locate, root: Path) -> tuple[RequiredSignature, ...]:
    for key in table:
        if key != "required":
            raise ConfigError(
                f"[signatures] has no {show(key)}",
                hint='it has required, as in required = ["keys/release.pub"]',
                location=locate("signatures", key),
            )
    location, option = locate("signatures", "required"), "[signatures] required"
    files = table.get("required", [])
    if not isinstance(files, list) or len(files) > MOST_REQUIRED:
        accepted = f'a list of at most {MOST_REQUIRED} files of public keys, such as ["keys/release.pub"]'
        raise invalid(option, files, "not a list of files", accepted, location)
    return tuple(RequiredSignature(root / parse_path(file, option, location), location) for file in files)


def _command_line(table: Mapping[str, Any], locate: Locate) -> CommandLine:
    for key, value in table.items():
        location = locate("cli", key)
        if key != "resident":
            raise ConfigError(
                f"[cli] has no {show(key)}", hint=name_hint(key, ("resident",)), location=location
            )
        if not isinstance(value, bool):
            raise invalid("[cli] resident", value, "not true or false", "true or false", location)
    return CommandLine(**table)


def _defaults(table: Mapping[str, Any], locate: Locate, file: str) -> dict[str, DefaultValue]:
    keys = [f"default_{option}" for option in OPTIONS]
    defaults = {}
    for key, value in table.items():
        location = locate("tasks", key)
        if key not in keys:
            near = f"default_{key}"
            hint = f'did you mean "{near}"?' if near in keys else name_hint(key, keys)
            raise ConfigError(f"[tasks] has no {show(key)}", hint=hint, location=location)
        option = key.removeprefix("default_")
        parsed = parse_option(option, value, location, name=f"[tasks] {key}")
        defaults[option] = DefaultValue(parsed, f"{file} {key}", location)
    return defaults


def _refuse_dates(value: object, locate: Locate, *path: str) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_dates(item, locate, *path, key)
    elif isinstance(value, list):
        for item in value:
            _refuse_dates(item, locate, *path)
    elif not isinstance(value, str | int | float):
        raise ConfigError(
            f"{'.'.join(path)} is a date or a time", hint="put it in quotes", location=locate(*path)
        )


def _read(config_file: Path, name: str, within: Path) -> bytes:
    try:
        return read_input(config_file, most=MAX_BYTES, within=within, owned=True)
    except InputError as error:
        raise ConfigError(error.reason, hint=error.hint, location=Location(name)) from None


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save the file as UTF-8"
        raise ConfigError("not UTF-8 text", hint=hint, location=Location(name, line)) from None


def _digest(data: bytes) -> str:
    from hashlib import sha256

    return sha256(data).hexdigest()


def _parse(text: str, name: str) -> dict[str, Any]:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    try:
        return tomlkit.parse(text).unwrap()
    except (TOMLKitError, ValueError) as error:
        problem = re.sub(" at line [0-9]+ col [0-9]+$", "", str(error))
        # What tomlkit calls the place where a line or the file ends too early.
        problem = problem.replace(r"Unexpected character: '\x00'", "Unexpected end")
        location = Location(name, getattr(error, "line", None))
        hint = 'texts need quotes, as in default_ram = "256MB"'
        raise ConfigError(f"not valid TOML: {problem}", hint=hint, location=location) from None


_TOKEN = (
    r'"""(?:\\.|[^\\])*?"{3,5}' + r"|'''.*?'{3,5}"  # Texts over several lines.
    r'|"(?:\\.|[^"\\\n])*"' + r"|'[^'\n]*'|#[^\n]*|\n|[\[\]{}=.]"
    r"""|[^\s\[\]{}=.,#"']+"""
)


def _locator(text: str, file: str) -> Locate:
    """A function from the path of a key to its place. ``text`` must be valid TOML.

    tomlkit keeps no line numbers. A key within an inline table is placed where the table is.
    """
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    line, depth, in_value = 1, 0, False
    for match in re.finditer(_TOKEN, text, re.DOTALL):
        piece = match[0]
        if piece == "\n":
            if depth == 0:
                key, in_value = (), False
        elif in_value:
            depth += (piece in "[{") - (piece in "]}")
        elif piece == "]":
            table = key
            lines.setdefault(table, line)
        elif piece == "=":
            lines.setdefault((*table, *key), line)
            in_value = True
        elif piece not in "[." and not piece.startswith("#"):
            key = (*key, piece[1:-1] if piece[0] in "\"'" else piece)
        line += piece.count("\n")

    def locate(*path: str) -> Location:
        places = (lines.get(path[:length]) for length in range(len(path), 0, -1))
        return Location(file, next((place for place in places if place is not None), None))

    return locate
