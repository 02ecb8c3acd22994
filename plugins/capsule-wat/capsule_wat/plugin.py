"""The plugin that hands the WAT frontend to the host."""

from __future__ import annotations

from collections.abc import Iterable

from capsule.frontend.spec import Frontend, hookimpl

CONTRACT = "1.0"


@hookimpl
def capsule_frontends() -> Iterable[Frontend]:
    """The WAT frontend."""
    from capsule_wat.frontend import WatFrontend

    return [WatFrontend()]
