"""What an artifact was built of, written down beside it: to see quickly whether anything has changed.

A record lies in the project's ``.capsule/inputs``, signed with the user's key like an artifact: what
somebody else put there counts for nothing. It names the state of files (size, times, inode) and a digest of
their content. A state that was taken in the same instant as the file was written proves nothing later, so
it is left out, and the content decides, as git does it with its index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule_cache import Key, Store, StoreError, derive_key

from capsule.build.pipeline import Plan
from capsule.frontend.inputs import LARGEST_SOURCE, InputError, read_input
from capsule.frontend.tracking import FileState, Lookups, PlaceState, folder_time, place_state
from capsule.project.opened import STATE_FOLDER
from capsule.project.user_cache import secret

if TYPE_CHECKING:
    from capsule.project.opened import Project

FORMAT = 3
SUFFIX = ".inputs"

CLOCK_STEP = 20_000_000
"""Nanoseconds by which the kernel's time stamps of files may lag behind the clock."""

_PACKAGES = "packages or settings of the frontend"


@dataclass(frozen=True, slots=True)
class NotedFile:
    """A file's content, as a digest, and its state; without a ``state`` only its content tells."""

    digest: str
    state: FileState | None


@dataclass(frozen=True, slots=True)
class Record:
    """What decided an artifact. ``source`` and ``files`` are named relative to the workspace's folder.

    ``lookups`` is None when the frontend could not say where it looked, and proves nothing unless it is
    ``settled``. ``because`` says why it was built, and is empty when nobody knows.
    """

    source: str
    key: Key
    config: str
    frontend: str
    version: str
    toolchain: Mapping[str, str]
    digests: Mapping[str, str]
    files: Mapping[str, NotedFile]
    lookups: Lookups | None
    settled: bool
    because: tuple[str, ...]


def note(planned: Plan, lookups: Lookups | None, started: int, because: tuple[str, ...]) -> Record:
    """The record of a plan that was begun at ``started`` (`time.time_ns`)."""
    limit = started - CLOCK_STEP
    base = planned.project.base
    files = {}
    for name, content in planned.inputs.files.items():
        state = place_state(f"{base}/{name}")
        settled = isinstance(state, tuple) and state[0] == len(content) and _settled(state, limit)
        files[name] = NotedFile(content_digest(content), state if settled else None)  # type: ignore[arg-type]
    return Record(
        source=source_name(planned.project),
        key=planned.key,
        config=planned.project.config.digest,
        frontend=planned.frontend.name,
        version=planned.frontend.version,
        toolchain=dict(planned.inputs.toolchain),
        digests={name: content_digest(text.encode()) for name, text in planned.inputs.digests.items()},
        files=files,
        lookups=lookups,
        settled=lookups is not None and _all_settled(lookups, limit),
        because=because,
    )


def holds(record: Record, base: Path) -> bool:
    """Whether the files are what they were, and looking for others would end as it did."""
    if record.lookups is None or not record.settled:
        return False
    if any(place_state(path) != state for path, state in record.lookups.places.items()):
        return False
    if any(folder_time(path) != modified for path, modified in record.lookups.folders.items()):
        return False
    return all(file_unchanged(f"{base}/{name}", noted) for name, noted in record.files.items())


def differences(old: Record | None, new: Record) -> tuple[str, ...]:
    """What changed between two records, in words; nothing when they decide the same."""
    if old is None:
        return ("never built here",)
    changes: list[str] = []
    changes += (f"added {name}" for name in new.files if name not in old.files)
    changes += (f"removed {name}" for name in old.files if name not in new.files)
    changes += (
        f"changed {name}"
        for name, noted in new.files.items()
        if name in old.files and old.files[name].digest != noted.digest
    )
    if old.config != new.config:
        changes.append("changed capsule.toml")
    if (old.frontend, old.version) != (new.frontend, new.version):
        changes.append(f"{old.frontend} {old.version} became {new.frontend} {new.version}")
    for name in sorted({*old.toolchain, *new.toolchain}):
        before, after = old.toolchain.get(name), new.toolchain.get(name)
        if before != after:
            changes.append(f"the tool {name}: {_short(before)} became {_short(after)}")
    # A bundle is different whenever a file is: only where no file tells does it say something.
    if not changes and old.digests != new.digests:
        names = sorted(
            name for name in {*old.digests, *new.digests} if old.digests.get(name) != new.digests.get(name)
        )
        changes.append(f"changed {_PACKAGES} ({', '.join(names)})")
    return tuple(changes)


