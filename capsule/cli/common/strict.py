"""JSON that every parser reads: Python's has names for numbers that the standard doesn't know."""

from __future__ import annotations

import json
import math
from typing import Any


def strict_json(value: Any) -> tuple[str, bool]:
    """A value as one line of JSON in ASCII, and whether null stands for a NaN or an infinity in it."""
    try:
        return json.dumps(value, allow_nan=False), False
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False), True


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return value
