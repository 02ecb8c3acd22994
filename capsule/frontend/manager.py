"""The only caller of hooks: finds plugins, and keeps the broken ones from doing harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.errors import UsageError
from capsule.frontend.installing import HOST, install_line
from capsule.frontend.spec import CONTRACT_VERSION, PROJECT_NAME, Frontend

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINT_GROUP = "capsule"

DEFAULT_CONTRACT = "1.0"
"""What a plugin was written for that doesn't say."""

KNOWN_DISTRIBUTIONS = {
    "capsule-python": (".py",),
    "capsule-js": (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"),
    "capsule-c": (".c", ".cpp", ".cc", ".cxx"),
    "capsule-wat": (".wat",),
}
"""What to install for a suffix that no plugin brings: distribution -> suffixes."""


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin that was found.

    ``problem`` says what is wrong with it, None when it works; ``hint`` is what to do about it.
    ``contract`` is the version that it was written for, and ``suffixes`` are those that it takes, or would.
    """

    name: str
    distribution: str
    version: str
    frontends: tuple[Frontend, ...]
    problem: str | None
    hint: str | None = None
    contract: str = DEFAULT_CONTRACT
    suffixes: tuple[str, ...] = ()


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
        for plugin in self.broken:
            if suffix in (*plugin.suffixes, *KNOWN_DISTRIBUTIONS.get(plugin.distribution, ())):
                raise UsageError(
                    f"the plugin {plugin.name!r} ({plugin.distribution}) is broken: {plugin.problem}",
                    hint=plugin.hint,
                )
        for distribution, suffixes in KNOWN_DISTRIBUTIONS.items():
            if suffix in suffixes:
                raise UsageError(
                    f"{source.name}: no frontend for {suffix} files is installed",
                    hint=install_line(distribution),
                )
        known = sorted({".wasm"}.union(*(frontend.suffixes for frontend in self.frontends)))
        hint = f"installed frontends take {', '.join(known)}; 'capsule plugins' lists them"
        if self.broken:
            hint += f", and what is wrong with {', '.join(plugin.name for plugin in self.broken)}"
        kind = f"{suffix} files" if suffix else "a file without a suffix"
        raise UsageError(f"{source.name}: no installed frontend can run {kind}", hint=hint)


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
    broken = Plugin(point.name, distribution, version, (), None)
    try:
        module = point.load()
        contract = getattr(module, "CONTRACT", DEFAULT_CONTRACT)
        refusal = refused_contract(contract)
        if refusal is not None:
            outdated = HOST if refusal.host_is_older else distribution
            return replace(
                broken,
                problem=refusal.problem,
                hint=install_line(outdated, upgrade=True),
                contract=f"{contract!s:.40}",
                suffixes=_suffixes(module, point.name),
            )
        frontends = _ask(module, point.name)
        suffixes = tuple(suffix for frontend in frontends for suffix in frontend.suffixes)
    except (Exception, SystemExit) as error:  # whatever a plugin does, the CLI goes on without it
        problem = f"{type(error).__name__}: {error}"
        if isinstance(error, ImportError) and (error.name or "").split(".")[0] == "capsule":
            # It asks for a name that this host doesn't have, before it could say for which contract it is.
            return replace(broken, problem=problem, hint=install_line(HOST, upgrade=True))
        return replace(broken, problem=problem, hint=install_line(distribution, again=True))
    return Plugin(point.name, distribution, version, frontends, None, None, contract, suffixes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a plugin's contract is none of this host's, and whether it is the host that is too old."""

    problem: str
    host_is_older: bool


def refused_contract(stated: object) -> Refusal | None:
    """What is wrong with the contract that a plugin states; None when the host has it."""
    found = re.fullmatch(r"(\d{1,6})\.(\d{1,6})", stated, re.ASCII) if isinstance(stated, str) else None
    if found is None:
        return Refusal(f"its CONTRACT is {stated!r:.60}, not a version like {CONTRACT_VERSION!r}", False)
    ours = tuple(map(int, CONTRACT_VERSION.split(".")))
    theirs = tuple(map(int, found.groups()))
    if theirs[0] == ours[0] and theirs <= ours:
        return None
    return Refusal(
        f"it was written for version {stated} of the plugin contract, and this host has {CONTRACT_VERSION}",
        theirs > ours,
    )


def _suffixes(module: Any, name: str) -> tuple[str, ...]:
    """The suffixes of a plugin that isn't used, as far as it tells: whoever has such a file is told."""
    try:
        found = (suffix for frontend in _brought(module, name) for suffix in frontend.suffixes)
        return tuple(suffix for suffix in found if isinstance(suffix, str))
    except (Exception, SystemExit):
        return ()


def _ask(module: Any, name: str) -> tuple[Frontend, ...]:
    frontends = _brought(module, name)
    for frontend in frontends:
        _check(frontend)
    return frontends


def _brought(module: Any, name: str) -> tuple[Frontend, ...]:
    import pluggy

    from capsule.frontend.spec import Hooks

    manager = pluggy.PluginManager(PROJECT_NAME)
    manager.add_hookspecs(Hooks)
    manager.register(module, name)
    manager.check_pending()
    return tuple(frontend for brought in manager.hook.capsule_frontends() for frontend in brought)


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