class Records:
    """The records in a project's ``.capsule``."""

    def __init__(self, base: Path) -> None:
        # One that is lost costs a look at everything; no build waits for its place on the disk.
        self._store = Store(base / STATE_FOLDER / "inputs", secret(), within=base, durable=False)

    def load(self, project: Project, snapshot: bool) -> Record | None:
        """The record of a source; None when there is none that can be used."""
        entry = self._store.get(_identity(project, snapshot), name=project.source.stem, suffix=SUFFIX)
        return None if entry is None else decode(entry.read())

    def all(self, most: int) -> Iterator[Record]:
        """The records of all sources, at most so many, in no order; what can't be used is left out."""
        for item in islice((item for item in self._store.entries() if item.sealed), most):
            name, suffix = item.file.rpartition("_")[0], Path(item.file).suffix
            entry = self._store.get(item.key, name=name, suffix=suffix) if suffix == SUFFIX else None
            record = None if entry is None else decode(entry.read())
            if record is not None:
                yield record

    def changed(self) -> int:
        """When a record was last written, in nanoseconds; -1 when there is none."""
        return folder_time(str(self._store.folder))

    def save(self, project: Project, snapshot: bool, record: Record) -> None:
        """Keeps a record. Where that isn't possible nothing is lost but time."""
        try:
            self._store.put(
                _identity(project, snapshot), encode(record), name=project.source.stem, suffix=SUFFIX
            )
        except StoreError:
            return


def content_digest(content: bytes) -> str:
    """A digest that tells one content from another, in hex, also from one that was made to collide."""
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def encode(record: Record) -> bytes:
    """The record as JSON."""
    lookups = record.lookups
    value = {
        "format": FORMAT,
        "source": record.source,
        "key": [record.key, record.key.digest],
        "config": record.config,
        "frontend": record.frontend,
        "version": record.version,
        "toolchain": dict(record.toolchain),
        "digests": dict(record.digests),
        "files": {name: [noted.digest, noted.state] for name, noted in record.files.items()},
        "places": None if lookups is None else dict(lookups.places),
        "settled": record.settled,
        "folders": None if lookups is None else dict(lookups.folders),
        "because": list(record.because),
    }
    return json.dumps(value, separators=(",", ":")).encode()


def decode(data: bytes) -> Record | None:
    """The record in bytes that were signed by this user; None when an earlier or later version wrote them."""
    try:
        value = json.loads(data)
        if value["format"] != FORMAT:
            return None
        return Record(
            source=value["source"],
            key=Key(*value["key"]),
            config=value["config"],
            frontend=value["frontend"],
            version=value["version"],
            toolchain=value["toolchain"],
            digests=value["digests"],
            files={
                name: NotedFile(digest, None if state is None else _file_state(state))
                for name, (digest, state) in value["files"].items()
            },
            lookups=_lookups(value),
            settled=value["settled"] is True,
            because=tuple(value["because"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _lookups(value: dict[str, Any]) -> Lookups | None:
    if value["places"] is None:
        return None
    places: dict[str, PlaceState] = {
        path: state if isinstance(state, str) else _file_state(state)  # type: ignore[misc]
        for path, state in value["places"].items()
    }
    return Lookups(places, value["folders"])


def _file_state(state: list[int]) -> FileState:
    size, modified, changed, inode = state
    return size, modified, changed, inode


def source_name(project: Project) -> str:
    """What a record calls a project's source: its path below the workspace, or else the whole of it."""
    return project.source.relative_to(project.base).as_posix() if _within(project) else str(project.source)


def _identity(project: Project, snapshot: bool) -> Key:
    return derive_key(
        format_version=FORMAT, options={"record of": source_name(project), "snapshot": snapshot}
    )


def _within(project: Project) -> bool:
    return project.source.is_relative_to(project.base)


def file_unchanged(path: str, noted: NotedFile) -> bool:
    """Whether a file is as it was noted, by its state, or else by its content."""
    if noted.state is not None and place_state(path) == noted.state:
        return True
    try:
        return content_digest(read_input(path, most=LARGEST_SOURCE)) == noted.digest
    except InputError:
        return False


def _settled(state: PlaceState, limit: int) -> bool:
    return not isinstance(state, tuple) or max(state[1], state[2]) < limit


def _all_settled(lookups: Lookups, limit: int) -> bool:
    return all(_settled(state, limit) for state in lookups.places.values()) and all(
        modified < limit for modified in lookups.folders.values()
    )


def _short(version: str | None) -> str:
    return "nothing" if version is None else version[:20]
