"""What a person should know while the work goes on: said by the command line, or logged.

Nothing here stops anything. What must stop is an error.
"""

from __future__ import annotations

from collections.abc import Callable

_show: Callable[[str], None] | None = None
_said: set[str] = set()

_MOST_SAID = 1000


def show_with(show: Callable[[str], None]) -> None:
    """Has notices shown by ``show``: the command line's own way. Without it, they are logged."""
    global _show
    _show = show


def notice(message: str, *, logger: str) -> None:
    """Tells the user, or the program that embeds capsule (under the logger's name)."""
    if _show is not None:
        _show(message)
        return
    import logging

    logging.getLogger(logger).warning(message)


def notice_once(message: str, *, logger: str) -> None:
    """Tells it the first time in this process."""
    if message in _said or len(_said) >= _MOST_SAID:
        return
    _said.add(message)
    notice(message, logger=logger)
