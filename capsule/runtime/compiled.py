"""Compiled code: made once per machine for each component, kept in the user's cache, mapped when used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from capsule_cache import StoreError, StoreReadOnly, derive_key

from capsule.errors import ArtifactError
from capsule.runtime.engine import compiled_code_tag, engine, keep_for_ever
from capsule.user_cache import user_store

if TYPE_CHECKING:
    from wasmtime.component import Component

FORMAT_VERSION = 1

_lock = threading.Lock()
_loaded: dict[str, Component] = {}
_files: dict[int, Path] = {}


def compiled_component(
    identity: Mapping[str, str], read: Callable[[], bytes], *, name: str, progress: Callable[[str], None]
) -> Component:
    """The component with this identity (a digest of its bytes, or of everything that decides them).

    ``read`` gives its bytes, when it has to be compiled. Raises `ArtifactError` for bytes that wasmtime
    does not take, and when the user's cache is open to others.
    """
    import wasmtime
    from wasmtime.component import Component

    key = derive_key(format_version=FORMAT_VERSION, toolchain=compiled_code_tag(), digests=identity)
    with _lock:
        component = _loaded.get(key)
        if component is not None:
            return component
        store = user_store("compiled")

        def compile_code() -> bytes:
            progress(f"compiling {name} for this machine")
            return bytes(_compile(read(), name).serialize())

        try:
            entry, _ = store.get_or_build(key, compile_code, name=name, suffix=".cwasm", verify="stat")
            try:
                component = Component.deserialize_file(engine(), str(entry.path))
                _files[id(component)] = entry.path
            except wasmtime.WasmtimeError:
                # Made for another CPU than this one, in a cache folder that machines share.
                data = compile_code()
                store.put(key, data, name=name, suffix=".cwasm")
                component = Component.deserialize(engine(), data)
        except StoreReadOnly:
            component = _compile(read(), name)
        except StoreError as error:
            if error.data is None:
                raise ArtifactError(f"compiled code can't be kept: {error}", hint=error.hint) from None
            component = Component.deserialize(engine(), error.data)
        _loaded[key] = keep_for_ever(component)
        return component


def code_file(component: Component) -> Path | None:
    """The file in the user's cache that holds this component's code, for another process to map.

    None for code that could not be kept.
    """
    return _files.get(id(component))


def _compile(wasm: bytes, name: str) -> Component:
    import wasmtime
    from wasmtime.component import Component

    try:
        return Component(engine(), wasm)
    except wasmtime.WasmtimeError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ArtifactError(
            f"{name} is not a component that can be compiled: {'; '.join(lines)[:500]}"
        ) from None
