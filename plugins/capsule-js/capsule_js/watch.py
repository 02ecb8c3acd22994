"""What a bundle was made of, written down so that the next run can tell quickly that nothing has changed.

A bundle depends on more than the files in it: on ``package.json`` and ``tsconfig.json`` files, and on files
that are *not* there, since a new ``util.ts`` would win over ``util/index.ts``. So three things are noted:
the facts of files (size, times, inode), the listings of folders in which imports are looked up, and places
at which nothing is. All lies in the user's own cache; nothing in a project can forge it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from capsule.frontend.inputs import LARGEST_SOURCE, InputError, read_input
from capsule.frontend.kept import read_kept, write_kept
from capsule.frontend.tracking import Lookups, PlaceState
from capsule_js.aliases import alias_places
from capsule_js.bundle import Bundle
from capsule_js.surroundings import CONFIGS, extended

_INSTALL_STATES = (".package-lock.json", ".modules.yaml", ".yarn-integrity", ".yarn-state.yml")
"""What npm, pnpm and yarn rewrite whenever they change a ``node_modules`` folder."""

_RESOLVABLE = (".ts", ".tsx", ".mts", ".cts", ".js", ".jsx", ".mjs", ".cjs", ".json", ".css", ".txt")

_CLOCK_STEP = 20_000_000
"""Nanoseconds by which the kernel's time stamps of files may lag behind the clock."""

Facts = tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class Watch:
    """The state of everything outside the project's own files that decided a bundle.

    ``files`` maps absolute paths to facts, None for a place at which nothing was; ``folders`` maps absolute
    paths to a folder's modification time and the digest of what counts in it.
    """

    files: dict[str, Facts]
    folders: dict[str, tuple[int, str]]

    def holds(self) -> bool:
        """Whether all of it is as it was."""
        if any(_facts(path) != facts for path, facts in self.files.items()):
            return False
        for path, (noted, listing) in list(self.folders.items()):
            modified = _modified(path)
            if modified == noted:
                continue
            if _listing(path) != listing:
                return False
            # Not to list it again for the same change; only this process remembers that.
            if time.time_ns() - modified > _CLOCK_STEP:
                self.folders[path] = (modified, listing)
        return True

    def lookups(self) -> Lookups:
        """The same, in the host's words."""
        places: dict[str, PlaceState] = {}
        for path, facts in self.files.items():
            if facts is None:
                places[path] = "absent"
            elif Path(path).is_dir():
                places[path] = "folder"
            else:
                size, modified, changed, inode = facts
                places[path] = (size, modified, changed, inode)
        return Lookups(places, {path: modified for path, (modified, _) in self.folders.items()})


@dataclass(frozen=True, slots=True)
class Record:
    """A bundle that was made: the digests of the project's files and of the bundle, and what to watch.

    ``notes`` are the bundle's. Without a ``watch``, nobody can tell later whether it still holds.
    """

    bundle: str
    own: dict[str, str]
    kept: tuple[str, ...]
    packages_with_tasks: tuple[str, ...]
    notes: tuple[str, ...]
    watch: Watch | None

    def unchanged(self, root: Path) -> dict[str, bytes] | None:
        """The project's files as they are, if they and all else are what was bundled."""
        if self.watch is None or not self.watch.holds():
            return None
        files = {}
        for name, digest in self.own.items():
            try:
                content = read_input(Path(root, name), most=LARGEST_SOURCE)
            except InputError:
                return None
            if content_digest(content) != digest:
                return None
            files[name] = content
        return files


