"""The only caller of hooks: finds plugins, and keeps the broken ones from doing harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.errors import UsageError
from capsule.frontend.spec import PROJECT_NAME, Frontend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "capsule"

KNOWN_DISTRIBUTIONS = {
    "capsule-python": (".py",),
    "capsule-js": (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"),
    "capsule-c": (".c", ".cpp", ".cc", ".cxx"),
}
"""What to install for a suffix that no plugin brings: distribution -> suffixes."""

EXTRAS = {"capsule-python": "python", "capsule-js": "js", "capsule-c": "c"}


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was found. ``problem`` says what is wrong with it, None when it works."""

    name: str
    distribution: str
    version: str
    frontends: tuple[Frontend, ...]
    problem: str | None


class Plugins:
    """The installed plugins, loaded when they are first asked for."""

    def __init__(self, entry_points: Callable[[], list[EntryPoint]] | None = None) -> None:
        self._entry_points = entry_points or _installed

    @cached_property
    def all(self) -> tuple[Plugin, ...]:
        """Every plugin, the broken ones included, in the order of their names."""
        return tuple(_load(point) for point in sorted(self._entry_points(), key=lambda point: point.name))

    @property
    def broken(self) -> tuple[Plugin, ...]:
        """The plugins that can't be used."""
        return tuple(plugin for plugin in self.all if plugin.problem is not None)

    @cached_property
    def frontends(self) -> tuple[Frontend, ...]:
        """Every frontend of a plugin that works."""
        return tuple(frontend for plugin in self.all for frontend in plugin.frontends)

    def frontend_for(self, source: Path) -> Frontend:
        """The frontend for a source's suffix. Raises `UsageError`, naming what to install."""
        suffix = source.suffix.lower()
        for frontend in self.frontends:
            if suffix in frontend.suffixes:
                return frontend
        for distribution, suffixes in KNOWN_DISTRIBUTIONS.items():
            if suffix in suffixes:
                for plugin in self.broken:
                    if plugin.distribution == distribution:
                        raise UsageError(
                            f"the plugin {plugin.name!r} ({distribution}) is broken: {plugin.problem}",
                            hint=f"pip install --force-reinstall {distribution}",
                        )
                extra = f'pip install "capsule-run[{EXTRAS[distribution]}]"'
                raise UsageError(
                    f"{source.name}: no frontend for {suffix} files is installed",
                    hint=f"pip install {distribution}  # or: {extra}",
                )
        known = sorted({".wasm"}.union(*(frontend.suffixes for frontend in self.frontends)))
        raise UsageError(
            f"{source.name}: no frontend takes {suffix or 'files without a suffix'!r}",
            hint=f"installed frontends take {', '.join(known)}; 'capsule plugins' lists them",
        )


@lru_cache(maxsize=1)
def plugins() -> Plugins:
    """The plugins installed beside this host."""
    return Plugins()


def _installed() -> list[EntryPoint]:
    from importlib.metadata import entry_points

    return list(entry_points(group=ENTRY_POINT_GROUP))


def _load(point: EntryPoint) -> Plugin:
    distribution = point.dist.name if point.dist is not None else point.value.partition(".")[0]
    version = point.dist.version if point.dist is not None else "unknown"
    try:
        frontends = _ask(point.load(), point.name)
    except (Exception, SystemExit) as error:  # whatever a plugin does, the CLI goes on without it
        return Plugin(point.name, distribution, version, (), f"{type(error).__name__}: {error}")
    return Plugin(point.name, distribution, version, frontends, None)


def _ask(module: Any, name: str) -> tuple[Frontend, ...]:
    import pluggy

    from capsule.frontend.spec import Hooks

    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(Hooks)
    manager.register(module, name)
    manager.check_pending()
    frontends = tuple(frontend for brought in manager.hook.capsule_frontends() for frontend in brought)
    for frontend in frontends:
        _check(frontend)
    return frontends


def _check(frontend: Any) -> None:
    if not isinstance(frontend, Frontend):
        missing = [
            name
            for name in ("name", "version", "suffixes", "inputs", "discover", "compile", "engine", "doctor")
            if not hasattr(frontend, name)
        ]
        raise TypeError(f"{type(frontend).__name__} is not a Frontend: it has no {', '.join(missing)}")
    for suffix in frontend.suffixes:
        if not suffix.startswith(".") or suffix != suffix.lower():
            raise ValueError(f"the suffix {suffix!r} has to be lower-case, with its dot")
