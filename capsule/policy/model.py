"""What a task may use, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LOW_FUEL = 1_000_000_000
MEDIUM_FUEL = 50_000_000_000
HIGH_FUEL = 1_000_000_000_000

MOST_FUEL = 1 << 53
"""What a task has whose compute is unlimited: days of it. JSON carries the number exactly everywhere."""


@dataclass(frozen=True, slots=True)
class FileGrant:
    """A folder that a task may use. ``path`` is relative to the project root, with forward slashes."""

    path: str
    writable: bool


@dataclass(frozen=True, slots=True)
class Policy:
    """Everything that a task may use. The defaults are the user guide's.

    ``compute`` is fuel (about one unit for each WebAssembly instruction), ``ram`` is bytes, ``timeout``
    is seconds; None is unlimited.
    """

    compute: int | None = MEDIUM_FUEL
    ram: int | None = None
    timeout: float | None = None
    max_retries: int = 0
    allowed_files: tuple[FileGrant, ...] = ()
    allowed_hosts: tuple[str, ...] = ("*",)
    env_variables: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


GRANTS = ("allowed_files", "allowed_hosts", "env_variables", "secrets", "tools")
"""The options that give a task something of the world outside its sandbox."""


@dataclass(frozen=True, slots=True)
class TaskPolicy:
    """A policy, and for each option where its value came from.

    Origins read like ``main.py:12``, ``capsule.toml default_ram``, ``built-in``, and after a ceiling
    ``main.py:12, capped by [limits] ram``.
    """

    policy: Policy
    origins: Mapping[str, str] = field(default_factory=dict)
