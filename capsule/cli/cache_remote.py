"""``capsule cache push`` and ``capsule cache pull``: the shared cache, filled and used on purpose."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from capsule_cache import Key, Store, StoreError

from capsule.cli.common.exits import EXIT_OK, EXIT_TASK_FAILED
from capsule.cli.common.interruptible import interruptibly
from capsule.cli.common.progress import Progress
from capsule.cli.common.render import write_line
from capsule.errors import ArtifactError, CapsuleError, UsageError
from capsule.frontend.manager import plugins
from capsule.project.config import find_root
from capsule.project.opened import Project, known_settings, open_project, prepare_folder
from capsule.project.remote_cache import MODE_VARIABLE, REMOTE_VARIABLE, CacheSettings

if TYPE_CHECKING:
    from capsule_cache.remote import Remote

    from capsule.build.pipeline import Plan
    from capsule.build.remote.transfer import Transferred


def push(files: tuple[Path, ...], *, everything: bool, as_json: bool) -> int:
    """Uploads built artifacts, and their engines. Returns the exit code; raises `CapsuleError`."""
    from capsule.build.remote import transfer

    remote, engines = _remote_for("write")
    with Progress() as progress:
        plans = list(_stored(progress) if everything else _planned(files, progress))
        progress("uploading")
        done = interruptibly(lambda: transfer.push(remote, list(transfer.items(plans, engines=engines))))
    return _report(done, as_json=as_json)


def pull(files: tuple[Path, ...], *, as_json: bool) -> int:
    """Fetches artifacts, and their engines. Returns the exit code; raises `CapsuleError`."""
    from capsule.build.remote import transfer

    remote, engines = _remote_for("read")
    with Progress() as progress:
        plans = list(_planned(files, progress))
        for base in {planned.project.base for planned in plans}:
            prepare_folder(base)
        progress("downloading")
        try:
            done = interruptibly(lambda: transfer.pull(remote, list(transfer.items(plans, engines=engines))))
        except StoreError as error:
            raise UsageError(f"nothing can be kept: {error.message}", hint=error.hint) from None
    return _report(done, as_json=as_json)


def settings_here() -> tuple[CacheSettings, Path]:
    """The settings of the shared cache in the working directory, and the project that they are of."""
    here = Path.cwd()
    root, config_file = find_root(here, here)
    found = known_settings(plugins()).of(root, config_file)
    return found.config.cache.with_environment(), found.workspace or root


def _remote_for(purpose: str) -> tuple[Remote, bool]:
    """The remote, and whether engines may go there and come from there."""
    settings, root = settings_here()
    if settings.remote is None:
        raise UsageError(
            "there is no shared cache",
            hint=f'remote = "https://..." under [cache] in capsule.toml, or set {REMOTE_VARIABLE}',
        )
    if purpose not in settings.mode.split("-"):
        raise UsageError(
            f"the shared cache may not be used to {purpose}: its mode is {settings.mode}",
            hint=f"set {MODE_VARIABLE}=read-write",
        )
    from capsule.build.remote.session import project_remote

    remote = project_remote(settings, root)
    if remote is None:
        raise UsageError("there is no key to the shared cache", hint="openssl rand -hex 32 makes one")
    # What only the project names doesn't get to say what runs everybody's programs.
    return remote, settings.location is None


def _planned(files: tuple[Path, ...], progress: Progress) -> Iterator[Plan]:
    from capsule.build.pipeline import plan, prefer_snapshot
    from capsule.workspace.selection import select

    selection = select(files, Path.cwd(), plugins(), always=True)
    assert selection is not None
    for member in selection.members:
        project = open_project(member.source, member.root, plugins(), selection.settings)
        planned = plan(project, plugins(), progress=progress)
        yield planned
        preferred = prefer_snapshot(planned)
        if preferred is not planned:
            yield preferred


def _stored(progress: Progress) -> Iterator[Plan]:
    """The plans of whatever the project's store holds and is still what its source builds."""
    here = Path.cwd()
    root, config_file = find_root(here, here)
    found = known_settings(plugins()).of(root, config_file)
    project = Project(root, root, found.config, found.workspace)
    for source in sorted(_sources(project.artifacts())):
        path = project.base / source
        if path.is_file():
            try:
                yield from _planned((path,), progress)
            except CapsuleError as error:
                progress(f"{source} is left out: {error.message}")


def _sources(store: Store) -> set[str]:
    from capsule.artifact.sections import parse

    sources = set()
    for item in store.entries():
        name, _, rest = item.file.rpartition("_")
        entry = store.get(Key(item.key), name=name, suffix=rest[len(item.key) :])
        if entry is not None:
            try:
                sources.add(parse(entry.read(), name=item.file).manifest.source)
            except ArtifactError:
                continue
    return sources


def _report(done: list[Transferred], *, as_json: bool) -> int:
    if as_json:
        print(json.dumps([{"name": one.name, "state": one.state, "bytes": one.bytes} for one in done]))
    else:
        for one in done:
            size = f" ({one.bytes / 1024:,.0f} KiB)" if one.bytes else ""
            write_line(f"{one.state:>9} {one.name}{size}")
    return EXIT_TASK_FAILED if any(one.state == "failed" for one in done) else EXIT_OK
