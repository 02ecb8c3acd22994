"""Where the npm package ``@capsule-run/sdk`` is: it comes with the plugin."""

from __future__ import annotations

from pathlib import Path


def sdk_folder() -> Path:
    """The package's folder: package data, or beside the plugin in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "sdk"
    return inside if inside.is_dir() else package.parent / "sdk"
