"""From a task's options to its policy: the option itself, else the project's default, else the built-in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from capsule.errors import Location, PolicyError
from capsule.policy.grants import parse_env, parse_files, parse_hosts, parse_secrets, parse_tools
from capsule.policy.model import Policy, TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.problems import name_hint, show
from capsule.policy.sizes import parse_compute, parse_duration, parse_retries, parse_size

BUILT_IN = "built-in"
"""The origin of a value that nobody wrote."""

UNLIMITED = "unlimited"

UNBOUNDED = ("compute", "ram", "timeout")
"""The options that may be `UNLIMITED`, which is None in a `Policy`."""


@dataclass(frozen=True, slots=True)
class DefaultValue:
    """A project's default for an option, parsed; ``origin`` is said of every task that takes it.

    Its line is kept apart: an artifact is the same wherever in ``capsule.toml`` a default stands.
    """

    value: object
    origin: str
    location: Location | None = field(default=None, compare=False)


def parse_option(
    option: str, value: object, location: Location | None = None, *, name: str | None = None
) -> object:
    """The value of one of `OPTIONS`, as the field of `Policy` holds it.

    Those of `UNBOUNDED` also take ``"unlimited"``, so that a task can lift a project's default.
    ``name`` is what errors call the option, where that differs. Raises `PolicyError`.
    """
    if option in UNBOUNDED and isinstance(value, str) and value.lower() == UNLIMITED:
        return None
    return PARSERS[option](value, name or option, location)


def declared_policy(
    options: Mapping[str, object],
    location: Location,
    defaults: Mapping[str, DefaultValue],
    names: Mapping[str, str] | None = None,
) -> TaskPolicy:
    """The policy that a task declares, with the origin of each value.

    An option that is None was not given: that is what it is in the SDKs' signatures. Origins are
    the location for the task's own options, `DefaultValue.origin`, or `BUILT_IN`. ``names`` are those that
    the source has for the options, where they differ: errors use them.
    Raises `PolicyError`, at ``location``, for an unknown option and for a value that can't be used.
    """
    names = names or {}
    for name in options:
        if name not in OPTIONS:
            hint = (
                name_hint(name, [names.get(option, option) for option in OPTIONS])
                if isinstance(name, str)
                else None
            )
            raise PolicyError(f"a task has no option {show(name)}", hint=hint, location=location)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for option in OPTIONS:
        if options.get(option) is not None:
            values[option] = parse_option(option, options[option], location, name=names.get(option))
            origins[option] = str(location)
        elif option in defaults:
            values[option] = defaults[option].value
            origins[option] = defaults[option].origin
        else:
            origins[option] = BUILT_IN
    return TaskPolicy(Policy(**values), origins)


PARSERS: Mapping[str, Callable[[object, str, Location | None], object]] = {
    "compute": parse_compute,
    "ram": parse_size,
    "timeout": parse_duration,
    "max_retries": parse_retries,
    "allowed_files": parse_files,
    "allowed_hosts": parse_hosts,
    "env_variables": parse_env,
    "secrets": parse_secrets,
    "tools": parse_tools,
}
