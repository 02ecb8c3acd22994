"""Ceilings over what sources declare, and over a run as a whole.

They come from ``[limits]`` in ``capsule.toml``, from ``run(limits=...)`` and from ``--limit``. Where
two of these speak of the same value the narrower one holds, so an argument can tighten what
``capsule.toml`` says and never loosen it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from capsule.errors import Location, PolicyError, UsageError
from capsule.policy.grants import MAX_ENTRIES, parse_path
from capsule.policy.meet import common_files, common_folders, common_hosts, common_names
from capsule.policy.model import GRANTS, FileGrant, Policy, TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.problems import invalid, name_hint, show
from capsule.policy.resolve import BUILT_IN, PARSERS
from capsule.policy.sizes import parse_compute, parse_count, parse_duration, parse_size

MIB = 1024 * 1024


def _concurrency() -> int:
    return max(2, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Limits:
    """Ceilings; None is no ceiling.

    For each task, in the units of `Policy`: ``compute``, ``ram``, ``timeout``, ``max_retries``, and as
    the most that may be granted ``allowed_files`` (these folders and what lies in them),
    ``allowed_hosts`` (patterns that must cover a declared host), ``env_variables``, ``secrets``,
    ``tools``.

    For each task execution: ``output_bytes`` written to stdout and stderr, ``result_bytes`` of JSON.

    For a run as a whole: ``depth`` of tasks that start tasks, number of sub-``tasks`` (0 of either:
    only the first task), ``concurrency`` (sandboxes at once), ``http_requests``, ``http_bytes`` sent
    and received, ``total_compute`` (fuel) and ``total_timeout`` (seconds), retries included, and ``disk``
    (bytes that its tasks may add to the folders that they may write).

    ``on_exceed`` says what becomes of a declaration over a ceiling: it is cut down to it ("cap"), or
    the run is refused ("refuse"). ``allow_project_writes`` permits writable folders that cover what decides
    the next run: all (True), or these folders of the project and what lies in them.

    ``origins`` says of each value that someone has set where that was. Limits made without `parse`
    count as set where they differ from the defaults here.
    """

    compute: int | None = None
    ram: int | None = None
    timeout: float | None = None
    max_retries: int | None = None
    allowed_files: tuple[FileGrant, ...] | None = None
    allowed_hosts: tuple[str, ...] | None = None
    env_variables: tuple[str, ...] | None = None
    secrets: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    depth: int = 16
    tasks: int = 10_000
    concurrency: int = field(default_factory=_concurrency)
    output_bytes: int = 10 * MIB
    result_bytes: int = 64 * MIB
    http_requests: int | None = None
    http_bytes: int | None = None
    total_compute: int | None = None
    total_timeout: float | None = None
    disk: int | None = None
    on_exceed: Literal["cap", "refuse"] = "cap"
    allow_project_writes: bool | tuple[str, ...] = False
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @classmethod
    def parse(
        cls,
        values: Mapping[str, object],
        label: str = "limits",
        locate: Callable[[str], Location | None] = lambda name: None,
    ) -> Limits:
        """Limits from what someone wrote; a value that is None was not given.

        ``label`` is what errors and origins put before a limit's name (``[limits]``, ``--limit``);
        ``locate`` tells where a name was written. Raises `PolicyError` for an unknown name and for a
        value that can't be used.
        """
        parsed: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for name, value in values.items():
            location = locate(name)
            if name not in _PARSERS:
                message = f"{label} has no {show(name)}"
                raise PolicyError(message, hint=name_hint(str(name), _PARSERS), location=location)
            if value is None:
                continue
            parsed[name] = _PARSERS[name](value, f"{label} {name}", location)
            origins[name] = f"{label} {name}" + (f" ({location})" if location else "")
        return cls(**parsed, origins=origins)

    @classmethod
    def parse_arguments(cls, arguments: Iterable[str]) -> Limits:
        """Limits from ``--limit``'s arguments: ``ram=512MB``, ``allowed_hosts=a.example,*.b.example``.

        Lists are separated by commas, an empty one allows nothing; a folder may end with ``:ro`` or
        ``:rw``. Of a name given twice the narrower value holds. Raises `UsageError`, `PolicyError`.
        """
        limits = cls()
        for argument in arguments:
            name, equals, text = argument.partition("=")
            if not equals:
                hint = "write --limit name=value, such as --limit ram=512MB"
                raise UsageError(f"--limit {show(argument)}: no value", hint=hint)
            limits = limits.merge(cls.parse({name: read_argument(name, text)}, "--limit"))
        return limits

    @classmethod
    def deny_all(cls) -> Limits:
        """``--deny-all``: what ``limits=`` says with an empty list for each of `GRANTS`.

        Whatever a source declares, its tasks get no folder, host, variable, secret or tool. CPU, memory
        and time stay as declared, and so do sub-tasks: they are the same file's, under the same ceilings.
        """
        nothing: dict[str, Any] = dict.fromkeys(GRANTS, ())
        return cls(**nothing, origins={name: f"--deny-all {name}" for name in GRANTS})

    def merge(self, other: Limits) -> Limits:
        """The narrower of both, value by value; a value that only one of them has set is taken."""
        values: dict[str, Any] = {}
        origins: dict[str, str] = {}
        for name in _PARSERS:
            sides = [side for side in (self, other) if side._has_set(name)]
            if not sides:
                continue
            chosen = [getattr(side, name) for side in sides]
            values[name] = chosen[0] if len(sides) == 1 else _narrower(name, *chosen)
            # Of two, the one whose value holds; a list may have been narrowed by both.
            holding = [side for side, value in zip(sides, chosen, strict=True) if value == values[name]][:1]
            origins[name] = " and ".join(side.origin(name) for side in holding or sides)
        return Limits(**values, origins=origins)

    def origin(self, name: str) -> str:
        """Where a value came from, as in ``[limits] ram (capsule.toml:14)``."""
        return self.origins.get(name, f"limits {name}" if self._has_set(name) else BUILT_IN)

    def _has_set(self, name: str) -> bool:
        return name in self.origins or getattr(self, name) != getattr(_UNSET, name)


def apply_limits(
    declared: TaskPolicy, limits: Limits, *, task: str | None = None, location: Location | None = None
) -> TaskPolicy:
    """The policy that a task runs under: what it declares, within the ceilings.

    A ceiling never adds to what a task declares: under ``["api.example.com", "localhost"]`` a task that
    declares ``["*"]``, the public internet, gets ``["api.example.com"]``.
    A value that was cut says so in its origin. With ``on_exceed="refuse"``, one that somebody wrote
    raises `PolicyError` instead, which names ``task`` and ``location``; a built-in value is cut all the same.

    A host that the task names may have any address, where the ceiling's ``*`` means public ones:
    whoever connects must check ``Limits.allowed_hosts`` as well as the task's own list.
    """
    values: dict[str, Any] = {}
    origins = dict(declared.origins)
    for option in OPTIONS:
        wanted, ceiling = getattr(declared.policy, option), getattr(limits, option)
        value = _narrower(option, wanted, ceiling)
        values[option] = value
        if value == wanted:
            continue
        origin = declared.origins.get(option, BUILT_IN)
        # An artifact's origins are a claim: a value is built in only if it is the one that is.
        if limits.on_exceed == "refuse" and (origin != BUILT_IN or wanted != getattr(_DEFAULTS, option)):
            whose = f"task {show(task)}: " if task is not None else ""
            raise PolicyError(
                f"{whose}{option} = {_say(wanted)} ({origin}) is over the ceiling {_say(ceiling)}, "
                f"{limits.origin(option)}",
                hint=f'lower {option}, raise the ceiling, or set on_exceed = "cap"',
                location=location,
            )
        origins[option] = f"{origin}, capped by {limits.origin(option)}"
    return TaskPolicy(Policy(**values), origins)


def _narrower(name: str, one: Any, other: Any) -> Any:
    """The narrower of two values of one field of `Limits` or `Policy`."""
    if one is None or other is None:
        return other if one is None else one
    match name:
        case "allowed_files":
            return common_files(one, other)
        case "allowed_hosts":
            return common_hosts(one, other)
        case "env_variables" | "secrets" | "tools":
            return common_names(one, other)
        case "on_exceed":
            return "refuse" if "refuse" in (one, other) else "cap"
        case "allow_project_writes":
            return _common_writes(one, other)
    return min(one, other)


def _say(value: object) -> str:
    if value is None:
        return "unlimited"
    if isinstance(value, tuple):
        names = [
            item if isinstance(item, str) else f"{item.path}:{'rw' if item.writable else 'ro'}"
            for item in value
        ]
        return show(names)
    return show(value)


def read_argument(name: str, text: str) -> object:
    """The value that ``NAME=TEXT`` on a command line means: a list, a number, a truth value, or the text."""
    items = [item for item in text.split(",") if item]
    match name:
        case "allowed_hosts" | "env_variables" | "secrets" | "tools":
            return items
        case "allowed_files":
            return [
                {"path": item[:-3], "mode": item[-2:]} if item.endswith((":ro", ":rw")) else item
                for item in items
            ]
        case "allow_project_writes":
            # Other ways to say yes and no are no folders.
            words = {"true": True, "false": False, "yes": text, "no": text, "on": text, "off": text}
            return words.get(text.lower(), items)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 19 and name in _COUNTS else text


def _count(least: int, most: int) -> Callable[[object, str, Location | None], int]:
    return lambda value, option, location: parse_count(value, option, location, least=least, most=most)


def _amount(value: object, option: str, location: Location | None) -> int:
    return parse_size(value, option, location, least=0)


def _parse_on_exceed(value: object, option: str, location: Location | None) -> object:
    if value not in ("cap", "refuse"):
        raise invalid(option, value, "no such way", '"cap" or "refuse"', location)
    return value


def _parse_writes(value: object, option: str, location: Location | None) -> bool | tuple[str, ...]:
    if isinstance(value, bool):
        return value
    accepted = 'true, false, or a list of folders such as ["generated"]'
    if not isinstance(value, list | tuple):
        raise invalid(option, value, "neither a truth value nor a list of folders", accepted, location)
    if len(value) > MAX_ENTRIES:
        raise invalid(option, value, f"more than {MAX_ENTRIES} entries", accepted, location)
    return tuple(dict.fromkeys(parse_path(item, option, location) for item in value))


def _common_writes(one: bool | tuple[str, ...], other: bool | tuple[str, ...]) -> bool | tuple[str, ...]:
    if isinstance(one, bool):
        return other if one else False
    if isinstance(other, bool):
        return one if other else False
    return common_folders(one, other)


_PARSERS: Mapping[str, Callable[[object, str, Location | None], object]] = {
    **PARSERS,
    "depth": _count(0, 1000),
    "tasks": _count(0, 10**9),
    "concurrency": _count(1, 10_000),
    "output_bytes": _amount,
    "result_bytes": _amount,
    "http_requests": _count(0, 10**9),
    "http_bytes": _amount,
    "total_compute": parse_compute,
    "total_timeout": parse_duration,
    "disk": _amount,
    "on_exceed": _parse_on_exceed,
    "allow_project_writes": _parse_writes,
}
_COUNTS = ("max_retries", "depth", "tasks", "concurrency", "http_requests")
_UNSET = Limits()
_DEFAULTS = Policy()
