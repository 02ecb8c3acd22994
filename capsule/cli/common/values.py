"""The values of options and ceilings, for people."""

from __future__ import annotations

from typing import Any

from capsule.policy.sizes import LEVELS

_COUNTED_BYTES = ("ram", "output_bytes", "result_bytes", "http_bytes", "disk")
_UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def value_text(name: str, value: Any) -> str:
    """A value of the option or ceiling ``name``, in the units of `Policy` and `Limits`, exactly."""
    if value is None:
        return "unlimited"
    if name in ("compute", "total_compute"):
        level = next((level for level, fuel in LEVELS.items() if fuel == value), None)
        return f"{value:,} fuel" + (f" ({level.upper()})" if level else "")
    if name in _COUNTED_BYTES:
        unit, word = next(
            ((unit, word) for unit, word in _UNITS if value and value % unit == 0), (1, "bytes")
        )
        return f"{value // unit:,} {word}"
    if name in ("timeout", "total_timeout"):
        return f"{value:g} s"
    if name == "allowed_files":
        return ", ".join(f"{grant.path} ({'rw' if grant.writable else 'ro'})" for grant in value) or "none"
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
