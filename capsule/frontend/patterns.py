"""Patterns that name files of a project: ``services/*``, ``agents/**/main.{py,ts}``, ``!agents/old``.

Paths are relative to the folder that the patterns belong to, with forward slashes. ``*`` and ``?`` and
``[abc]`` match within one part of a path, ``**`` any number of folders, braces are alternatives, and a
pattern that starts with ``!`` takes away what others have found.

A pattern is followed through the folders once, whatever it is, with all of its possible positions at a time:
the work grows with the folders and with the pattern's length, and has a bound (`Budget`).
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from capsule.errors import ConfigError, Location
from capsule.policy.problems import invalid

MAX_PATTERNS = 1000
MAX_LENGTH = 1000
MAX_ALTERNATIVES = 1000
"""How many patterns the braces of one may stand for, and those of a whole list."""

SKIPPED = frozenset({"node_modules", "__pycache__", "venv"})
"""Folders in which nobody keeps members; besides them, every folder whose name starts with a dot."""

MAX_STEPS = 5_000_000
"""How often a name may be held against a part of a pattern, for all patterns of a list together."""

_ANY_DEPTH = "**"
_SPECIAL = re.compile(r"[*?\[]")


class TooMuch(ConfigError):
    """Patterns that look at more than `MAX_STEPS`."""

    def __init__(self, location: Location | None = None) -> None:
        super().__init__(
            f"patterns that look at more than {MAX_STEPS:,} names",
            hint="name folders more exactly: services/*/main.py instead of **/main.py",
            location=location,
        )


@dataclass(slots=True)
class Budget:
    """What is left of the steps that a list of patterns may take together."""

    left: int = MAX_STEPS

    def take(self, steps: int) -> None:
        """Raises `TooMuch` when they are used up."""
        self.left -= steps
        if self.left < 0:
            raise TooMuch


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
    if sum(len(expand_braces(pattern.removeprefix("!"))) for pattern in value) > MAX_ALTERNATIVES:
        problem = f"their braces stand for more than {MAX_ALTERNATIVES} patterns"
        raise invalid(option, value, problem, accepted, location)
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


def find(root: Path, pattern: str, budget: Budget | None = None) -> Iterator[Found]:
    """What lies below ``root`` under a pattern (one without ``!``), hidden and installed things left out.

    Links to folders are followed where the pattern names them, and never by ``**``; one that leads out of
    ``root`` is found itself, and not followed. Raises `TooMuch`.
    """
    budget = budget or Budget()
    for alternative in expand_braces(pattern):
        parts = _parts(alternative)
        asked = not any(part == _ANY_DEPTH or _SPECIAL.search(part) for part in parts)
        for path in _walk(os.fspath(root), parts, budget):
            yield Found(Path(path), asked)


def covers(pattern: str, path: str, budget: Budget | None = None) -> bool:
    """Whether a pattern (without ``!``) names ``path``, relative to the root, or a folder that it lies in.

    Raises `TooMuch`.
    """
    budget = budget or Budget()
    names = path.split("/")
    return any(_covers(_parts(alternative), names, budget) for alternative in expand_braces(pattern))


def is_skipped(name: str) -> bool:
    """Whether a folder of this name is left out."""
    return name.startswith(".") or name in SKIPPED


@lru_cache(maxsize=1024)
def _parts(pattern: str) -> tuple[str, ...]:
    """A pattern's parts; ``**`` beside ``**`` means no more than one."""
    parts = [part for part in pattern.split("/") if part not in ("", ".")]
    return tuple(
        part for part, before in zip(parts, ["", *parts], strict=False) if not part == before == _ANY_DEPTH
    )


def _walk(root: str, parts: tuple[str, ...], budget: Budget) -> Iterator[str]:
    if parts and parts[-1] == _ANY_DEPTH:
        parts = (*parts, "*")
    if not parts:
        yield root
        return
    real_root = os.path.realpath(root)
    waiting = [(root, _closed({0}, parts))]
    while waiting:
        folder, positions = waiting.pop()
        inner = []
        for path, name, is_link, is_folder in _candidates(folder, positions, parts):
            budget.take(len(positions))
            reached = set()
            for position in positions:
                if parts[position] == _ANY_DEPTH:
                    if is_folder and not is_link:
                        reached.add(position)
                elif _matches(parts[position], name):
                    reached.add(position + 1)
            goes_on = _closed(reached - {len(parts)}, parts)
            if len(parts) in reached or (goes_on and is_link and _leads_out(path, real_root)):
                yield path
            if goes_on and is_folder and not (is_link and _leads_out(path, real_root)):
                inner.append((path, goes_on))
        waiting.extend(reversed(inner))


def _closed(positions: set[int], parts: tuple[str, ...]) -> tuple[int, ...]:
    """The positions, and those after each ``**``, which may stand for no folder at all."""
    after = {position + 1 for position in positions if parts[position] == _ANY_DEPTH}
    return tuple(sorted(positions | after))


def _candidates(
    folder: str, positions: tuple[int, ...], parts: tuple[str, ...]
) -> Iterator[tuple[str, str, bool, bool]]:
    """Path, name, and whether it is a link, and a folder, of what the positions can mean in a folder."""
    if all(_SPECIAL.search(parts[position]) is None for position in positions):
        # Names need no listing, and a folder may be closed to those who would list it.
        for name in dict.fromkeys(parts[position] for position in positions):
            path = f"{folder}/{name}"
            if not is_skipped(name) and os.path.lexists(path):
                yield path, name, os.path.islink(path), os.path.isdir(path)  # noqa: PTH112, PTH114
        return
    for entry in _entries(folder):
        yield entry.path, entry.name, entry.is_symlink(), entry.is_dir()


def _leads_out(path: str, real_root: str) -> bool:
    real = os.path.realpath(path)
    return real != real_root and not real.startswith(real_root.rstrip("/") + "/")


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            kept = [entry for entry in entries if not is_skipped(entry.name)]
    except OSError:  # not a folder, or none that may be read
        return []
    return sorted(kept, key=lambda entry: entry.name)


def _matches(part: str, name: str) -> bool:
    return part == name if _SPECIAL.search(part) is None else _part(part).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _part(pattern: str) -> re.Pattern[str]:
    return re.compile(fnmatch.translate(pattern))


def _covers(parts: tuple[str, ...], names: list[str], budget: Budget) -> bool:
    if parts and parts[-1] == _ANY_DEPTH:
        parts = parts[:-1]  # whatever lies in what comes before
    if not parts:
        return True
    positions = _closed({0}, parts)
    for name in names:
        budget.take(len(positions))
        reached = set()
        for position in positions:
            if parts[position] == _ANY_DEPTH:
                reached.add(position)
            elif _matches(parts[position], name):
                reached.add(position + 1)
        if len(parts) in reached:
            return True
        positions = _closed(reached, parts)
    return False
