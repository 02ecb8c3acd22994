"""Where ``baseUrl`` and ``paths`` of a TypeScript configuration make the bundler look for an import.

With these, ``import "config"`` may mean a file of the project, which wins over the package of that name. So
such places are watched like all others in which an import is looked up, and no task may fill one.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, is_input, read_input
from capsule_js.engine import builtins
from capsule_js.surroundings import candidates

_NAMES = ("tsconfig.json", "jsconfig.json")
_DEEPEST = 16
"""Configurations that extend each other in one chain."""

_STRING = r'"(?:[^"\\]|\\.)*(?:"|\Z)'
_COMMENT = re.compile(rf"({_STRING})|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_LAST_COMMA = re.compile(rf"({_STRING})|,(?=\s*[}}\]])", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Aliases:
    """What a configuration and those that it extends come to; targets of ``paths`` begin at ``start``."""

    base: str | None = None
    paths: Mapping[str, Any] = field(default_factory=dict)
    start: str = ""

    def places(self, specifier: str) -> Iterator[str]:
        for pattern, targets in self.paths.items():
            before, star, after = pattern.partition("*")
            if star:
                fits = len(specifier) >= len(before) + len(after)
                fits = fits and specifier.startswith(before) and specifier.endswith(after)
            else:
                fits = specifier == pattern
            if fits and isinstance(targets, list):
                matched = specifier[len(before) : len(specifier) - len(after)] if star else ""
                yield from (
                    _joined(self.start, target.replace("*", matched, 1))
                    for target in targets
                    if isinstance(target, str)
                )
        if self.base is not None:
            yield _joined(self.base, specifier)


def alias_places(folders: Iterable[Path], imports: Iterable[str]) -> Iterator[str]:
    """The paths, without an extension, at which ``imports`` of files in ``folders`` may be found by an alias.

    ``imports`` are names, no paths; those that are built in are never looked for.
    """
    own = builtins()
    names = [
        name for name in imports if name not in own and not name.startswith("node:") and "\0" not in name
    ]
    configs = dict.fromkeys(config for folder in folders if (config := _nearest(folder)) is not None)
    for config in configs:
        aliases = _read(config, _DEEPEST)
        for name in names:
            yield from aliases.places(name)


def _nearest(folder: Path) -> Path | None:
    """The configuration that holds for files in a folder."""
    files = (each / name for each in (folder, *folder.parents) for name in _NAMES)
    return next((file for file in files if is_input(file)), None)


def _read(config: Path, depth: int) -> _Aliases:
    value = _parsed(config)
    found = _Aliases()
    extends = value.get("extends")
    for name in extends if isinstance(extends, list) else [extends]:
        if isinstance(name, str) and depth > 0:
            file = next((path for path in candidates(config, name) if is_input(path)), None)
            outer = _Aliases() if file is None else _read(Path(file), depth - 1)
            found = _Aliases(
                found.base if outer.base is None else outer.base,
                outer.paths or found.paths,
                outer.start if outer.paths else found.start,
            )
    options = value.get("compilerOptions")
    options = options if isinstance(options, dict) else {}
    base, paths = options.get("baseUrl"), options.get("paths")
    if isinstance(base, str) and "\0" not in base:
        found = replace(found, base=_joined(str(config.parent), base))
    if isinstance(paths, dict):
        found = replace(found, paths=paths, start=found.base or str(config.parent))
    return found


def _parsed(config: Path) -> dict[str, Any]:
    """A configuration: JSON with comments, and with commas behind the last. Empty when it can't be read."""
    try:
        text = read_input(config, most=LARGEST_SETTINGS).decode("utf-8-sig", "replace")
        for noise in (_COMMENT, _LAST_COMMA):
            text = noise.sub(lambda match: match[1] or "", text)
        value = json.loads(text)
    except (InputError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _joined(folder: str, name: str) -> str:
    return os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
