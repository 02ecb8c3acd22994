"""What foreign components may use: what their operator's ceilings name, and nothing else.

A component of others declares no policy that counts. Ceilings say what a source may be given at most, for
the case that the source is not trusted; a foreign component is treated like a source that declares exactly
that much. Where there is no ceiling it gets nothing of the world outside its sandbox, and bounded resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from capsule.policy.model import GRANTS, MEDIUM_FUEL, Policy, TaskPolicy

if TYPE_CHECKING:
    from capsule.artifact.manifest import Manifest
    from capsule.policy.limits import Limits

MIB: Final = 1 << 20

WITHOUT_CEILINGS: Final = Policy(compute=MEDIUM_FUEL, ram=512 * MIB, timeout=60.0, allowed_hosts=())
"""The policy when no ceiling is set. A Python component of the reference implementation takes 16 MiB."""

ORIGIN: Final = "built-in for foreign components"

_AMOUNTS: Final = ("compute", "ram", "timeout")
"""Options for which a ceiling is also what is given. Retries are none: a ceiling on them asks for none."""

_EXAMPLES: Final[Mapping[str, str]] = {
    "allowed_files": "--mount ./data:ro",
    "allowed_hosts": "--limit allowed_hosts=api.example.com",
    "env_variables": "--limit env_variables=NAME",
}
"""What to type, for each grant, to give something."""


def under_ceilings(manifest: Manifest, limits: Limits) -> Manifest:
    """The manifest with the policies that foreign tasks get under these ceilings; ours as it is."""
    if not manifest.contract.foreign:
        return manifest
    policy = granted(limits)
    tasks = {name: replace(task, declared=policy) for name, task in manifest.tasks.items()}
    return replace(manifest, tasks=tasks)


def granted(limits: Limits) -> TaskPolicy:
    """The policy of every foreign task under these ceilings, and where each value came from."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for option in (*_AMOUNTS, *GRANTS):
        ceiling = getattr(limits, option)
        if ceiling is None:
            example = _EXAMPLES.get(option)
            origins[option] = ORIGIN if example is None else f"{ORIGIN}; {example} grants more"
        else:
            values[option] = ceiling
            origins[option] = limits.origin(option)
    return TaskPolicy(replace(WITHOUT_CEILINGS, **values), {**origins, "max_retries": ORIGIN})


def what_to_type(limits: Limits, *, mounted: bool) -> str | None:
    """How to grant something, for an operator who has said nothing about grants; None for one who has."""
    if mounted or any(getattr(limits, option) is not None for option in GRANTS):
        return None
    return ", ".join(_EXAMPLES.values())
