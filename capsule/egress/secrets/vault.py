"""The secrets of one run: their values, the placeholders that stand for them, and the rules of their use.

Values stay in the process that makes the requests; a sandbox, and a worker process, get placeholders.
"""

from __future__ import annotations

import secrets as random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from capsule.egress.policy import AllowList
from capsule.egress.secrets.masking import Masker, all_forms
from capsule.errors import Location, PolicyError
from capsule.policy.model import TaskPolicy
from capsule.policy.problems import name_hint, show
from capsule.policy.secrets import Secret

SHORTEST = 8
LONGEST = 64 << 10
"""Characters that a value has. A shorter one would be found in text that has nothing to do with it."""

Lookup = Callable[[tuple[str, ...]], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Held:
    """A secret with its value, and what stands for it in this run."""

    secret: Secret
    value: str
    placeholder: str
    allow: AllowList

    @property
    def described(self) -> str:
        """The secret's name, and where it was declared."""
        place = f" ({self.secret.location})" if self.secret.location else ""
        return f"the secret {self.secret.name}{place}"


@dataclass(frozen=True, slots=True)
class Vault:
    """What a run holds. ``shown`` masks for people, ``echoed`` gives a guest its placeholder back."""

    held: Mapping[str, Held]
    shown: Masker
    echoed: Masker

    def placeholders(self, names: Iterable[str]) -> dict[str, str]:
        """What a task that names these secrets finds in its environment."""
        return {name: self.held[name].placeholder for name in names}


def open_vault(
    declared: Mapping[str, Secret],
    tasks: Mapping[str, tuple[TaskPolicy, Location]],
    lookup: Lookup,
) -> Vault:
    """The secrets that the tasks of a run name, each with its value from ``lookup``.

    Raises `PolicyError` for a name that ``[secrets]`` doesn't have, a value that is missing or can't be
    used, and for a variable that a task would see in the clear.
    """
    held: dict[str, Held] = {}
    for task, (policy, location) in tasks.items():
        _check_variables(task, policy, declared, location)
        for name in policy.policy.secrets:
            if name not in held:
                held[name] = _hold(_declared(name, task, declared, location), task, location, lookup)
    return Vault(
        held,
        Masker((all_forms(one.value), f"[secret {name[:60]}]") for name, one in held.items()),
        Masker((all_forms(one.value), one.placeholder) for one in held.values()),
    )


def _declared(name: str, task: str, declared: Mapping[str, Secret], location: Location) -> Secret:
    if name not in declared:
        hint = f'add {name} = {{ env = "{name}", hosts = ["api.example.com"] }} to [secrets] in capsule.toml'
        if declared:
            hint = f"{name_hint(name, declared)}; or {hint}"
        message = f"task {show(task)} names the secret {name}, which [secrets] in capsule.toml doesn't have"
        raise PolicyError(message, hint=hint, location=location)
    return declared[name]


def _check_variables(
    task: str, policy: TaskPolicy, declared: Mapping[str, Secret], location: Location
) -> None:
    sources = {secret.variable: secret.name for secret in declared.values()}
    for variable in policy.policy.env_variables:
        name = sources.get(variable) or (variable if variable in policy.policy.secrets else None)
        if name is not None:
            raise PolicyError(
                f"task {show(task)} names {variable} in env_variables, and it is the secret {name}: "
                "the task would see its value",
                hint=f'write secrets=["{name}"] instead, and take {variable} out of env_variables',
                location=location,
            )


def _hold(secret: Secret, task: str, location: Location, lookup: Lookup) -> Held:
    value = lookup((secret.variable,)).get(secret.variable)
    whose = f"the secret {secret.name} of task {show(task)}"
    variable = secret.variable
    if not value:
        raise PolicyError(
            f"{whose} has no value: the variable {variable} is not set",
            hint=f"export {variable}=..., or write {variable}=... into .env or the file of --env-file; "
            "to run without it: --limit secrets=",
            location=location,
        )
    problem = None
    if not SHORTEST <= len(value) <= LONGEST:
        problem = f"it has {len(value)} characters, and {SHORTEST} to {LONGEST} can be kept secret"
    elif "headers" in secret.places and not (
        value.isascii() and value.isprintable() and value == value.strip()
    ):
        problem = "it has a line break, a space at an end, or a character that a header can't have"
    if problem is not None:
        # The value itself is not shown.
        hint = f'change the value of {variable}, or use another: {secret.name} = {{ env = "...", ... }}'
        raise PolicyError(f"{whose} can't be used: {problem}", hint=hint, location=location)
    placeholder = f"capsule_secret_{random.token_hex(16)}"
    return Held(secret, value, placeholder, AllowList(secret.hosts, name="its hosts"))
