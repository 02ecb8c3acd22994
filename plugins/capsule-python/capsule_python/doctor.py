"""What ``capsule doctor`` says about Python."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from capsule.errors import CapsuleError
from capsule.frontend.installing import install_line
from capsule.frontend.spec import Check


def checks() -> Iterator[Check]:
    """The toolchain, the engine recipe, and what installs packages. Builds and starts nothing."""
    yield _toolchain()
    yield _engine()
    yield _installer()


def _toolchain() -> Check:
    name = "componentize-py"
    try:
        return Check(name, "ok", importlib.metadata.version(name))
    except importlib.metadata.PackageNotFoundError:
        return Check(name, "missing", "not installed", hint=install_line("capsule-python"))


def _engine() -> Check:
    from capsule_python.engine import python_engine

    name = "Python engine recipe"
    try:
        engine = python_engine()
    except (CapsuleError, OSError, importlib.metadata.PackageNotFoundError) as error:
        return Check(name, "broken", str(error), hint=install_line("capsule-python", again=True))
    return Check(name, "ok", f"{engine.version}, key {engine.key[:12]}")


def _installer() -> Check:
    from capsule.frontend.wheels.installers import find_installer

    name = "package installer"
    tool = find_installer()
    if tool is None:
        return Check(
            name,
            "missing",
            "neither uv nor pip found; only programs without packages build",
            install_line("uv"),
        )
    return Check(name, "ok", f"{tool.name} ({' '.join(tool.command)})")
