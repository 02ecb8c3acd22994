"""Host tools: functions of the program that starts a run, which a sandbox may call by name.

Inside a sandbox this is the name under which task code finds them, as in ``tools.search("x")``.
"""

from __future__ import annotations

from typing import NoReturn


def __getattr__(name: str) -> NoReturn:
    raise AttributeError(
        f"there is no tool {name!r} outside of a sandbox: tools are given to a run, as in "
        f"run(..., tools=[{name}])"
    )
