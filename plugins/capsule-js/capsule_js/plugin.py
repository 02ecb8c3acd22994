"""The plugin that hands the JavaScript frontend to the host."""

from __future__ import annotations

from collections.abc import Iterable

from capsule.frontend.spec import Frontend, hookimpl

CONTRACT = "1.0"


@hookimpl
def capsule_frontends() -> Iterable[Frontend]:
    """The JavaScript frontend."""
    from capsule_js.frontend import JavaScriptFrontend

    return [JavaScriptFrontend()]
