"""The values of the variables that tasks name in ``env_variables``.

The process environment comes first, then the file that ``--env-file`` names, then ``.env`` in the
project root. Nothing but the variables that a task declares is ever looked up.

``$NAME`` and ``${NAME}`` in a file stay as they are written: what a file in a project says must not
copy another variable of the process into a name that a task may read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from capsule.errors import ConfigError, Location
from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, InputMissing, NotRegular, read_input

MAX_BYTES = LARGEST_SETTINGS


class Environment:
    """Where a run's variables come from. Make one with `environment`; safe to share between threads."""

    __slots__ = ("_dotenv", "_given", "_root")

    def __init__(self, root: Path, given: Mapping[str, str]) -> None:
        self._root = root
        self._given = given
        self._dotenv: Mapping[str, str] | None = None

    def select(self, names: Iterable[str]) -> dict[str, str]:
        """The values of those names that have one.

        ``.env`` is read once, when a name is found nowhere else. Raises `ConfigError` when it can't be
        used, and for a value that is not UTF-8 text.
        """
        values: dict[str, str] = {}
        for name in names:
            value = os.environ.get(name)
            if value is None:
                value = self._given.get(name)
            if value is None:
                value = self._project().get(name)
            if value is None:
                continue
            try:
                value.encode()
            except UnicodeEncodeError:
                message = f"the environment variable {name} is not UTF-8 text"
                raise ConfigError(message, hint="remove it from env_variables, or change its value") from None
            values[name] = value
        return values

    def _project(self) -> Mapping[str, str]:
        if self._dotenv is None:
            path = self._root / ".env"
            self._dotenv = _read_project(path, self._root)
        return self._dotenv


def environment(root: Path, env_file: Path | None = None) -> Environment:
    """The variables for runs of a project. ``env_file`` is read now; `ConfigError` when it can't be used."""
    return Environment(root, {} if env_file is None else _read(env_file, str(env_file)))


def _read_project(path: Path, root: Path) -> dict[str, str]:
    try:
        data = read_input(path, most=MAX_BYTES, within=root, owned=True)
    except (InputMissing, NotRegular):
        return {}  # a folder is a virtual environment, and a pipe one that asks before it gives
    except InputError as error:
        hint = "name the file yourself: --env-file FILE"
        raise ConfigError(error.reason, hint=hint, location=Location(".env")) from None
    return _parse(_decode(data, ".env"), ".env")


def _read(path: Path, name: str) -> dict[str, str]:
    try:
        data = read_input(path, most=MAX_BYTES)
    except InputError as error:
        raise ConfigError(error.reason, hint=error.hint, location=Location(name)) from None
    return _parse(_decode(data, name), name)


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            "not UTF-8 text", hint="save the file as UTF-8", location=Location(name, line)
        ) from None


def _parse(text: str, name: str) -> dict[str, str]:
    from io import StringIO

    from dotenv.parser import parse_stream

    values: dict[str, str] = {}
    for binding in parse_stream(StringIO(text)):
        # The parser's line is that of the blank lines before.
        written = binding.original.string
        blank = written[: len(written) - len(written.lstrip())]
        location = Location(name, binding.original.line + blank.count("\n"))
        if binding.error:
            raise ConfigError("not a NAME=value line", hint='write NAME="value"', location=location)
        if binding.value is not None and "\0" in binding.value:
            raise ConfigError(f"the value of {binding.key} contains a NUL character", location=location)
        # A name without "=" has no value.
        if binding.key is not None and binding.value is not None:
            values[binding.key] = binding.value
    return values
