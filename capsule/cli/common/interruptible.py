"""Work that Ctrl-C ends, wherever it sits."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from capsule.cli.common.exits import EXIT_INTERRUPTED, EXIT_TERMINATED, end_process

T = TypeVar("T")


def interruptibly(work: Callable[[], T]) -> T:
    """Does work that may sit in native code, so that Ctrl-C ends the process all the same.

    Raises what ``work`` raises, and `KeyboardInterrupt`, with every tool that a frontend runs killed.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def target() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, name="capsule-prepare", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt as interrupt:
        from capsule.frontend.process import end_children

        end_children()
        sys.stderr.write("interrupted\n")
        code = EXIT_INTERRUPTED if type(interrupt) is KeyboardInterrupt else EXIT_TERMINATED
        end_process(code)  # native code that compiles would keep the process for seconds
    if errors:
        raise errors[0]
    return results[0]
