"""The exports of a component whose program was loaded when it was made."""

# Paths here are the import system's own text.
# ruff: noqa: PTH123

from __future__ import annotations

import importlib
import json

import wit_world  # type: ignore[import-not-found]

from . import (
    calls,
    failure,
    host,
    interpreter,  # noqa: F401 - for the programs that run code of no file
    output,
    prepare,
    program,
)

FAILED = "capsule-snapshot-failed:"
"""Stands before the JSON account of an error in the program's top level, in the toolchain's output."""


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """The component's exports; none of them lets an exception of Python's out."""

    def run(self, call: str) -> str:
        """Runs one task."""
        return calls.run(call, _main)


def load(path: str) -> None:
    """Loads the program whose entries are in a JSON file.

    Raises RuntimeError with `FAILED` and a JSON object when the program's top level fails.
    """
    global _main
    with open(path, encoding="utf-8") as file:
        entries: dict[str, str] = json.load(file)
    prepare.close_paths()
    host.sealed = True
    try:
        loaded = program.Program(entries.get)
        _main = loaded.main
        program.install(loaded)
        importlib.import_module(_main)
    except BaseException as error:
        described = {**failure.describe(error), "place": failure.place(error)}
        raise RuntimeError(FAILED + json.dumps(described)) from None
    finally:
        # What stays in the buffers would be printed by every sandbox.
        output.flush()
        host.sealed = False


_main = ""
