"""Where the key to a shared cache comes from: the user, and never a project.

A project names a remote; were it to bring the key as well, whoever sends you a project could have you
trust what is stored there.
"""

from __future__ import annotations

import os
from pathlib import Path

from capsule_cache.remote import BadKey, SharedKey, read_key_file

from capsule.errors import ConfigError

KEY_VARIABLE = "CAPSULE_CACHE_KEY"
KEY_FILE_VARIABLE = "CAPSULE_CACHE_KEY_FILE"


def default_key_file() -> Path:
    """The key's place without a variable: ``cache.key`` in the user's configuration folder."""
    import platformdirs

    return platformdirs.user_config_path("capsule", appauthor=False) / "cache.key"


def find_key(root: Path | None) -> SharedKey | None:
    """The user's key, from the environment or from a file; None when there is none.

    Raises `ConfigError` for a key that can't be used, or for a file within the project at ``root``.
    """
    text = os.environ.get(KEY_VARIABLE)
    named = os.environ.get(KEY_FILE_VARIABLE)
    try:
        if text:
            return SharedKey.from_text(text, KEY_VARIABLE)
        file = Path(named).expanduser().absolute() if named else default_key_file()
        if root is not None and file.resolve().is_relative_to(root.resolve()):
            raise ConfigError(
                f"the key {file} lies in the project, where tasks and other people may put one",
                hint="keep it elsewhere, closed to others (mode 0600)",
            )
        return read_key_file(file)
    except BadKey as error:
        raise ConfigError(error.message, hint=error.hint) from None
    except FileNotFoundError:
        if not named:
            return None
        raise ConfigError(
            f"{KEY_FILE_VARIABLE} names {named}, and there is no such file",
            hint="openssl rand -hex 32 makes a key",
        ) from None
    except OSError as error:
        raise ConfigError(f"the cache key can't be read: {error.strerror or error}") from None
