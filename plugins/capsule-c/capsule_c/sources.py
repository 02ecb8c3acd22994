"""Which files of the project a program is made of: its sources, and what they include.

What is found here is hashed, and is all that the compiler gets to see of the project. Both branches of a
conditional count, and what is not in the project is left to the toolchain's headers.
"""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from capsule.errors import BuildError, Location
from capsule.frontend.inputs import LARGEST_SOURCE, InputError, read_input
from capsule.frontend.patterns import Budget, TooMuch, find
from capsule_c.tokens import Directive, Tokens, tokenize

C_SUFFIXES = (".c",)
CPP_SUFFIXES = (".cpp", ".cc", ".cxx")
SUFFIXES = C_SUFFIXES + CPP_SUFFIXES

MOST_FILES = 5_000
LARGEST_PROGRAM = 128 << 20

INCLUDES = ("include", "include_next", "import", "embed")

_SETTINGS = re.compile(r"//+\s*capsule:\s*(.*)")
_HEADER = re.compile(r'\s*(?:"([^"\n]+)"|<([^>\n]+)>)')
_KEYS = ("sources", "include")


@dataclass(frozen=True, slots=True)
class Program:
    """The files of a program by their names relative to the project root.

    ``sources`` are those that are compiled, the entry first; ``include`` are the folders that are
    searched for headers. ``missed`` are names that an include could have meant, had they been there, and
    ``folders`` those in which sources were looked for; None when that can't be told without searching.
    """

    sources: tuple[str, ...]
    include: tuple[str, ...]
    files: Mapping[str, bytes]
    missed: frozenset[str] = frozenset()
    folders: frozenset[str] | None = frozenset()


@dataclass(slots=True)
class _Reader:
    root: Path
    include: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    missed: set[str] = field(default_factory=set)
    size: int = 0

    def read(self, name: str, location: Location) -> bytes:
        """A file of the project. Raises `BuildError` when it is none, or too much."""
        if name in self.files:
            return self.files[name]
        if name.startswith(("-", "@")):
            # The compiler would take the one for an option, and the other for a file of options.
            raise BuildError(f"the name {name} begins with {name[0]}", hint="rename it", location=location)
        try:
            content = read_input(name, most=LARGEST_SOURCE, within=self.root)
        except InputError as error:
            raise BuildError(f"{name}: {error.reason}", hint=error.hint, location=location) from None
        self.size += len(content)
        if len(self.files) >= MOST_FILES or self.size > LARGEST_PROGRAM:
            raise BuildError(
                f"the program is more than {MOST_FILES} files, or {LARGEST_PROGRAM >> 20} MiB",
                location=location,
            )
        self.files[name] = content
        return content

    def exists(self, name: str) -> bool:
        """Whether the project has such a file. It is remembered when it hasn't."""
        if os.path.lexists(self.root / name) and not (self.root / name).is_dir():
            return True  # whatever it is, reading it tells
        self.missed.add(name)
        return False


def read_program(entry: Path, root: Path) -> Program:
    """Reads a program, from its entry on. Raises `BuildError`, with file and line."""
    root = Path(os.path.realpath(root))
    name = entry.relative_to(root).as_posix() if entry.is_relative_to(root) else ""
    if not name:
        raise BuildError(
            f"the source lies outside the project root {root}",
            hint="move it into the project",
            location=Location(str(entry)),
        )
    reader = _Reader(root)
    tokens = tokenize(reader.read(name, Location(name)))
    sources, reader.include = _settings(name, tokens, root)
    waiting = [name, *sources]
    seen = set(waiting)
    for source, location in sources.items():
        reader.read(source, location)
    while waiting:
        current = waiting.pop()
        for directive in tokenize(reader.files[current]).directives:
            if directive.name not in INCLUDES:
                continue
            found = _included(directive, current, reader)
            if found is None:
                continue
            reader.read(found, Location(current, directive.line))
            if found not in seen:
                seen.add(found)
                if directive.name != "embed":
                    waiting.append(found)
    files = {key: reader.files[key] for key in sorted(reader.files)}
    return Program((name, *sources), reader.include, files, frozenset(reader.missed), _folders(name, tokens))


