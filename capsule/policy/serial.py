"""A task's policy as JSON, for the manifest in an artifact, and back from one that nobody vouches for."""

from __future__ import annotations

from typing import Any

from capsule.errors import ArtifactError, PolicyError
from capsule.policy.model import Policy, TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.problems import show
from capsule.policy.resolve import BUILT_IN, UNBOUNDED, parse_option
from capsule.policy.sizes import MAX_SECONDS

MAX_ORIGIN = 8192
"""The longest origin, in characters: a path and a line, and what capped it."""


def to_json(policy: TaskPolicy) -> dict[str, Any]:
    """The policy for `json.dumps`, always in the same order; ``timeout`` is seconds, ``ram`` bytes."""
    values = policy.policy
    return {
        "compute": values.compute,
        "ram": values.ram,
        "timeout": values.timeout,
        "max_retries": values.max_retries,
        "allowed_files": [
            {"path": grant.path, "mode": "read-write" if grant.writable else "read-only"}
            for grant in values.allowed_files
        ],
        "allowed_hosts": list(values.allowed_hosts),
        "env_variables": list(values.env_variables),
        "secrets": list(values.secrets),
        "tools": list(values.tools),
        "origins": {option: policy.origins.get(option, BUILT_IN) for option in OPTIONS},
    }


def from_json(value: object) -> TaskPolicy:
    """The policy from what `json.loads` made of an artifact's manifest.

    Raises `ArtifactError` unless it has every field of `to_json`, no other, and only values that a
    source could have declared. Unprintable characters in origins are replaced. An artifact of before
    there were secrets or tools has none.
    """
    for newer in ("secrets", "tools"):
        if isinstance(value, dict) and isinstance(value.get("origins"), dict) and newer not in value:
            value = {**value, newer: [], "origins": {newer: BUILT_IN, **value["origins"]}}
    if not isinstance(value, dict) or value.keys() != {*OPTIONS, "origins"}:
        raise _malformed("its fields are not those of a policy")
    timeout = value["timeout"]
    if timeout is not None and (
        not isinstance(timeout, int | float) or isinstance(timeout, bool) or not 0 < timeout <= MAX_SECONDS
    ):
        raise _malformed(f"timeout is {show(timeout)}")
    values: dict[str, Any] = {"timeout": None if timeout is None else float(timeout)}
    for option in OPTIONS:
        if option == "timeout":
            continue
        if option in UNBOUNDED and value[option] is None:
            values[option] = None
            continue
        # In a source a number can be text; in an artifact it is a number.
        if option in ("compute", "ram") and isinstance(value[option], str):
            raise _malformed(f"{option} is {show(value[option])}")
        try:
            values[option] = parse_option(option, value[option])
        except PolicyError as error:
            raise _malformed(error.message) from None
    return TaskPolicy(Policy(**values), _origins(value["origins"]))


def _origins(value: object) -> dict[str, str]:
    if not isinstance(value, dict) or value.keys() != set(OPTIONS):
        raise _malformed("its origins are not those of a policy")
    for origin in value.values():
        if not isinstance(origin, str) or len(origin) > MAX_ORIGIN:
            raise _malformed(f"an origin is {show(origin)}")
    return {
        option: "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in value[option])
        for option in OPTIONS
    }


def _malformed(problem: str) -> ArtifactError:
    return ArtifactError(f"the artifact holds a policy that can't be used: {problem}")
