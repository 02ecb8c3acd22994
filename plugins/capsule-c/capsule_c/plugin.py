"""The plugin that hands the C frontend to the host."""

from __future__ import annotations

from collections.abc import Iterable

from capsule.frontend.spec import Frontend, hookimpl

CONTRACT = "1.0"


@hookimpl
def capsule_frontends() -> Iterable[Frontend]:
    """The C frontend."""
    from capsule_c.frontend import CFrontend

    return [CFrontend()]
