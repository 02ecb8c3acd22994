"""``capsule cache``: what is stored, and how to get rid of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from capsule_cache import Store

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_columns
from capsule.errors import UsageError
from capsule.policy.sizes import parse_duration, parse_size

USER_STORES = ("engines", "compiled")


def stat(*, as_json: bool) -> int:
    """Shows the project's artifacts and the user's engines and compiled code: how many, and how large.

    And the shared cache, where there is one: whether it answers, and whether there is a key to it.
    """
    rows: list[dict[str, Any]] = [
        {"store": name, "folder": str(store.folder), "entries": found.entries, "bytes": found.bytes}
        for name, store in _stores()
        for found in (store.stat(),)
    ]
    remote = _remote()
    if as_json:
        print(json.dumps([*rows, *([remote] if remote else [])]))
        return EXIT_OK
    table = [
        (
            row["store"],
            f"{row['entries']:>6} entries",
            f"{row['bytes'] / (1 << 20):>8,.1f} MiB",
            row["folder"],
        )
        for row in rows
    ]
    if remote:
        state = "no key" if not remote["key"] else remote["problem"] or "answers"
        table.append(("remote", remote["mode"], state, remote["url"]))
    write_columns(table)
    return EXIT_OK


def prune(*, max_size: str | None, max_age: str | None) -> int:
    """Removes the entries used longest ago, until the rest fits."""
    if max_size is None and max_age is None:
        raise UsageError(
            "nothing to prune by", hint="capsule cache prune --max-size 500MB, or --max-age 720h"
        )
    size = None if max_size is None else parse_size(max_size, "--max-size", None)
    age = None if max_age is None else parse_duration(max_age, "--max-age", None)
    for name, store in _stores():
        pruned = store.prune(max_bytes=size, max_age_seconds=age)
        _say(name, pruned.entries, pruned.bytes)
    return EXIT_OK


def clear(*, everything: bool) -> int:
    """Removes the project's artifacts; with ``everything`` the user's engines and compiled code too."""
    for name, store in _stores():
        if name == "artifacts" or everything:
            cleared = store.clear()
            _say(name, cleared.entries, cleared.bytes)
    if everything:
        import shutil

        from capsule.project.user_cache import user_cache_folder

        for folder in user_cache_folder().iterdir():
            if folder.is_dir() and not folder.is_symlink() and folder.name not in USER_STORES:
                shutil.rmtree(folder, ignore_errors=True)
    return EXIT_OK


def _stores() -> Iterator[tuple[str, Store]]:
    from capsule.project.config import Config, find_root
    from capsule.project.opened import Project
    from capsule.project.user_cache import user_store

    here = Path.cwd()
    root, _ = find_root(here, here)
    yield "artifacts", Project(root, root, Config(root)).artifacts()
    for name in USER_STORES:
        yield name, user_store(name)


def _remote() -> dict[str, Any] | None:
    """The shared cache of the project in the working directory, if there is one."""
    from capsule.cli.cache_remote import settings_here

    settings, root = settings_here()
    if settings.remote is None:
        return None
    from capsule.build.remote.session import project_remote

    remote = project_remote(settings, root)
    return {
        "store": "remote",
        "url": settings.remote,
        "mode": settings.mode,
        "key": remote is not None,
        "problem": None if remote is None else remote.problem(),
    }


def _say(name: str, entries: int, size: int) -> None:
    print(f"{name:<10} removed {entries} entries, {size / (1 << 20):,.1f} MiB")
