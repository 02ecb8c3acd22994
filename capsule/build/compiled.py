"""Compiled code: made once per machine for each component, kept in the user's cache, mapped when used."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from capsule_cache import Entry, Key, StoreError, StoreReadOnly, derive_key

from capsule.errors import ArtifactError
from capsule.project.user_cache import user_store
from capsule.runtime.engine import compiled_code_tag, engine, keep_for_ever

if TYPE_CHECKING:
    from wasmtime.component import Component

FORMAT_VERSION = 2

WAIT = 1200.0
"""Seconds to wait for another process that compiles the same component: longer than it may take."""

_lock = threading.Lock()
_locks: dict[str, threading.Lock] = {}
_loaded: dict[str, CompiledCode] = {}
_files: dict[int, Path] = {}


class CompiledCode:
    """A component's code: a file in the user's cache, or its bytes when it can't be kept there.

    A process that leaves running it to others never loads it, nor wasmtime.
    """

    def __init__(
        self, key: Key, name: str, file: Path | None, data: bytes, again: Callable[[], bytes]
    ) -> None:
        self.key = key
        self.file = file
        self._name = name
        self._data = data
        self._again = again
        self._lock = threading.Lock()
        self._component: Component | None = None

    def component(self) -> Component:
        """The component, mapped on first use. Raises `ArtifactError`."""
        with self._lock:
            if self._component is None:
                self._component = keep_for_ever(self._load())
                if self.file is not None:
                    _files[id(self._component)] = self.file
            return self._component

    def data(self) -> bytes:
        """The bytes of code that has no file, or whose file is gone."""
        return self._data or bytes(self.component().serialize())

    def _load(self) -> Component:
        import wasmtime
        from wasmtime.component import Component

        if self.file is None:
            return Component.deserialize(engine(), self._data)
        try:
            return Component.deserialize_file(engine(), str(self.file))
        except wasmtime.WasmtimeError:
            # Made for another CPU than this one, in a cache folder that machines share.
            entry = user_store("compiled").put(self.key, self._again(), name=self._name, suffix=".cwasm")
            self.file = entry.path
            return Component.deserialize_file(engine(), str(self.file))


def compiled_component(
    identity: Mapping[str, str], read: Callable[[], bytes], *, name: str, progress: Callable[[str], None]
) -> Component:
    """`compiled_code`, loaded into this process."""
    return compiled_code(identity, read, name=name, progress=progress).component()


def compiled_code(
    identity: Mapping[str, str], read: Callable[[], bytes], *, name: str, progress: Callable[[str], None]
) -> CompiledCode:
    """The code of the component with this identity (a digest of its bytes, or of all that decides them).

    ``read`` gives its bytes, when it has to be compiled: in a process of its own, whose result counts for
    this identity and no other. Raises `ArtifactError` for bytes that wasmtime does not take or that take
    too much to compile, and when the user's cache is open to others.
    """
    key = derive_key(format_version=FORMAT_VERSION, toolchain=compiled_code_tag(), digests=identity)
    code = _loaded.get(key.digest)
    if code is not None:
        return code
    with _lock:
        alone = _locks.setdefault(key.digest, threading.Lock())
    with alone:  # nobody waits for a component that isn't theirs
        code = _loaded.get(key.digest)
        if code is None:
            code = _loaded[key.digest] = _obtain(key, read, name, progress)
    with _lock:
        _locks.pop(key.digest, None)
    return code


def stored_code(identity: Mapping[str, str], *, name: str) -> Entry | None:
    """The code that is stored for a component of this identity; None when it has yet to be compiled."""
    key = derive_key(format_version=FORMAT_VERSION, toolchain=compiled_code_tag(), digests=identity)
    return user_store("compiled").get(key, name=name, suffix=".cwasm", verify="stat")


def _obtain(key: Key, read: Callable[[], bytes], name: str, progress: Callable[[str], None]) -> CompiledCode:
    def compile_code() -> bytes:
        from capsule.build.compiling.process import compile_component

        progress(f"compiling {name} for this machine (once; then it runs)")
        return compile_component(read(), name)

    try:
        entry, _ = user_store("compiled").get_or_build(
            key,
            compile_code,
            name=name,
            suffix=".cwasm",
            verify="stat",
            timeout=WAIT,
            on_wait=lambda owner: progress(f"waiting for another process that compiles {name}"),
        )
    except StoreReadOnly:
        data = compile_code()
    except StoreError as error:
        if error.data is None:
            raise ArtifactError(f"compiled code can't be kept: {error}", hint=error.hint) from None
        data = error.data
    else:
        return CompiledCode(key, name, entry.path, b"", compile_code)
    return CompiledCode(key, name, None, data, compile_code)


def code_file(component: Component) -> Path | None:
    """The file in the user's cache that holds this component's code, for another process to map.

    None for code that could not be kept.
    """
    return _files.get(id(component))
