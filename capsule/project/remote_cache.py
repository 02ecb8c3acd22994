"""``[cache]`` in ``capsule.toml``, and the environment, which has the last word.

Nothing here is loaded with a remote: that happens when something has to be built.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from capsule.errors import ConfigError, Location, UsageError
from capsule.policy.problems import invalid, name_hint, show
from capsule.policy.sizes import parse_duration

REMOTE_VARIABLE = "CAPSULE_CACHE_REMOTE"
MODE_VARIABLE = "CAPSULE_CACHE_MODE"
OFF = "off"
MODES = ("read", "write", "read-write")
TIMEOUT_SECONDS = 10.0
LONGEST_TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Which remote, and what may be done with it; ``timeout`` is seconds, for one transfer.

    ``location`` is where ``capsule.toml`` names the remote, and None when the user does, in the
    environment: what is the user's alone, engines and credentials, goes only to the latter.
    """

    remote: str | None = None
    mode: str = "read-write"
    timeout: float = TIMEOUT_SECONDS
    location: Location | None = None

    @classmethod
    def parse(cls, table: Mapping[str, Any], locate: Callable[[str], Location]) -> CacheSettings:
        """Reads the table ``[cache]``. Raises `ConfigError` and `PolicyError`, with file and line."""
        keys = ("remote", "mode", "timeout")
        for key, value in table.items():
            if key not in keys:
                raise ConfigError(
                    f"[cache] has no {show(key)}", hint=name_hint(key, keys), location=locate(key)
                )
            if not isinstance(value, str) or not value:
                raise invalid(f"[cache] {key}", value, "not a text", "it in quotes", locate(key))
        settings = cls(remote=table.get("remote"), location=locate("remote"))
        if "mode" in table:
            if table["mode"] not in MODES:
                raise ConfigError(
                    f"[cache] mode is {show(table['mode'])}",
                    hint=f"one of {', '.join(MODES)}",
                    location=locate("mode"),
                )
            settings = replace(settings, mode=table["mode"])
        if "timeout" in table:
            seconds = parse_duration(table["timeout"], "[cache] timeout", locate("timeout"))
            if seconds > LONGEST_TIMEOUT_SECONDS:
                raise ConfigError(
                    f"[cache] timeout is {show(table['timeout'])}",
                    hint=f"at most {LONGEST_TIMEOUT_SECONDS:g}s",
                    location=locate("timeout"),
                )
            settings = replace(settings, timeout=seconds)
        return settings

    def with_environment(self) -> CacheSettings:
        """The settings with what the environment says instead. Raises `UsageError` for a bad mode."""
        settings = self
        chosen = os.environ.get(REMOTE_VARIABLE)
        if chosen:
            remote = None if chosen == OFF else chosen
            settings = replace(settings, remote=remote, location=None)
        mode = os.environ.get(MODE_VARIABLE)
        if mode:
            if mode not in MODES:
                raise UsageError(f"{MODE_VARIABLE} is {show(mode)}", hint=f"one of {', '.join(MODES)}")
            settings = replace(settings, mode=mode)
        return settings
