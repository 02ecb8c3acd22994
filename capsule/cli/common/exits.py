"""What the command exits with, and how it does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

EXIT_OK = 0
EXIT_TASK_FAILED = 1
EXIT_USAGE = 2
EXIT_BUILD_FAILED = 3
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143

Farewell = Callable[[int], None]

_farewells: Final[list[Farewell]] = []


def before_the_end(farewell: Farewell) -> None:
    """Has ``farewell`` called with the exit code when all is said; it must not raise."""
    _farewells.append(farewell)


def end_process(code: int) -> NoReturn:
    """Ends the process at once: what is buffered is written, and nothing else is taken down.

    That takes time, and is no place for the threads of wasmtime.
    """
    with suppress(OSError, ValueError):  # whoever reads has gone
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    for farewell in _farewells:
        farewell(code)
    os._exit(code)
