"""How a bad option is told to the person who wrote it."""

from __future__ import annotations

from collections.abc import Iterable

from capsule.errors import Location, PolicyError

SHOWN = 60
"""How many characters of a bad value an error shows."""


def show(value: object) -> str:
    """A value as an error shows it: its repr, cut to `SHOWN` characters. Never raises."""
    if isinstance(value, str | bytes):
        text = repr(value[:SHOWN])
        return text + "..." if len(value) > SHOWN else text
    if isinstance(value, int) and value.bit_length() > 4 * SHOWN:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, list | tuple):
        inner = ", ".join(show(item) for item in value[:3]) + (", ..." if len(value) > 3 else "")
        text = f"[{inner}]"
    elif isinstance(value, dict):
        first = [f"{show(key)}: {show(item)}" for key, item in list(value.items())[:3]]
        text = "{" + ", ".join(first) + (", ..." if len(value) > 3 else "") + "}"
    else:
        try:
            text = repr(value)
        except Exception:
            text = f"a value of type {type(value).__name__}"
    return text if len(text) <= SHOWN else text[:SHOWN] + "..."


def invalid(
    option: str, value: object, problem: str, accepted: str, location: Location | None
) -> PolicyError:
    """The error for an option's value: ``problem`` says what is wrong, ``accepted`` what would do."""
    return PolicyError(f"{option} = {show(value)}: {problem}", hint=f"write {accepted}", location=location)


def name_hint(name: str, valid: Iterable[str]) -> str:
    """The hint for an unknown name: the nearest valid one if any is near, and all that are valid."""
    from difflib import get_close_matches

    names = list(valid)
    lowered = {one.lower(): one for one in names}
    near = [lowered[one] for one in get_close_matches(name[:SHOWN].lower(), lowered, n=1)]
    listed = f"valid names are {', '.join(names)}"
    return f'did you mean "{near[0]}"? {listed}' if near else listed
