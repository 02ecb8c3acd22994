"""A program's packages: resolved with uv or pip, once for each set of requirements, into the user's cache.

The tools run as child processes, take only wheels, and use the user's own settings for indexes. They
resolve for CPython on Linux, because that is what wheels are made for; what of it the engine can't run
(`native`) is left out, and reported when the program imports it. Nothing of a package ever runs here.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from capsule.errors import BuildError
from capsule.frontend.spec import Host, Json
from capsule_python.dependencies import Dependencies, normalized

_FORMAT = "3"
"""Changes when the same requirements would give another folder, or another judgement about it."""

MAX_BYTES = 256 << 20
"""Bytes that all files of a program's packages may have."""

_MAX_FILES = 50_000
_RECORD = "record.json"
_NOT_NEEDED = frozenset({"greenlet"})
"""Native distributions that others require, but do without where they aren't used."""

_REPLACEMENTS = {
    "pydantic-core": '"pydantic<2" is pure Python',
    "rpds-py": '"jsonschema<4.18" is pure Python',
}
_LEFT_OUT = re.compile(r"\.(pyc|pyo|pyi|pyx|pxd|pxi|c|cc|cpp|h|hpp|pth)$")
_METADATA = frozenset({"METADATA", "entry_points.txt", "top_level.txt", "RECORD"})


@dataclass(frozen=True, slots=True)
class PackageModule:
    """A module of a package; ``file`` is relative to the site folder."""

    name: str
    file: str
    package: bool


@dataclass(frozen=True, slots=True)
class Distribution:
    """An installed distribution.

    ``native`` is the native file without which it can't work; ``requires`` names the distributions of
    the folder that it needs; ``digest`` is over the content of its modules and data files.
    """

    name: str
    version: str
    digest: str
    native: str | None
    tops: tuple[str, ...]
    requires: tuple[str, ...]
    modules: tuple[PackageModule, ...]
    data: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Packages:
    """The distributions that become part of a program. ``digest`` is over all that they bring."""

    site: Path
    distributions: tuple[Distribution, ...]

    @property
    def digest(self) -> str:
        """A digest over names, versions and content."""
        hasher = hashlib.sha256(_FORMAT.encode())
        for distribution in self.distributions:
            hasher.update(f"{distribution.name}\0{distribution.version}\0{distribution.digest}\0".encode())
        return hasher.hexdigest()


def resolve(dependencies: Dependencies, external: frozenset[str], host: Host) -> Packages | None:
    """The packages of a program that imports the top-level names ``external`` from outside itself.

    None when it imports nothing of that kind, or names no packages. Installs them when they aren't in
    the user's cache yet; a program's own list also when nothing of it is imported: what can't be had is an
    error. Raises `BuildError` when that fails, or for a package that needs native code.
    """
    if not dependencies.requirements or (not external and dependencies.of_project):
        return None
    folder = host.cache_folder("packages") / _key(dependencies.requirements)
    installed = _read_record(folder)
    if installed is None:
        with _locked(folder, host):
            installed = _read_record(folder) or _install(dependencies, folder, host)
    if not external:
        return None
    by_name = {distribution.name: distribution for distribution in installed}
    needed = _reachable(by_name, external)
    for name, wanted_by in needed.items():
        if by_name[name].native is not None and name not in _NOT_NEEDED:
            raise _native_error(by_name[name], wanted_by, dependencies)
    # A project's list is for all of the project; a program's own list is meant for it as a whole.
    chosen = needed.keys() if dependencies.of_project else by_name.keys()
    kept = (by_name[name] for name in sorted(chosen) if by_name[name].native is None)
    return Packages(folder / "site", tuple(kept))


def _key(requirements: Iterable[str]) -> str:
    hasher = hashlib.sha256(_FORMAT.encode())
    for requirement in requirements:
        hasher.update(f"{len(requirement)}\0{requirement}".encode())
    return hasher.hexdigest()


