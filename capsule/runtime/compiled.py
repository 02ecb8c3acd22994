"""Compiled code: made once per machine for each component, kept in the user's cache, mapped when used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from capsule_cache import Key, StoreError, StoreReadOnly, derive_key

from capsule.errors import ArtifactError
from capsule.runtime.engine import compiled_code_tag, engine, keep_for_ever
from capsule.user_cache import user_store

if TYPE_CHECKING:
    from wasmtime.component import Component

FORMAT_VERSION = 1

WAIT = 1200.0
"""Seconds to wait for another process that compiles the same component: longer than it may take."""

_lock = threading.Lock()
_locks: dict[str, threading.Lock] = {}
_loaded: dict[str, Component] = {}
_files: dict[int, Path] = {}


def compiled_component(
    identity: Mapping[str, str], read: Callable[[], bytes], *, name: str, progress: Callable[[str], None]
) -> Component:
    """The component with this identity (a digest of its bytes, or of everything that decides them).

    ``read`` gives its bytes, when it has to be compiled: in a process of its own, whose result counts for
    this identity and no other. Raises `ArtifactError` for bytes that wasmtime does not take or that take
    too much to compile, and when the user's cache is open to others.
    """
    key = derive_key(format_version=FORMAT_VERSION, toolchain=compiled_code_tag(), digests=identity)
    component = _loaded.get(key)
    if component is not None:
        return component
    with _lock:
        alone = _locks.setdefault(key, threading.Lock())
    with alone:  # nobody waits for a component that isn't theirs
        component = _loaded.get(key)
        if component is None:
            component, file = _obtain(key, read, name, progress)
            if file is not None:
                _files[id(component)] = file
            _loaded[key] = keep_for_ever(component)
    with _lock:
        _locks.pop(key, None)
    return component


def _obtain(
    key: Key, read: Callable[[], bytes], name: str, progress: Callable[[str], None]
) -> tuple[Component, Path | None]:
    import wasmtime
    from wasmtime.component import Component

    store = user_store("compiled")

    def compile_code() -> bytes:
        from capsule.compiling.process import compile_component

        progress(f"compiling {name} for this machine")
        return compile_component(read(), name)

    try:
        entry, _ = store.get_or_build(
            key,
            compile_code,
            name=name,
            suffix=".cwasm",
            verify="stat",
            timeout=WAIT,
            on_wait=lambda owner: progress(f"waiting for another process that compiles {name}"),
        )
        try:
            return Component.deserialize_file(engine(), str(entry.path)), entry.path
        except wasmtime.WasmtimeError:
            # Made for another CPU than this one, in a cache folder that machines share.
            data = compile_code()
            entry = store.put(key, data, name=name, suffix=".cwasm")
            return Component.deserialize_file(engine(), str(entry.path)), entry.path
    except StoreReadOnly:
        data = compile_code()
    except StoreError as error:
        if error.data is None:
            raise ArtifactError(f"compiled code can't be kept: {error}", hint=error.hint) from None
        data = error.data
    return Component.deserialize(engine(), data), None


def code_file(component: Component) -> Path | None:
    """The file in the user's cache that holds this component's code, for another process to map.

    None for code that could not be kept.
    """
    return _files.get(id(component))
