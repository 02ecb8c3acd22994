"""The tools that a build uses: a Node, and npm packages at the versions of a committed lock file.

Packages are installed once for each lock file, into the user's cache, without running any script of
theirs; npm checks each against the digest in the lock file.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
import sys
from functools import lru_cache
from pathlib import Path

from capsule.errors import BuildError
from capsule.frontend.folders import cache_folder
from capsule_js import npm
from capsule_js.bundle import Esbuild
from capsule_js.engine import GUEST
from capsule_js.install import Progress, install_once
from capsule_js.node import VARIABLE, Node, chosen_node, managed_node, system_node

TYPESCRIPT = Path(__file__).parent / "typescript"
"""The lock file of what `capsule_js.typecheck` needs."""

STARLINGMONKEY = GUEST / "starlingmonkey"
"""The lock file of what `capsule_js.starlingmonkey` needs."""

_SHOWN = 2000
_NAMED = 4
_NO_NETWORK = re.compile(
    r"ENOTFOUND|ECONNREFUSED|ECONNRESET|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED"
    r"|ERR_SOCKET_TIMEOUT|network"
)
_MACHINES = {
    "x86_64": "x64",
    "amd64": "x64",
    "aarch64": "arm64",
    "arm64": "arm64",
    "i686": "ia32",
    "i386": "ia32",
    "armv7l": "arm",
    "ppc64le": "ppc64",
    "s390x": "s390x",
    "riscv64": "riscv64",
    "loongarch64": "loong64",
}


class ManagedToolchain:
    """The tools, found or installed when they are first asked for."""

    def __init__(self) -> None:
        self._node: Node | None = None

    def node(self, progress: Progress) -> Path:
        """The Node executable. Raises `BuildError` and `ConfigError`."""
        return self._found_node(progress).program

    def modules(self, progress: Progress) -> Path:
        """The folder ``node_modules`` with what the engine is made of. Raises `BuildError`."""
        return self._packages(GUEST, progress)

    def starlingmonkey(self, progress: Progress) -> Path:
        """The folder ``node_modules`` with what makes the other engine. Raises `BuildError`."""
        return self._packages(STARLINGMONKEY, progress)

    def typescript(self, progress: Progress) -> Path:
        """The folder ``node_modules`` with the TypeScript compiler. Raises `BuildError`."""
        return self._packages(TYPESCRIPT, progress)

    def esbuild(self, progress: Progress) -> Esbuild:
        """The bundler. Raises `BuildError`."""
        package = esbuild_package()
        if package is None:
            raise BuildError(f"there is no esbuild for {machine()}")
        program = self.modules(progress) / package / "bin" / "esbuild"
        return Esbuild(program, esbuild_version())

    def _packages(self, locked: Path, progress: Progress) -> Path:
        folder = packages_folder(locked)
        if not folder.is_dir():
            install_once(folder, lambda empty: self._install(locked, empty, progress), progress)
        return folder / "node_modules"

    def _install(self, locked: Path, empty: Path, progress: Progress) -> None:
        node = self._found_node(progress)
        if node.npm is None:
            raise BuildError(
                f"{node.program} (from {node.origin}) has no npm, which installs {_names(locked)}",
                hint=f"name a Node with npm beside it, or none: unset {VARIABLE}",
            )
        for name in ("package.json", "package-lock.json"):
            shutil.copyfile(locked / name, empty / name)
        names = _names(locked)
        progress(f"installing {_shortened(names)} with npm")
        try:
            done = npm.install(node, node.npm, empty)
        except (OSError, TimeoutError) as error:
            raise BuildError(f"npm could not install {names}: {error}", hint="look at the network") from None
        if done.status == 0 and (empty / "node_modules").is_dir():
            return
        output = done.output.strip()[-_SHOWN:]
        if _NO_NETWORK.search(output):
            raise BuildError(
                f"npm can't fetch what JavaScript needs: {names}",
                hint="look at the network, or name a mirror: npm config set registry <address>; then run "
                "again. It is needed once, and kept",
                traceback=output,
            )
        raise BuildError(f"npm could not install {names}", hint="capsule doctor", traceback=output)

    def _found_node(self, progress: Progress) -> Node:
        if self._node is None:
            node = chosen_node() or system_node()
            self._node = node if node is not None else managed_node(toolchain_folder(), progress)
        return self._node


def toolchain_folder() -> Path:
    """The user's folder of tools."""
    return cache_folder("javascript", "toolchain")


def packages_folder(locked: Path) -> Path:
    """Where the packages of a lock file are, or will be."""
    lock = (locked / "package-lock.json").read_bytes()
    return toolchain_folder() / f"packages-{hashlib.sha256(lock).hexdigest()[:16]}"


@lru_cache(maxsize=1)
def esbuild_version() -> str:
    """The exact version of esbuild, as the engine's package names it."""
    package = json.loads((GUEST / "package.json").read_text("utf-8"))
    version: str = package["dependencies"]["esbuild"]
    return version


def machine() -> str:
    """This machine as npm names it: platform and processor."""
    processor = platform.machine().lower()
    return f"{sys.platform}-{_MACHINES.get(processor, processor)}"


def esbuild_package() -> str | None:
    """The npm package that has esbuild's native program for this machine; None when there is none."""
    lock = json.loads((GUEST / "package-lock.json").read_text("utf-8"))
    name = f"@esbuild/{machine()}"
    return name if f"node_modules/{name}" in lock["packages"] else None


def _shortened(names: str) -> str:
    first = names.split(", ", _NAMED)
    return (
        names if len(first) <= _NAMED else f"{', '.join(first[:_NAMED])} and {first[-1].count(', ') + 1} more"
    )


def _names(locked: Path) -> str:
    package = json.loads((locked / "package.json").read_text("utf-8"))
    wanted = [f"{name} {version}" for name, version in package["dependencies"].items()]
    return ", ".join(wanted)
