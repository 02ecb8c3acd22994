"""Artifacts and engines to and from the shared cache on purpose: ``capsule cache push`` and ``pull``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeAlias

from capsule_cache import Entry, Key, Store
from capsule_cache.remote import Remote

from capsule.artifact.sections import COMPONENT_HEADER
from capsule.build.engines import engine_key, engine_shared_name
from capsule.build.pipeline import Plan, is_built_from, shared_name
from capsule.frontend.spec import Engine
from capsule.project.user_cache import user_store

AT_ONCE = 8
"""So many transfers at once."""

State: TypeAlias = Literal["pushed", "not built", "pulled", "there", "absent", "failed"]


@dataclass(frozen=True, slots=True)
class Transferred:
    """What came of one entry; ``bytes`` is its size here, uncompressed, 0 when it isn't here."""

    name: str
    state: State
    bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """An entry that may lie here, there, both or nowhere."""

    name: str
    store: Store
    key: Key
    file: str
    inputs: str
    accept: Callable[[bytes], bool]

    def here(self) -> Entry | None:
        """The entry in the store, if there is one."""
        return self.store.get(self.key, name=self.file)


def items(plans: Iterable[Plan], *, engines: bool) -> Iterator[Item]:
    """What the plans come down to: their artifacts, and with ``engines`` what runs these, each once."""
    seen: set[str] = set()
    for planned in plans:
        if planned.key.digest not in seen:
            seen.add(planned.key.digest)
            yield _artifact(planned)
        if engines and planned.engine is not None and engine_key(planned.engine).digest not in seen:
            seen.add(engine_key(planned.engine).digest)
            yield _engine(planned.engine)


def push(remote: Remote, wanted: Iterable[Item]) -> list[Transferred]:
    """Uploads what is built here and not there yet."""

    def one(item: Item) -> Transferred:
        entry = item.here()
        if entry is None:
            return Transferred(item.name, "not built", 0)
        return Transferred(item.name, remote.push(item.inputs, entry.read()), entry.size)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, wanted))


def pull(remote: Remote, wanted: Iterable[Item]) -> list[Transferred]:
    """Fetches what is there and not here. Raises `StoreError` when it can't be kept."""

    def one(item: Item) -> Transferred:
        if (entry := item.here()) is not None:
            return Transferred(item.name, "there", entry.size)

        def fetch() -> bytes:
            data = remote.fetch(item.inputs, item.accept)
            if data is None:
                raise _Absent
            return data

        try:
            entry, fetched = item.store.get_or_build(item.key, fetch, name=item.file)
        except _Absent:
            return Transferred(item.name, "absent", 0)
        return Transferred(item.name, "pulled" if fetched else "there", entry.size)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, wanted))


class _Absent(Exception):
    """The remote doesn't have it."""


def _artifact(planned: Plan) -> Item:
    return Item(
        name=planned.source.name + (" (snapshot)" if planned.snapshot else ""),
        store=planned.project.artifacts(),
        key=planned.key,
        file=planned.project.source.stem,
        inputs=shared_name(planned),
        accept=lambda data: is_built_from(planned, data),
    )


def _engine(engine: Engine) -> Item:
    return Item(
        name=f"the {engine.name} engine",
        store=user_store("engines"),
        key=engine_key(engine),
        file=engine.name,
        inputs=engine_shared_name(engine),
        accept=lambda data: data.startswith(COMPONENT_HEADER),
    )