def content_digest(*contents: bytes) -> str:
    """SHA-256 over contents and their lengths, in hex."""
    digest = sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def watch(bundle: Bundle, root: Path, started: int) -> Watch | None:
    """Notes what decided a bundle that was begun at ``started`` (`time.time_ns`).

    None when something changed while it was made: then nobody knows what esbuild has seen.
    """
    files: dict[str, Facts] = {}
    folders: dict[str, tuple[int, str]] = {}
    for name in bundle.packages:
        files[_absolute(root, name)] = None
    for path in _package_configs(bundle.packages, root):
        files[path] = None
    scopes = {name.partition("/")[0] for name in bundle.imports if name.startswith("@")}
    for folder in _folders(bundle.own, root):
        if folder not in root.parents:
            folders[str(folder)] = (0, "")
        for name in CONFIGS:
            files[str(folder / name)] = None
        modules = folder / "node_modules"
        if modules.is_dir():
            files.update((str(modules / name), None) for name in _INSTALL_STATES)
        folders.update((str(place), (0, "")) for place in (modules, *(modules / scope for scope in scopes)))
    for place in alias_places(_own_folders(bundle.own, root), bundle.imports):
        files[place] = None
        folders[os.path.dirname(place)] = (0, "")  # noqa: PTH120
    for path in extended(path for path in list(files) if path.endswith(("tsconfig.json", "jsconfig.json"))):
        files[path] = None
    for name in bundle.absent:
        missing = Path(_absolute(root, name))
        folders.update((str(folder), (0, "")) for folder in (missing, missing.parent))
    limit = started - _CLOCK_STEP
    for path in files:
        facts = files[path] = _facts(path)
        if facts is not None and max(facts[1], facts[2]) >= limit:
            return None
    for path in folders:
        modified = _modified(path)
        if modified >= limit:
            return None
        folders[path] = (modified, _listing(path))
    return Watch(files, folders)


def load(file: Path) -> Record | None:
    """The record in a file; None when there is none that can be used."""
    value: Any = read_kept(file)
    try:
        state = value["watch"]
        return Record(
            bundle=value["bundle"],
            own=value["own"],
            kept=tuple(value["kept"]),
            packages_with_tasks=tuple(value["packages_with_tasks"]),
            notes=tuple(value["notes"]),
            watch=Watch(
                {path: None if facts is None else tuple(facts) for path, facts in state["files"].items()},
                {path: (facts[0], facts[1]) for path, facts in state["folders"].items()},
            ),
        )
    except (KeyError, TypeError, AttributeError, IndexError):
        return None


def save(file: Path, record: Record) -> None:
    """Writes a record in one step. A cache that can't be written is no error: it only costs time."""
    with suppress(OSError):
        write_kept(file, asdict(record))


def _facts(path: str) -> Facts:
    try:
        state = os.stat(path)  # noqa: PTH116 - called for every file on every run
    except OSError:
        return None
    return (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)


def _modified(folder: str) -> int:
    try:
        return os.stat(folder).st_mtime_ns  # noqa: PTH116
    except OSError:
        return -1


def _listing(folder: str) -> str:
    """A digest of the names in a folder that an import could mean."""
    names = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(".") and entry.name != ".":
                continue
            if entry.is_symlink():
                names.append(f"{entry.name}\0{Path(entry.path).readlink()}")
            elif entry.is_dir() or entry.name.endswith(_RESOLVABLE):
                names.append(entry.name)
    return sha256("\n".join(sorted(names)).encode("utf-8", "surrogatepass")).hexdigest()


def _absolute(root: Path, name: str) -> str:
    return os.path.normpath(os.path.join(root, name))  # noqa: PTH118


def _folders(own: Iterable[str], root: Path) -> list[Path]:
    """The folders of the project's files, and all above them."""
    folders: dict[Path, None] = {}
    for name in own:
        for folder in Path(_absolute(root, name)).parents:
            if folder in folders:
                break
            folders[folder] = None
    return list(folders)


def _own_folders(own: Iterable[str], root: Path) -> set[Path]:
    return {Path(_absolute(root, name)).parent for name in own}


def _package_configs(packages: Iterable[str], root: Path) -> Iterator[str]:
    """The ``package.json`` of each package's folder, and those further in that are there."""
    seen = set()
    for name in packages:
        folder = name.rpartition("/")[0]
        while folder not in seen and folder.rpartition("/")[2] != "node_modules" and "node_modules" in folder:
            seen.add(folder)
            path = _absolute(root, f"{folder}/package.json")
            if Path(path).is_file():
                yield path
            folder = folder.rpartition("/")[0]
