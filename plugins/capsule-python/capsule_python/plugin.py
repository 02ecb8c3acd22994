"""The plugin that hands the Python frontend to the host."""

from __future__ import annotations

from collections.abc import Iterable

from capsule.frontend.spec import Frontend, hookimpl

CONTRACT = "1.1"


@hookimpl
def capsule_frontends() -> Iterable[Frontend]:
    """The Python frontend."""
    from capsule_python.frontend import PythonFrontend

    return [PythonFrontend()]
