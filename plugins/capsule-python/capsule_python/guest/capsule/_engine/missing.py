"""What to write, or to use instead, where a module isn't there."""

from __future__ import annotations

import sys

from . import alternatives, program

ENTRY = "missing"
"""The program's entry that says where dependencies are written; ``{}`` in it stands for a distribution."""


def explain(error: ModuleNotFoundError) -> None:
    """Adds to the error's message what helps, for a module that no part of the program brings."""
    name = error.name
    if not name or "." in name or error.msg != f"No module named {name!r}":
        return
    if name in alternatives.STANDARD:
        error.msg = f"{error.msg}: a sandbox doesn't have it, since {alternatives.STANDARD[name]}"
    elif name.lstrip("_") in sys.stdlib_module_names or name in sys.stdlib_module_names:
        error.msg = f"{error.msg}: a sandbox doesn't have this part of the standard library"
    elif name in alternatives.NATIVE:
        instead = alternatives.NATIVE[name]
        error.msg = f"{error.msg}: it is native code, which a sandbox can't run; {instead}"
    else:
        where = program.entry(ENTRY)
        if where is not None:
            distribution = alternatives.DISTRIBUTIONS.get(name, name.replace("_", "-"))
            error.msg = f"{error.msg}: {where.replace('{}', distribution)}"
