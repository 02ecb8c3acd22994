"""Reads JSON that a sandbox wrote, without stopping the rest of the process for longer than it must."""

from __future__ import annotations

import gc
import json
import threading
from typing import Any

SMALL = 100_000
"""Characters below which the collector has no time to matter."""

_alone = threading.Lock()


def read_json(text: str) -> Any:
    """The value of a JSON text, bounded by its caller. Raises `ValueError` and `RecursionError`."""
    if len(text) < SMALL:
        return json.loads(text)
    # Parsing holds the interpreter's lock from start to end. With the collector on, which goes through
    # all that was made so far again and again, 60 MB of empty lists took 20 s; without it they take 3.
    with _alone:
        collecting = gc.isenabled()
        gc.disable()
        try:
            return json.loads(text)
        finally:
            if collecting:
                gc.enable()