def _folders(file: str, tokens: Tokens) -> frozenset[str] | None:
    """The folders that the patterns of ``sources`` look in."""
    folders: set[str] = set()
    for comment in tokens.comments:
        found = _SETTINGS.match(comment.text)
        for pattern in tomllib.loads(found[1]).get("sources", ()) if found else ():
            folder = posixpath.join(posixpath.dirname(file), posixpath.dirname(pattern))
            if any(character in folder for character in "*?["):
                return None
            folders.add(folder)
    return frozenset(folders)


def _included(directive: Directive, file: str, reader: _Reader) -> str | None:
    """The file of the project that a directive names; None when it is a header of the toolchain's."""
    location = Location(file, directive.line)
    found = _HEADER.match(directive.text)
    if found is None:
        raise BuildError(
            f"#{directive.name} {directive.text.strip()[:60]}: what is included has to be written out",
            hint='#include "file.h": the files of a program are read before it is compiled',
            location=location,
        )
    quoted, angled = found[1], found[2]
    wanted = quoted or angled
    if wanted.startswith(("/", "\\", "~")) or re.match("[A-Za-z]:", wanted):
        raise BuildError(
            f"#{directive.name} of {wanted[:200]}: a program is made of files of its project",
            hint="copy the file into the project, and include it by a relative path",
            location=location,
        )
    if angled and ".." in wanted.split("/"):
        raise BuildError(
            f"#{directive.name} <{wanted[:200]}>: the name of a header has no ..",
            hint='write #include "..." for a file of the project',
            location=location,
        )
    folders = [posixpath.dirname(file)] if quoted or directive.name == "embed" else []
    for folder in dict.fromkeys([*folders, *reader.include]):
        candidate = posixpath.normpath(posixpath.join(folder, wanted))
        if candidate.startswith("../"):
            if folder == posixpath.dirname(file) and quoted:
                raise BuildError(
                    f"#{directive.name} of {wanted[:200]} leads out of the project",
                    hint="move the file into the project, or the project's root (capsule.toml) upwards",
                    location=location,
                )
            continue
        if reader.exists(candidate):
            return candidate
    return None


def _settings(file: str, tokens: Tokens, root: Path) -> tuple[dict[str, Location], tuple[str, ...]]:
    """``// capsule: sources = [...]``, each with its place, and ``// capsule: include = [...]``."""
    sources: dict[str, Location] = {}
    include: list[str] = []
    folder = posixpath.dirname(file)
    for comment in tokens.comments:
        found = _SETTINGS.match(comment.text)
        if found is None:
            continue
        location = Location(file, comment.line)
        try:
            table = tomllib.loads(found[1])
        except tomllib.TOMLDecodeError as error:
            raise BuildError(
                f"the line is not TOML: {error}",
                hint='// capsule: sources = ["lib/*.c"]',
                location=location,
            ) from None
        for key, value in table.items():
            patterns = _patterns(key, value, location)
            if key == "include":
                include += [posixpath.normpath(posixpath.join(folder, one)) for one in patterns]
            else:
                sources |= dict.fromkeys(_matching(patterns, file, root, location), location)
    sources.pop(file, None)
    return sources, tuple(dict.fromkeys(include))


def _patterns(key: str, value: object, location: Location) -> list[str]:
    if key not in _KEYS:
        raise BuildError(
            f'"// capsule:" has no {key[:60]!r}', hint=f"it has {', '.join(_KEYS)}", location=location
        )
    if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
        raise BuildError(
            f"{key} is not a list of paths", hint=f'// capsule: {key} = ["lib"]', location=location
        )
    for one in value:
        if one.startswith(("/", "\\", "~", "-", "@")) or ".." in one.split("/"):
            raise BuildError(f"{one} is not below {location.file}", location=location)
    return value


def _matching(patterns: Iterable[str], file: str, root: Path, location: Location) -> list[str]:
    base = root / posixpath.dirname(file)
    names: list[str] = []
    budget = Budget()
    for pattern in patterns:
        try:
            # A link out of the project has any name, and reading it says what is wrong.
            found = sorted(
                path
                for path in {one.path for one in find(base, pattern, budget)}
                if path.suffix.lower() in SUFFIXES or not Path(os.path.realpath(path)).is_relative_to(root)
            )
        except (ValueError, TooMuch) as error:
            raise BuildError(f"{pattern} is not a pattern: {error}", location=location) from None
        if not found:
            raise BuildError(
                f"no source matches {pattern}",
                hint=f"sources end in {', '.join(SUFFIXES)}",
                location=location,
            )
        names += [path.relative_to(root).as_posix() for path in found]
    return names