def _reachable(by_name: Mapping[str, Distribution], external: frozenset[str]) -> dict[str, str | None]:
    """The distributions that the imports reach, each with the one that requires it."""
    reached: dict[str, str | None] = {
        name: None for name, distribution in by_name.items() if external.intersection(distribution.tops)
    }
    waiting = list(reached)
    while waiting:
        name = waiting.pop()
        for required in by_name[name].requires:
            if required in by_name and required not in reached and required not in _NOT_NEEDED:
                reached[required] = name
                waiting.append(required)
    return reached


def _native_error(needed: Distribution, wanted_by: str | None, dependencies: Dependencies) -> BuildError:
    because = f", and {wanted_by} needs it" if wanted_by else ""
    replacement = _REPLACEMENTS.get(needed.name) or _alternative(needed)
    return BuildError(
        f"{needed.name} {needed.version} has native code ({needed.native}), "
        f"which can't run in a sandbox{because}",
        hint=(f"{replacement}; or " if replacement else "")
        + f"use {wanted_by or needed.name} outside the sandbox, and pass its results in as arguments",
        location=dependencies.origin,
    )


def _alternative(needed: Distribution) -> str | None:
    """What to use in place of a distribution, besides running it outside, which is said anyway."""
    from capsule_python.alternatives import NATIVE

    found = next((NATIVE[top] for top in needed.tops if top in NATIVE), None)
    return found.partition(", or run it outside")[0] if found and not found.startswith("run it") else None


@contextlib.contextmanager
def _locked(folder: Path, host: Host) -> Iterator[None]:
    """One process at a time installs a folder; the kernel drops the lock of one that dies."""
    descriptor = os.open(f"{folder}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            host.progress("waiting for another process that installs the same packages")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _install(dependencies: Dependencies, folder: Path, host: Host) -> tuple[Distribution, ...]:
    from capsule_python.installer import install

    unfinished = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)
    site = unfinished / "site"
    site.mkdir(parents=True)
    try:
        install(dependencies, site, host)
        distributions = _judge(dependencies, site)
        _drop_unused(site, distributions)
        record = {"distributions": [asdict(distribution) for distribution in distributions]}
        (unfinished / "record.json").write_text(json.dumps(record))
        unfinished.rename(folder)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    return distributions


def record_file(dependencies: Dependencies, host: Host) -> Path:
    """Where an installation of these dependencies is written down: it changes when their packages do."""
    return host.cache_folder("packages") / _key(dependencies.requirements) / _RECORD


