"""The ceilings that are typed: ``--limit`` and ``--deny-all``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.policy.limits import Limits


def given_limits(
    limit: tuple[str, ...], *, deny_all: bool, mount: tuple[str, ...] = (), env_file: Path | None = None
) -> Limits | None:
    """What was typed, as one; None for nothing.

    Raises `UsageError` for an argument that can't be used, and for one that gives what ``--deny-all`` denies.
    """
    from capsule.policy.limits import Limits

    given = Limits.parse_arguments(limit) if limit else None
    if not deny_all:
        return given
    if mount:
        raise UsageError(
            f"--deny-all gives a task no folders, and --mount {mount[0]} gives it one",
            hint="leave one of them out",
        )
    if env_file is not None:
        raise UsageError(
            f"--deny-all gives a task no variables, and --env-file {env_file} has values for some",
            hint="leave one of them out",
        )
    return Limits.deny_all() if given is None else given.merge(Limits.deny_all())
