"""What a user should know of the shared cache, said while a build goes on without it."""

from __future__ import annotations

from collections.abc import Callable

_show: Callable[[str], None] | None = None


def show_with(show: Callable[[str], None]) -> None:
    """Has notices shown by ``show``: the command line's own way. Without it, they are logged."""
    global _show
    _show = show


def notice(message: str) -> None:
    """Tells the user, or the program that embeds capsule (logger ``capsule.cache``)."""
    if _show is not None:
        _show(message)
        return
    import logging

    logging.getLogger("capsule.cache").warning(message)
