"""What the bundler reads besides a program's files: settings and packages, in every folder above them.

The bundler looks for them itself. So they are looked at before: they are the user's own, or root's, and
regular files of bounded size. What somebody exchanges in between costs the bundler its memory or its time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from capsule.errors import BuildError, Location
from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, InputMissing, read_input
from capsule.frontend.owner import check_owner
from capsule_js.reach import Reach

CONFIGS = ("package.json", "tsconfig.json", "jsconfig.json")

_MOST_CONFIGS = 4096

_SOURCE_MAP = re.compile(rb"[#@]\s*sourceMappingURL=([^\s'\"`*]+)")


class Surroundings:
    """The settings and packages around the files of one program."""

    def __init__(self, root: Path, reach: Reach) -> None:
        self._root = root
        self._reach = reach
        self._checked: set[str] = set()

    def check(self, folder: Path) -> None:
        """Looks at a folder and at all above it, each once.

        Raises `ConfigError` for what belongs to somebody else, and `BuildError` for what can't be read.
        """
        for place in (folder, *folder.parents):
            if str(place) in self._checked:
                return
            self._checked.add(str(place))
            for name in (*CONFIGS, "node_modules"):
                check_owner(f"{place}/{name}")
            for name in CONFIGS:
                self._check_config(place / name)
            for path in extended(f"{place}/{name}" for name in CONFIGS if name != "package.json"):
                self._check_config(Path(path))

    def check_import(self, specifier: str, importer: Path) -> None:
        """Looks at the folders that an import may mean. ``importer`` is the folder of who imports."""
        if specifier.startswith((".", "/")):
            self._check_place(os.path.normpath(importer / specifier))
            return
        package = self.installed(specifier, importer)
        if package is not None:
            self._check_place(str(package))
            rest = "/".join(specifier.split("/")[1 + specifier.startswith("@") :])
            self._check_place(os.path.normpath(package / rest))

    @staticmethod
    def installed(specifier: str, importer: Path) -> Path | None:
        """The folder of the package that an import means; None for a path, and for one that isn't there."""
        if specifier.startswith((".", "/")):
            return None
        name = "/".join(specifier.split("/")[: 1 + specifier.startswith("@")])
        for folder in (importer, *importer.parents):
            package = f"{folder}/node_modules/{name}"
            if os.path.isdir(package):  # noqa: PTH112
                return Path(package)
        return None

    def _check_place(self, path: str) -> None:
        self.check(Path(path) if os.path.isdir(path) else Path(path).parent)  # noqa: PTH112

    def _check_config(self, file: Path) -> None:
        try:
            if file.is_relative_to(self._root):
                # What lies in the project leads nowhere else, not even to the settings of others.
                self._reach.read(str(file))
            read_input(file, most=LARGEST_SETTINGS)
        except InputMissing:
            return
        except InputError as error:
            name = os.path.relpath(file, self._root)
            raise BuildError(error.reason, hint=error.hint, location=Location(name)) from None


def check_source_maps(path: str, name: str, content: bytes, reach: Reach) -> None:
    """Looks at the source maps that a file names, which the bundler reads. Raises `BuildError`."""
    for match in _SOURCE_MAP.finditer(content):
        named = match[1].decode("utf-8", "surrogateescape")
        if named.startswith("data:"):
            continue
        for text in {named, unquote(named)}:
            file = os.path.join(os.path.dirname(path), text.removeprefix("file://"))  # noqa: PTH118, PTH120
            if "\0" in file or not os.path.lexists(file):
                continue  # text that only looks like it, or a map that was left out
            try:
                reach.read(file)
            except InputMissing:
                continue
            except InputError as error:
                line = content.count(b"\n", 0, match.start()) + 1
                raise BuildError(
                    f"its source map {text[:200]}: {error.reason}",
                    hint="remove the comment, or put the map beside the file",
                    location=Location(name, line),
                ) from None


_EXTENDS = re.compile(r'"extends"\s*:\s*(\[[^\]]*\]|"[^"\\]*")')
_QUOTED = re.compile(r'"([^"\\]*)"')


def extended(configs: Iterable[str]) -> Iterator[str]:
    """The files that TypeScript configurations extend, and those that these extend."""
    waiting = list(configs)
    seen = set(waiting)
    while waiting and len(seen) < _MOST_CONFIGS:
        config = Path(waiting.pop())
        try:
            text = read_input(config, most=LARGEST_SETTINGS).decode("utf-8", "replace")
        except InputError:
            continue
        for match in _EXTENDS.finditer(text):
            for quoted in _QUOTED.finditer(match[1]):
                for path in candidates(config, quoted[1]):
                    if path not in seen:
                        seen.add(path)
                        waiting.append(path)
                        yield path


def candidates(config: Path, extended: str) -> Iterator[str]:
    """The paths that the ``extends`` of a configuration may mean, in the order in which they are tried."""
    if "\0" in extended:
        return
    starts = [config.parent]
    if not extended.startswith((".", "/")):
        starts = [folder / "node_modules" for folder in config.parents]
    for start in starts:
        path = os.path.normpath(os.path.join(start, extended))  # noqa: PTH118
        yield path
        if not path.endswith(".json"):
            yield f"{path}.json"
            yield f"{path}/tsconfig.json"
