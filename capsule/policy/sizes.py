"""Numbers as people write them: sizes, durations, compute levels, retries.

Every parser takes the value as a source or ``capsule.toml`` gives it, the option's name and the place
it was written, and raises `PolicyError` for anything but a value that it documents. A bool is not a number.
"""

from __future__ import annotations

import math
import re

from capsule.errors import Location
from capsule.policy.model import HIGH_FUEL, LOW_FUEL, MEDIUM_FUEL
from capsule.policy.notices import notice_once
from capsule.policy.problems import invalid

MAX_INT = 2**63 - 1
"""The largest size (bytes) and compute (fuel)."""

MAX_SECONDS = 366 * 86400.0
"""The longest duration, in seconds: clocks and waits of every platform can carry it."""

SMALLEST_PLAUSIBLE = 100
"""A duration that is a number below this, in milliseconds, is doubted."""

MAX_RETRIES = 100

LEVELS = {"low": LOW_FUEL, "medium": MEDIUM_FUEL, "high": HIGH_FUEL}

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 1024,
    "kib": 1024,
    "mb": 1024**2,
    "mib": 1024**2,
    "gb": 1024**3,
    "gib": 1024**3,
}
_SIZE = r"([0-9]{1,19})(?:\.([0-9]{1,19}))? ?([a-z]{0,3})"
_PART = r"([0-9]{1,19}(?:\.[0-9]{1,19})?)"
_DURATION = rf"(?:{_PART}h)?(?:{_PART}m)?(?:{_PART}s)?(?:{_PART}ms)?"


def parse_size(value: object, option: str, location: Location | None = None, *, least: int = 1) -> int:
    """Bytes from ``"512MB"``, ``"2GB"``, ``"64KiB"``, ``"1.5GB"``, ``"1048576"`` or ``1048576``.

    KB, MB and GB are powers of 1024, like KiB, MiB and GiB: memory comes in such sizes, and "64MB" of
    ram has always meant 64 MiB here. Case doesn't matter; a fraction of a byte is dropped.
    """
    accepted = 'a number of bytes or a size such as "64KiB", "512MB" or "2GB"'
    size: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        size = value
    elif isinstance(value, str):
        match = re.fullmatch(_SIZE, value.lower())
        # An empty unit after a fraction would be a fraction of a byte.
        if match and match[3] in _UNITS and not (match[2] and _UNITS[match[3]] == 1):
            fraction = match[2] or ""
            size = int(match[1] + fraction) * _UNITS[match[3]] // 10 ** len(fraction)
    if size is None:
        raise invalid(option, value, "not a size", accepted, location)
    if not least <= size <= MAX_INT:
        raise invalid(option, value, f"a size is from {least} to {MAX_INT} bytes", accepted, location)
    return size


def parse_duration(value: object, option: str, location: Location | None = None) -> float:
    """Seconds from ``"500ms"``, ``"30s"``, ``"5m"``, ``"1.5h"``, ``"1h30m"``, or a number of milliseconds.

    A string needs units (h, m, s, ms, each at most once, largest first); a number is milliseconds, as
    the TypeScript SDK has it. The result is above zero and at most `MAX_SECONDS`. A number below
    `SMALLEST_PLAUSIBLE` is said to be milliseconds, since most people who write one mean seconds.
    """
    accepted = 'a duration such as "500ms", "30s", "5m" or "1h30m"'
    seconds: float | None = None
    if isinstance(value, int | float) and not isinstance(value, bool):
        # Compared before it is divided: an integer may be too large to become a float.
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid(option, value, "not a finite number", accepted, location)
        seconds = value / 1000 if -1 < value <= MAX_SECONDS * 1000 else math.inf
        if 0 < value < SMALLEST_PLAUSIBLE:
            where = "" if location is None else f"{location}: "
            unit = "millisecond" if value == 1 else "milliseconds"
            notice_once(
                f'{where}{option} = {value:g} is {value:g} {unit}; seconds are written "{value:g}s"',
                logger="capsule.policy",
            )
    elif isinstance(value, str):
        match = re.fullmatch(_DURATION, value)
        if match and any(match.groups()):
            hours, minutes, secs, millis = (float(part or 0) for part in match.groups())
            seconds = hours * 3600 + minutes * 60 + secs + millis / 1000
        elif re.fullmatch(_PART, value):
            raise invalid(option, value, "a duration needs a unit", accepted, location)
    if seconds is None:
        raise invalid(option, value, "not a duration", accepted, location)
    if not 0 < seconds <= MAX_SECONDS:
        raise invalid(option, value, "a duration is above zero and at most 366 days", accepted, location)
    return seconds


def parse_compute(value: object, option: str, location: Location | None = None) -> int:
    """Fuel from ``"LOW"``, ``"MEDIUM"``, ``"HIGH"`` in any case, or from a number, as text or not."""
    accepted = '"LOW", "MEDIUM", "HIGH", or an amount of fuel such as 1000000'
    fuel: int | None = None
    if isinstance(value, int) and not isinstance(value, bool):
        fuel = value
    elif isinstance(value, str):
        fuel = LEVELS.get(value.lower())
        if fuel is None and re.fullmatch(r"[0-9]{1,19}", value):
            fuel = int(value)
    if fuel is None:
        raise invalid(option, value, "not a compute level", accepted, location)
    if not 0 < fuel <= MAX_INT:
        raise invalid(option, value, f"compute is from 1 to {MAX_INT}", accepted, location)
    return fuel


def more_compute(fuel: int) -> str:
    """What to write for a task that has used up this much fuel."""
    higher = [level for level in LEVELS if LEVELS[level] > fuel]
    level = f'"{higher[0].upper()}" ({LEVELS[higher[0]]:,} fuel), ' if higher else ""
    return f'for more, set compute to {level}an amount of fuel, or "unlimited"'


def parse_retries(value: object, option: str, location: Location | None = None) -> int:
    """How often a failed task is tried again: an integer from 0 to `MAX_RETRIES`."""
    return parse_count(value, option, location, least=0, most=MAX_RETRIES)


def parse_count(
    value: object, option: str, location: Location | None = None, *, least: int, most: int
) -> int:
    """An integer from ``least`` to ``most``."""
    accepted = f"an integer from {least} to {most}"
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid(option, value, "not an integer", accepted, location)
    if not least <= value <= most:
        raise invalid(option, value, "out of range", accepted, location)
    return value
