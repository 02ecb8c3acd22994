"""What ``capsule doctor`` says about C."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator

from capsule.frontend.installing import install_line
from capsule.frontend.spec import Check
from capsule_c.toolchain import include_folders, runtime_digest, ziglang_folder


def checks() -> Iterator[Check]:
    """The compiler and the runtime's sources. Builds and starts nothing."""
    yield _compiler()
    yield _runtime()


def _compiler() -> Check:
    name = "C compiler"
    folder = ziglang_folder()
    if folder is None:
        return Check(
            name=name, state="missing", detail="ziglang is not installed", hint=install_line("capsule-c")
        )
    if not (folder / "zig").is_file():
        return Check(
            name=name,
            state="broken",
            detail=f"{folder} is not complete",
            hint=install_line("ziglang", again=True),
        )
    return Check(name=name, state="ok", detail=f"ziglang {importlib.metadata.version('ziglang')} ({folder})")


def _runtime() -> Check:
    name = "C runtime"
    missing = [str(folder) for folder in include_folders() if not folder.is_dir()]
    if missing:
        return Check(
            name=name,
            state="broken",
            detail=f"{missing[0]} is not there",
            hint=install_line("capsule-c", again=True),
        )
    detail = f"key {runtime_digest()[:12]}; built on first use with the C library, once per machine"
    return Check(name=name, state="info", detail=detail)
