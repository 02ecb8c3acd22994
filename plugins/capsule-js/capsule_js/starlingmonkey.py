"""The recipe for the other JavaScript engine: StarlingMonkey, with Web APIs of its own.

``[javascript] engine = "starlingmonkey"`` asks for it. It runs the same bundles as the QuickJS engine and
shares the guest's sources with it: the files in ``guest/starlingmonkey`` stand in for those of the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final, Protocol

from capsule.frontend.spec import Engine
from capsule_js import engine
from capsule_js.toolchain import STARLINGMONKEY

NAME: Final = "javascript-starlingmonkey"
VERSION: Final = "1.0.0"
"""The engine's own version: goes up when bundles made for it have to change."""

WORLD: Final = engine.WORLD.parent / "starlingmonkey.wit"
TIMEOUT: Final = 900
"""Seconds that a build may take; on two cores it takes twenty."""

UNSUPPORTED: Final = ("regexp-sticky-and-unicode-flags", "regexp-set-notation")
"""What the bundler has to keep out of programs.

The engine has no Unicode data: a literal with ``\\p{...}`` would be an error of the whole text. As calls of
``RegExp`` they work, by the guest's own data. The bundler overlooks such escapes in brackets, so it goes
by the flags.
"""


class Toolchain(engine.Toolchain, Protocol):
    """What makes the engine."""

    def starlingmonkey(self, progress: Callable[[str], None]) -> Path:
        """The folder ``node_modules`` that ``npm ci`` made from the lock file beside its sources."""


def starlingmonkey_engine(toolchain: Toolchain) -> Engine:
    """The engine that ``toolchain`` makes. Building raises `BuildError`."""

    def build(progress: Callable[[str], None]) -> bytes:
        node, modules = toolchain.node(progress), toolchain.modules(progress)
        tools = toolchain.starlingmonkey(progress)
        progress("building the StarlingMonkey engine (once per machine; compiling it comes next)")
        command = [str(node), str(STARLINGMONKEY / "build.mjs"), str(modules), str(tools)]
        return engine.build_component(command, WORLD, (), TIMEOUT)

    return Engine(name=NAME, version=VERSION, key=engine_key(), build=build)


@lru_cache(maxsize=1)
def engine_key() -> str:
    """A digest over everything that decides the engine's bytes."""
    return engine.digest(engine.inputs(WORLD))
