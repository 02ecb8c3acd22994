"""The end of the process: no sandbox may call into an interpreter that is being taken down.

wasmtime calls our functions on threads of its own, also when a sandbox is gone already: what guests
write is handed over, and let go of, late. Python before 3.14 ends a thread that comes for its lock
during finalization; Rust answers that by aborting the process, after the work was done.
"""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Sized

from capsule.runtime.interrupt import clock

PATIENCE = 1.5
"""Seconds that are spent on it. A sandbox that blocks in a WASI call does not come back in time."""

SETTLED = 0.02
"""Seconds of quiet after which it is over: a task that waited for a place may only now begin, and end,
and a thread that has done its work needs a moment to leave the interpreter."""


def end_sandboxes() -> None:
    """Cancels what still runs, and waits until wasmtime has let go of every stream."""
    if "wasmtime" not in sys.modules:  # no sandbox was ever in this process
        return
    from wasmtime._wasi import CUSTOM_OUTPUTS

    if _quiet(CUSTOM_OUTPUTS.handles):
        return
    clock.cancel_all()
    now = quiet_since = time.monotonic()
    end = now + PATIENCE
    while now - quiet_since < SETTLED and now < end:
        time.sleep(0.001)
        now = time.monotonic()
        if not _quiet(CUSTOM_OUTPUTS.handles):
            quiet_since = now


def _quiet(streams: Sized) -> bool:
    return clock.idle and not streams


atexit.register(end_sandboxes)
