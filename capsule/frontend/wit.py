"""Where the contract's WIT files are: they come with the host."""

from __future__ import annotations

from pathlib import Path


def wit_folder() -> Path:
    """The folder that holds ``capsule.wit`` and ``deps/``: package data, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "wit"
    return installed if installed.is_dir() else package.parent / "wit"
