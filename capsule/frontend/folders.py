"""A frontend's folders in the user's cache, where no host is at hand: ``doctor``, an engine's ``build``."""

from __future__ import annotations

from pathlib import Path

from capsule.user_cache import private_folder


def cache_folder(frontend: str, name: str) -> Path:
    """The folder that `Host.cache_folder` gives the frontend of this name, made if need be (mode 0700).

    Raises `ConfigError` when the user's cache can't be used.
    """
    return private_folder(f"{frontend}-{name}")
