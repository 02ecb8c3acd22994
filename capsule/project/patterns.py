"""Patterns that name the members of a workspace: ``services/*``, ``agents/**/main.{py,ts}``, ``!agents/old``.

Paths are relative to the workspace's folder, with forward slashes. ``*`` and ``?`` and ``[abc]`` match
within one part of a path, ``**`` any number of folders, braces are alternatives, and a pattern that starts
with ``!`` takes away what others have found.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from capsule.errors import Location
from capsule.policy.problems import invalid

MAX_PATTERNS = 1000
MAX_LENGTH = 1000
MAX_ALTERNATIVES = 1000
"""How many patterns the braces of one may stand for."""

SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})
"""Folders in which nobody keeps members; besides them, every folder whose name starts with a dot."""

_ANY_DEPTH = "**"
_SPECIAL = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class Found:
    """A file or a folder that a pattern names. ``asked`` is True when the pattern has its whole path."""

    path: Path
    asked: bool


def parse_patterns(value: object, option: str, location: Location | None = None) -> tuple[str, ...]:
    """Checked patterns. Raises `PolicyError` for what is no list of them, or could leave the workspace."""
    accepted = 'a list of patterns such as ["services/*", "agents/**/main.{py,ts}", "!agents/old"]'
    if not isinstance(value, list | tuple):
        raise invalid(option, value, "not a list", accepted, location)
    if not 0 < len(value) <= MAX_PATTERNS:
        raise invalid(option, value, f"from 1 to {MAX_PATTERNS} patterns are possible", accepted, location)
    for pattern in value:
        problem = _problem(pattern)
        if problem is not None:
            raise invalid(option, pattern, problem, accepted, location)
    if all(pattern.startswith("!") for pattern in value):
        raise invalid(option, value, "nothing but exclusions", accepted, location)
    return tuple(value)


def _problem(pattern: object) -> str | None:
    if not isinstance(pattern, str) or not pattern.removeprefix("!"):
        return "not a pattern"
    if len(pattern) > MAX_LENGTH or not pattern.isprintable():
        return f"longer than {MAX_LENGTH} characters, or with some that can't be printed"
    if "\\" in pattern:
        return "paths have forward slashes"
    try:
        alternatives = expand_braces(pattern.removeprefix("!"))
    except ValueError as error:
        return str(error)
    for alternative in alternatives:
        if alternative.startswith("/") or re.match("[A-Za-z]:|~", alternative):
            return "the path is absolute"
        if ".." in alternative.split("/"):
            return 'the path contains ".."'
    return None


def expand_braces(pattern: str) -> tuple[str, ...]:
    """What a pattern's braces stand for, in their order: ``a.{py,ts}`` is ``a.py`` and ``a.ts``.

    Raises `ValueError` for braces that aren't closed, and for more than `MAX_ALTERNATIVES`.
    """
    done: list[str] = []
    waiting = [pattern]
    while waiting:
        if len(done) + len(waiting) > MAX_ALTERNATIVES:
            raise ValueError(f"its braces stand for more than {MAX_ALTERNATIVES} patterns")
        text = waiting.pop()
        # The innermost braces first: there, a comma can only separate.
        braces = re.search(r"\{([^{}]*)\}", text)
        if braces is None:
            if "{" in text or "}" in text:
                raise ValueError("a brace has no partner")
            done.append(text)
            continue
        for choice in reversed(braces[1].split(",")):
            waiting.append(text[: braces.start()] + choice + text[braces.end() :])
    return tuple(dict.fromkeys(done))


def find(root: Path, pattern: str) -> Iterator[Found]:
    """What lies below ``root`` under a pattern (one without ``!``), hidden and installed things left out.

    Links to folders are followed where the pattern names them, and never by ``**``.
    """
    for alternative in expand_braces(pattern):
        parts = tuple(part for part in alternative.split("/") if part not in ("", "."))
        asked = not any(part == _ANY_DEPTH or _SPECIAL.search(part) for part in parts)
        for path in _walk(os.fspath(root), parts):
            yield Found(Path(path), asked)


def covers(pattern: str, path: str) -> bool:
    """Whether a pattern (without ``!``) names ``path``, relative to the root, or a folder that it lies in."""
    whole = tuple(path.split("/"))
    return any(
        _covers(tuple(part for part in alternative.split("/") if part not in ("", ".")), whole)
        for alternative in expand_braces(pattern)
    )


def is_skipped(name: str) -> bool:
    """Whether a folder of this name is left out."""
    return name.startswith(".") or name in SKIPPED


def _walk(folder: str, parts: tuple[str, ...]) -> Iterator[str]:
    if not parts:
        yield folder
        return
    first, rest = parts[0], parts[1:]
    if first == _ANY_DEPTH:
        yield from _walk(folder, rest or ("*",))
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, parts)
        return
    if _SPECIAL.search(first) is None:
        path = f"{folder}/{first}"
        if not is_skipped(first) and os.path.lexists(path):
            yield from _walk(path, rest)
        return
    matches = _part(first).fullmatch
    for entry in _entries(folder):
        if matches(entry.name) and (not rest or entry.is_dir()):
            yield from _walk(entry.path, rest)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not is_skipped(entry.name)]
    except OSError:  # not a folder, or none that may be read
        return []
    return sorted(kept, key=lambda entry: entry.name)


@lru_cache(maxsize=256)
def _part(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def _covers(parts: tuple[str, ...], path: tuple[str, ...]) -> bool:
    if not parts:
        return True
    if parts[0] == _ANY_DEPTH:
        return any(_covers(parts[1:], path[start:]) for start in range(len(path) + 1 if parts[1:] else 1))
    return bool(path) and _part(parts[0]).fullmatch(path[0]) is not None and _covers(parts[1:], path[1:])
