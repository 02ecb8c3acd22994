"""``[secrets]`` of ``capsule.toml``: what a secret is called, where its value comes from, where it may go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from capsule.errors import Location, PolicyError
from capsule.policy.grants import MAX_ENTRIES, is_env_name, parse_hosts
from capsule.policy.problems import invalid, name_hint, show

Place = Literal["headers", "body"]

PLACES: tuple[Place, ...] = ("headers", "body")
KEYS = ("env", "hosts", "in", "allow_http")
EXAMPLE = '{ env = "OPENAI_KEY", hosts = ["api.openai.com"] }'


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret as it was declared: ``variable`` has its value, ``hosts`` may be sent it.

    ``places`` says where in a request; ``allow_http`` whether it may travel without TLS.
    """

    name: str
    variable: str
    hosts: tuple[str, ...]
    places: tuple[Place, ...] = ("headers",)
    allow_http: bool = False
    location: Location | None = None


def parse_table(
    table: Mapping[str, object], locate: Callable[[str], Location | None] = lambda name: None
) -> dict[str, Secret]:
    """The secrets by name. ``locate`` tells where a name was written. Raises `PolicyError`."""
    if len(table) > MAX_ENTRIES:
        raise PolicyError(f"[secrets] has more than {MAX_ENTRIES} entries")
    return {name: _secret(name, value, locate(name)) for name, value in table.items()}


def _secret(name: str, value: object, location: Location | None) -> Secret:
    label = f"[secrets] {name if len(name) <= 60 else name[:60] + '...'}"
    if not is_env_name(name):
        problem = (
            f"[secrets] {show(name)}: not the name of an environment variable, which tasks will find it in"
        )
        raise PolicyError(problem, hint=f"write OPENAI_KEY = {EXAMPLE}", location=location)
    if not isinstance(value, dict):
        raise invalid(label, value, "not a table", EXAMPLE, location)
    for key in value:
        if key not in KEYS:
            raise PolicyError(
                f"{label} has no {show(key)}", hint=name_hint(str(key), KEYS), location=location
            )
    variable = value.get("env", name)
    if not is_env_name(variable):
        problem = "not the name of an environment variable"
        raise invalid(f"{label} env", variable, problem, 'env = "OPENAI_KEY"', location)
    if "hosts" not in value:
        hint = 'write hosts = ["api.example.com"]'
        raise PolicyError(f"{label} names no hosts that may be sent it", hint=hint, location=location)
    hosts = parse_hosts(value["hosts"], f"{label} hosts", location)
    if not hosts or any(host == "*" or host.startswith("*:") for host in hosts):
        problem = "a secret goes to hosts that you name"
        raise invalid(f"{label} hosts", value["hosts"], problem, 'hosts = ["api.example.com"]', location)
    allow_http = value.get("allow_http", False)
    if not isinstance(allow_http, bool):
        raise invalid(f"{label} allow_http", allow_http, "not a truth value", "true or false", location)
    return Secret(
        name, variable, hosts, _places(value.get("in", ["headers"]), label, location), allow_http, location
    )


def _places(value: object, label: str, location: Location | None) -> tuple[Place, ...]:
    if (
        not isinstance(value, list)
        or not value
        or not all(isinstance(place, str) and place in PLACES for place in value)
    ):
        accepted = 'in = ["headers"] or in = ["headers", "body"]'
        raise invalid(f"{label} in", value, "no places of a request", accepted, location)
    return tuple(place for place in PLACES if place in value)
