"""The remotes of this process: opened when first needed, asked until they fail, finished at the end."""

from __future__ import annotations

import atexit
import os
import threading
from pathlib import Path
from typing import Literal, cast

from capsule_cache.remote import BadUrl, Counts, Remote, open_transport, parse_url

from capsule.build.remote.key import KEY_VARIABLE, default_key_file, find_key
from capsule.errors import ConfigError
from capsule.policy.notices import notice
from capsule.project.remote_cache import CacheSettings

AUTHORIZATION_VARIABLE = "CAPSULE_CACHE_AUTHORIZATION"
UPLOAD_SECONDS = 10.0
"""How long the end of a process waits for uploads."""

_lock = threading.RLock()
_opened: dict[tuple[CacheSettings, bytes], Remote] = {}
_told: set[str] = set()


def project_remote(settings: CacheSettings, root: Path | None) -> Remote | None:
    """The remote of a project, under the settings of ``capsule.toml`` and of the environment.

    The settings of no project, for engines: those run everybody's programs, so that only the user, in the
    environment, decides where they come from. None when there is no remote, or no key to trust it with,
    which is said once. Raises `ConfigError` and
    `UsageError` for settings that can't be used.
    """
    settings = settings.with_environment()
    if settings.remote is None:
        return None
    key = find_key(root)
    if key is None:
        _once(
            "the shared cache is not used without a key: "
            f"set {KEY_VARIABLE}, or put the key into {default_key_file()}"
        )
        return None
    with _lock:
        remote = _opened.get((settings, key.identity))
        if remote is None:
            authorization = _authorization(settings)
            try:
                transport = open_transport(
                    parse_url(settings.remote),
                    timeout=settings.timeout,
                    authorization=authorization,
                )
            except BadUrl as error:
                raise ConfigError(
                    f"the shared cache can't be used: {error.message}",
                    hint=error.hint,
                    location=settings.location,
                ) from None
            except Exception as error:
                # A back end of its own mind, about a file of settings of its own, for example.
                _once(f"the shared cache can't be used: {type(error).__name__}: {str(error)[:200]}")
                return None
            if not _opened:
                atexit.register(finish_uploads)
            mode = cast(Literal["read", "write", "read-write"], settings.mode)
            remote = Remote(transport, key, mode=mode, notify=_notice)
            _opened[settings, key.identity] = remote
        return remote


def counts() -> Counts:
    """What has come of asking remotes in this process."""
    with _lock:
        remotes = list(_opened.values())
    return sum((remote.counts for remote in remotes), Counts())


def finish_uploads(seconds: float = UPLOAD_SECONDS) -> None:
    """Waits for uploads, at most ``seconds`` for each remote."""
    with _lock:
        remotes = list(_opened.values())
    for remote in remotes:
        remote.finish(seconds)


def _authorization(settings: CacheSettings) -> str | None:
    """The user's credentials, for a remote that the user named: a project's goes without."""
    given = os.environ.get(AUTHORIZATION_VARIABLE)
    if not given:
        return None
    if settings.location is not None:
        _once(
            f"{AUTHORIZATION_VARIABLE} is not sent to a remote that only {settings.location} names: "
            "set CAPSULE_CACHE_REMOTE, too"
        )
        return None
    if not given.isascii() or not given.isprintable():
        raise ConfigError(
            f"{AUTHORIZATION_VARIABLE} is no HTTP header", hint='like "Bearer TOKEN", on one line'
        )
    return given


def _once(message: str) -> None:
    with _lock:
        if message in _told:
            return
        _told.add(message)
    _notice(message)


def _notice(message: str) -> None:
    notice(message, logger="capsule.cache")
