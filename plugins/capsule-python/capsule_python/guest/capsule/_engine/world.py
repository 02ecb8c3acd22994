"""The engine's exports."""

from __future__ import annotations

import importlib

import wit_world  # type: ignore[import-not-found]
from componentize_py_types import Err  # type: ignore[import-not-found]
from wit_world.imports import program as host_program  # type: ignore[import-not-found]

from . import (
    calls,
    compiler,
    failure,
    interpreter,  # noqa: F401 - for the programs that run code of no file
    output,
    program,
)


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """The component's exports; none of them lets an exception of Python's out."""

    def load(self) -> None:
        """Imports the program's entry module."""
        global _main
        try:
            loaded = program.Program(host_program.get)
            _main = loaded.main
            program.install(loaded)
            importlib.import_module(_main)
        except BaseException as error:
            raise Err(failure.to_json(error, _load_kind(error))) from None
        finally:
            output.flush()

    def run(self, call: str) -> str:
        """Runs one task."""
        return calls.run(call, _main)

    def declared(self) -> str:
        """The tasks that the program registered, as JSON."""
        return calls.declared(_main)

    def compile(self, request: str) -> str:
        """Compiles modules, as JSON."""
        return compiler.compile_modules(request)


def _load_kind(error: BaseException) -> str:
    kind = failure.classify(error)
    return "load_error" if kind == "task_error" else kind


_main = ""
