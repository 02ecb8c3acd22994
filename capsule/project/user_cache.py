"""The user's own cache folder: engines, compiled code, and the secret that vouches for artifacts.

It lies outside any project, belongs to the user and is closed to others: precompiled code is loaded
from here and from nowhere else.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path

from capsule_cache import Store, StoreError, user_secret

from capsule.errors import ConfigError

CACHE_VARIABLE = "CAPSULE_CACHE_DIR"


def user_cache_folder() -> Path:
    """The folder: ``$CAPSULE_CACHE_DIR``, else the platform's place for caches."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_cache_path("capsule", appauthor=False)


@lru_cache(maxsize=8)
def _secret(folder: Path) -> bytes:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return user_secret(folder)
    except StoreError as error:
        raise ConfigError(f"your cache can't be used: {error.message}", hint=error.hint) from None
    except OSError as error:
        raise ConfigError(
            f"your cache folder {folder} can't be used: {error.strerror or error}",
            hint=f"make it a folder that you can write, or set {CACHE_VARIABLE} to one",
        ) from None


def secret() -> bytes:
    """The user's key, under which artifacts in project folders count. Made on first use.

    Raises `ConfigError` for a cache folder that can't be used, or that others can write.
    """
    return _secret(user_cache_folder())


def user_store(name: str) -> Store:
    """A private store in the user's cache."""
    return Store(user_cache_folder() / name, secret(), private=True)


def private_folder(name: str) -> Path:
    """A folder in the user's cache, made if need be, closed to others."""
    secret()
    folder = user_cache_folder() / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