def _read_record(folder: Path) -> tuple[Distribution, ...] | None:
    """What an earlier installation wrote down, None when there is none that can be used."""
    try:
        record: Json = json.loads((folder / _RECORD).read_bytes())
        return tuple(_distribution(described) for described in record["distributions"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _distribution(described: dict[str, Json]) -> Distribution:
    return Distribution(
        name=described["name"],
        version=described["version"],
        digest=described["digest"],
        native=described["native"],
        tops=tuple(described["tops"]),
        requires=tuple(described["requires"]),
        modules=tuple(PackageModule(**module) for module in described["modules"]),
        data=tuple(described["data"]),
    )


def _judge(dependencies: Dependencies, site: Path) -> tuple[Distribution, ...]:
    """Describes everything that was installed."""
    from importlib.metadata import PathDistribution

    found: dict[str, tuple[Path, PathDistribution]] = {}
    for folder in sorted(site.glob("*.dist-info")):
        installed = PathDistribution(folder)
        name = installed.metadata["Name"]
        if name:
            found[normalized(name)] = (folder, installed)
    requires = _requires(
        dependencies.requirements, {name: installed.requires or [] for name, (_, installed) in found.items()}
    )
    left = MAX_BYTES
    distributions = []
    for name, (folder, installed) in found.items():
        files = {}
        for path, content in _files(site, folder, left):
            files[path] = content
            left -= len(content)
        if left < 0:
            raise BuildError(
                f"the packages have more than {MAX_BYTES >> 20} MB",
                hint="name only what the program imports",
                location=dependencies.origin,
            )
        distributions.append(_describe(name, installed.version, files, requires[name]))
    return tuple(distributions)


def _describe(name: str, version: str, files: Mapping[str, bytes], requires: tuple[str, ...]) -> Distribution:
    from capsule_python import native

    natives = [path for path in files if native.is_native(path)]
    sources = {path: content for path, content in files.items() if path.endswith(".py")}
    modules = []
    data = []
    for path in files:
        if path in natives:
            continue
        found = native.module_name(path) if path in sources else None
        if found is not None:
            modules.append(PackageModule(found[0], path, found[1]))
        # What no statement can import may be imported by its name, or be a template that is read.
        if found is None or not all(part.isidentifier() for part in found[0].split(".")):
            data.append(path)
    extensions = [found[0] for path in natives if (found := native.module_name(path))]
    tops = {module.partition(".")[0] for module in [*extensions, *(module.name for module in modules)]}
    hasher = hashlib.sha256(_FORMAT.encode())
    for path in sorted({*data, *(module.file for module in modules)}):
        hasher.update(f"{path}\0{len(files[path])}\0".encode() + files[path])
    return Distribution(
        name=name,
        version=version,
        digest=hasher.hexdigest(),
        native=native.needed_native_file(name, sources, natives),
        tops=tuple(sorted(tops)),
        requires=requires,
        modules=tuple(sorted(modules, key=lambda module: module.name)),
        data=tuple(sorted(data)),
    )


def _files(site: Path, dist_info: Path, most: int) -> Iterator[tuple[str, bytes]]:
    """The files of a distribution that can matter in a sandbox, by its RECORD.

    Reads, and gives, no more than one byte over ``most``.
    """
    from capsule_python.native import is_native

    try:
        with (dist_info / "RECORD").open(newline="", encoding="utf-8") as record:
            paths = [row[0] for row in csv.reader(record) if row][: _MAX_FILES + 1]
    except (OSError, ValueError, csv.Error):
        paths = []
    for path in sorted(set(paths[:_MAX_FILES])):
        parts = path.split("/")
        if path.startswith("/") or ".." in parts or "__pycache__" in parts or parts[0] == "bin":
            continue
        if parts[0] == dist_info.name and parts[-1] not in _METADATA:
            continue
        file = site / path
        if _LEFT_OUT.search(path) or file.is_symlink() or not file.is_file():
            continue
        if is_native(path):
            yield path, b""
        elif parts[-1] == "RECORD":
            # Only `importlib.metadata` reads it, and what it lists of hashes and left-out files is no use.
            continue
        else:
            with file.open("rb") as opened:
                content = opened.read(most + 1)
            yield path, content
            most -= len(content)
            if most < 0:
                return


def _requires(requirements: Iterable[str], declared: Mapping[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """What each installed distribution needs of the others, with the extras that are asked of it."""
    from packaging.requirements import InvalidRequirement, Requirement

    from capsule_python.requirements import TARGET_ENVIRONMENT

    extras: dict[str, set[str]] = {name: {""} for name in declared}
    for text in requirements:
        requirement = Requirement(text)
        extras.get(normalized(requirement.name), set()).update(requirement.extras)
    edges: dict[str, set[str]] = {name: set() for name in declared}
    growing = True
    while growing:
        growing = False
        for name, lines in declared.items():
            for line in lines:
                try:
                    requirement = Requirement(line)
                except InvalidRequirement:
                    continue
                other = normalized(requirement.name)
                marker = requirement.marker
                if other not in declared or not (
                    marker is None
                    or any(marker.evaluate({**TARGET_ENVIRONMENT, "extra": extra}) for extra in extras[name])
                ):
                    continue
                if other not in edges[name] or not requirement.extras <= extras[other]:
                    edges[name].add(other)
                    extras[other] |= requirement.extras
                    growing = True
    return {name: tuple(sorted(others)) for name, others in edges.items()}


def _drop_unused(site: Path, distributions: Iterable[Distribution]) -> None:
    """Removes what no program will read: native files above all, which are the bulk."""
    kept = {
        site / path
        for distribution in distributions
        for path in [*distribution.data, *(module.file for module in distribution.modules)]
    }
    for folder, _, names in os.walk(site):
        for name in names:
            path = Path(folder, name)
            if path not in kept:
                path.unlink()
