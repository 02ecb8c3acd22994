"""What is done once, while a snapshot is made."""

from __future__ import annotations

import gc
import importlib
import random  # noqa: F401 - the component's own runtime needs it after the path is cleared
import sys


def adapt() -> None:
    """Replaces what can't work in a sandbox, before anything has taken hold of the original."""
    from . import clock, files, locks, output
    from .net import sockets, tls

    output.install()
    files.install()
    clock.install()
    locks.install()
    sockets.install()
    sys.modules["ssl"] = tls.module()
    for name in ("loop", "threads"):
        importlib.import_module(f"{__package__}.{name}").install()
    files.install_temporary()
    # Last: what it imports takes hold of sockets.
    importlib.import_module(f"{__package__}.failure").install()


def _wipe() -> None:
    # Freed memory keeps its content, and would be part of the snapshot: fill it with zeros once. But the
    # memory must not grow for it: a sparse snapshot is copied into every sandbox instead of being mapped.
    top = max(map(id, gc.get_objects()))
    blocks = []
    for size in (1 << 18, 1 << 16, 1 << 12):
        while id(block := bytes(size)) < top:
            blocks.append(block)


def close_paths() -> None:
    """Leaves nothing to import by path but what is mounted with the program."""
    sys.path[:] = ["/app"]


def finish() -> None:
    """Leaves the interpreter in the state that every sandbox starts from."""
    from . import files

    close_paths()
    files.wake()
    # Freeing these at run time would touch, and so copy, many pages of the snapshot.
    sys.path_importer_cache.clear()
    gc.collect()
    _wipe()
    gc.freeze()
