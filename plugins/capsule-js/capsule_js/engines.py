"""Which JavaScript engine a project's programs run on: ``[javascript] engine``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from capsule.errors import ConfigError, Location
from capsule.frontend.spec import Engine, Json
from capsule_js import engine, starlingmonkey
from capsule_js.finishing import OWN_SCOPE

if TYPE_CHECKING:
    from capsule_js.toolchain import ManagedToolchain


@dataclass(frozen=True, slots=True)
class Kind:
    """An engine to choose.

    ``unsupported`` are features of the language that bundles for it go without, under the names that
    `make_bundle` takes, ``key`` gives the digest of its recipe, ``snapshots`` says whether a program's top
    level can be part of its component.
    """

    name: str
    unsupported: tuple[str, ...]
    key: Callable[[], str]
    engine: Callable[[ManagedToolchain], Engine]
    snapshots: bool


QUICKJS_UNSUPPORTED: Final = ("template-literal", OWN_SCOPE)
"""QuickJS loses its place behind a line break in a template, and the bundler makes one of any text with one.
Both make the same of a template: a call of `concat`. And parameters that closures among them see are
copied."""

KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("quickjs", QUICKJS_UNSUPPORTED, engine.engine_key, engine.javascript_engine, snapshots=True),
        Kind(
            "starlingmonkey",
            starlingmonkey.UNSUPPORTED,
            starlingmonkey.engine_key,
            starlingmonkey.starlingmonkey_engine,
            snapshots=False,
        ),
    )
}


def chosen_kind(settings: Mapping[str, Json]) -> Kind:
    """The engine that the table ``[javascript]`` asks for; QuickJS without a word. Raises `ConfigError`."""
    name = settings.get("engine", "quickjs")
    if isinstance(name, str) and name in KINDS:
        return KINDS[name]
    near = difflib.get_close_matches(name.lower(), KINDS, 1) if isinstance(name, str) else []
    raise ConfigError(
        f"[javascript] engine can't be {str(name)[:60]!r}",
        hint=f"did you mean {near[0]!r}?" if near else "it is " + " or ".join(map(repr, KINDS)),
        location=Location("capsule.toml"),
    )
