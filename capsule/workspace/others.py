"""What the other programs of a project are built from: a task of this one must not write it.

Known are the members of the workspace, built or not, and each program that was built or run here before, by
its record. A record says what was true then: what has changed since counts when that program is built again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from capsule.errors import CapsuleError
from capsule.frontend.manager import Plugins
from capsule.project.opened import Project, known_settings
from capsule.workspace.members import members
from capsule.workspace.record import Records, source_name

MOST_RECORDS = 5_000
"""Records that are read, of those that are the user's own."""


def decisive_elsewhere(project: Project, plugins: Plugins) -> tuple[Path, ...]:
    """Sources of the project's other programs, what they are built from, and where they look for imports."""
    found = dict.fromkeys(_members(project, plugins))
    base, own = project.base, source_name(project)
    for source, paths in _recorded(base, Records(base).changed()).items():
        if source != own and (base / source).exists():
            found.update(dict.fromkeys(paths))
    found.pop(project.source, None)
    return tuple(found)


def _members(project: Project, plugins: Plugins) -> Iterator[Path]:
    """None where settings can't be used: whoever builds the workspace is told, and this one isn't held up."""
    if project.workspace is None:
        return
    try:
        settings = known_settings(plugins)
        workspace = settings.of(project.workspace, project.workspace / "capsule.toml").config
        if workspace.workspace is not None:
            yield from (member.source for member in members(project.workspace, workspace, plugins, settings))
    except CapsuleError:
        return


@lru_cache(maxsize=8)
def _recorded(base: Path, changed: int) -> Mapping[str, tuple[Path, ...]]:
    """By source, what the records say. ``changed`` is when the newest was written."""
    found: dict[str, tuple[Path, ...]] = {}
    for record in Records(base).all(MOST_RECORDS):
        looked_up = () if record.lookups is None else record.lookups.places
        files = (base / name for name in record.files)
        found[record.source] = (*found.get(record.source, ()), *files, *map(Path, looked_up))
    return found
