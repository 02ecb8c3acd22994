"""Engines: components that run programs of one language, built once per machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capsule_cache import Entry, Key, StoreError, StoreReadOnly, derive_digest, derive_key

from capsule.artifact.sections import COMPONENT_HEADER, EngineReference
from capsule.build.remote.sharing import Shared, project_remote_if_any
from capsule.errors import BuildError
from capsule.frontend.spec import Engine
from capsule.project.remote_cache import CacheSettings
from capsule.project.user_cache import user_store

if TYPE_CHECKING:
    from wasmtime.component import Component

    from capsule.build.compiled import CompiledCode

FORMAT_VERSION = 2
BUILD_TIMEOUT = 1800.0

Progress = Callable[[str], None]


def engine_key(engine: Engine) -> Key:
    """The engine's key in the store: its recipe's, under the format of today."""
    return derive_key(
        format_version=FORMAT_VERSION, toolchain={engine.name: engine.version}, digests={"recipe": engine.key}
    )


def engine_shared_name(engine: Engine) -> str:
    """What a shared cache knows the engine by."""
    return derive_digest(
        format_version=FORMAT_VERSION,
        toolchain={engine.name: engine.version},
        digests={"engine recipe": engine.key},
    )


def engine_wasm(engine: Engine, progress: Progress) -> bytes:
    """The engine's bytes, built on first use. Raises `BuildError`."""
    return _entry(engine, progress).read()


def built_engine_digest(reference: EngineReference) -> str | None:
    """The SHA-256 of an engine that was built on this machine, in hex; None when there is none.

    ``reference`` may be anybody's claim: what it names counts only when the digest agrees.
    """
    if not re.fullmatch("[0-9a-f]{32}", reference.key):
        return None
    entry = user_store("engines").get(Key(reference.key), name=reference.name, verify="stat")
    return None if entry is None else entry.sha256


@dataclass(frozen=True, slots=True)
class EngineState:
    """What is stored of an engine on this machine: bytes of it and of its compiled code, None for nothing."""

    built: int | None
    compiled: int | None


def engine_state(engine: Engine) -> EngineState:
    """Looks, and builds nothing. Raises `StoreError`."""
    from capsule.build.compiled import stored_code

    key = engine_key(engine)
    entry = user_store("engines").get(key, name=engine.name, verify="stat")
    code = stored_code({"engine": key}, name=compiled_name(engine.name))
    return EngineState(None if entry is None else entry.size, None if code is None else code.size)


def compiled_name(engine: str) -> str:
    """What an engine's compiled code is called."""
    return f"{engine}-engine"


def engine_component(engine: Engine, progress: Progress) -> Component:
    """The engine, loaded into this process, built on first use. Raises `BuildError`."""
    return engine_code(engine, progress).component()


def engine_code(engine: Engine, progress: Progress) -> CompiledCode:
    """The engine, compiled for this machine, built on first use. Raises `BuildError`."""
    from capsule.build.compiled import compiled_code

    # The key decides the bytes: neither they nor their digest are needed when compiled code is there.
    return compiled_code(
        {"engine": engine_key(engine)},
        lambda: engine_wasm(engine, progress),
        name=compiled_name(engine.name),
        progress=progress,
    )


def _entry(engine: Engine, progress: Progress) -> Entry:
    store = user_store("engines")
    try:
        entry, _ = store.get_or_build(
            engine_key(engine),
            Shared(
                project_remote_if_any(CacheSettings(), None),
                lambda: engine_shared_name(engine),
                lambda: engine.build(progress),
                lambda data: data.startswith(COMPONENT_HEADER),
            ),
            name=engine.name,
            verify="stat",
            timeout=BUILD_TIMEOUT,
            on_wait=lambda owner: progress(
                f"waiting for another process that builds the {engine.name} engine"
            ),
        )
    except StoreReadOnly as error:
        raise BuildError(
            f"the {engine.name} engine can't be kept: {error}",
            hint="set CAPSULE_CACHE_DIR to a folder that you can write",
        ) from None
    except StoreError as error:
        raise BuildError(f"the {engine.name} engine can't be kept: {error}") from None
    return entry
