"""Finds and loads the modules of the program, by name, from the entries that a frontend made.

The entries are described in the guest's README.
"""

# Paths here are the import system's own text.
# ruff: noqa: PTH112, PTH120, PTH123

from __future__ import annotations

import binascii
import importlib.readers
import json
import marshal
import os
import sys
import types
from collections.abc import Callable, Iterator
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from typing import Any

from . import stdlib

DATA = "/app"
"""Where the host mounts the program's files."""


class Program:
    """A program's entries: modules by dotted name, fetched when they are first asked for."""

    def __init__(self, get: Callable[[str], str | None]) -> None:
        self.get = get
        header, _, module = (get("main") or "{}\n").partition("\n")
        described = json.loads(header)
        self.main: str = described["module"]
        self.own = frozenset(described.get("own", ()))
        self.packages = frozenset(described.get("packages", ()))
        self._waiting = {self.main: module}

    def entry(self, name: str) -> str | None:
        """The text of a module's entry, or None when the program has no such module."""
        top = name.partition(".")[0]
        if top not in self.own and top not in self.packages:
            return None
        return self._waiting.pop(name, None) or self.get(f"module:{name}")

    def source(self, name: str) -> str | None:
        """A module's source text, where the frontend kept it."""
        return self.get(f"source:{name}")

    def children(self, package: str) -> list[tuple[str, bool]]:
        """The modules directly in a package, and whether each is a package."""
        names = (self.get(f"children:{package}") or "").split()
        return [(name.rstrip("/"), name.endswith("/")) for name in names]


class ProgramLoader(InspectLoader):
    """Loads one module of the program; also what ``importlib.resources`` and ``pkgutil`` ask."""

    def __init__(self, program: Program, name: str, entry: str) -> None:
        header, _, code = entry.partition("\n")
        kind, _, self.path = header.partition(" ")
        self._program = program
        self._name = name
        self._is_package = kind == "package"
        self._code: str | types.CodeType = code

    def create_module(self, spec: ModuleSpec) -> None:
        """Leaves the module to importlib."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Runs the module's top level."""
        exec(self.get_code(self._name), module.__dict__)  # noqa: S102 - this is what a loader does

    def get_code(self, fullname: str) -> types.CodeType:
        """The module's code object."""
        if isinstance(self._code, str):
            self._code = marshal.loads(binascii.a2b_base64(self._code))  # noqa: S302 - made by our compiler
        assert isinstance(self._code, types.CodeType)
        return self._code

    def get_source(self, fullname: str) -> str | None:
        """The module's source text, for tracebacks and ``inspect``."""
        return self._program.source(fullname)

    def get_filename(self, fullname: str) -> str:
        """The module's ``__file__``."""
        return self.path

    def is_package(self, fullname: str) -> bool:
        """Whether the module is a package."""
        return self._is_package

    def get_data(self, path: str) -> bytes:
        """The content of a data file, for ``pkgutil.get_data``."""
        with open(locate(path), "rb") as file:
            return file.read()

    def get_resource_reader(self, fullname: str) -> Any:
        """For ``importlib.resources``."""
        located = types.SimpleNamespace(path=locate(self.path))
        return importlib.readers.FileReader(located)  # type: ignore[arg-type]


class ProgramFinder(MetaPathFinder):
    """Finds the modules of one half of the program: the user's own, or its packages."""

    def __init__(self, program: Program, tops: frozenset[str]) -> None:
        self._program = program
        self._tops = tops

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """The spec of a module of the program, or None."""
        if fullname.partition(".")[0] not in self._tops:
            return None
        entry = self._program.entry(fullname)
        return None if entry is None else spec_for(self._program, fullname, entry)


class PackageFolder:
    """What ``pkgutil`` gets for a package's ``__path__``: the folder has no files, the program has."""

    def __init__(self, program: Program, package: str) -> None:
        self._program = program
        self._package = package

    def find_spec(self, fullname: str, target: object = None) -> ModuleSpec | None:
        """The spec of a module in this package, or None."""
        entry = self._program.entry(fullname)
        return None if entry is None else spec_for(self._program, fullname, entry)

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """The package's modules, as ``pkgutil.iter_modules`` wants them."""
        for name, is_package in self._program.children(self._package):
            yield prefix + name, is_package


def spec_for(program: Program, name: str, entry: str) -> ModuleSpec:
    """The spec of a module whose entry is at hand."""
    loader = ProgramLoader(program, name, entry)
    is_package = loader.is_package(name)
    spec = ModuleSpec(name, loader, origin=loader.path, is_package=is_package)
    spec.has_location = True
    if is_package:
        folder = os.path.dirname(loader.path)
        spec.submodule_search_locations = [folder]
        _folders[folder] = PackageFolder(program, name)
    return spec


_folders: dict[str, PackageFolder] = {}
_installed: list[Program] = []


def entry(name: str) -> str | None:
    """An entry of the program that is installed; None without it."""
    return _installed[-1].get(name) if _installed else None


def _path_hook(path: str) -> PackageFolder:
    try:
        return _folders[path]
    except KeyError:
        raise ImportError(path) from None


def locate(path: str) -> str:
    """Where a module's file or its neighbours really are: the user's own come mounted as well."""
    if path.startswith(DATA + "/") or os.path.isdir(os.path.dirname(path)):
        return path
    return f"{DATA}/{path}"


def install(program: Program) -> None:
    """Makes the program importable: own modules before the standard library, packages after it."""
    for name in program.own & stdlib.LOADED_NAMES:
        for loaded in [key for key in sys.modules if key == name or key.startswith(f"{name}.")]:
            del sys.modules[loaded]
    built_in = [finder for finder in sys.meta_path if finder is not PathFinder]
    builtins = [finder for finder in built_in if not isinstance(finder, stdlib.Finder)]
    library = [finder for finder in built_in if isinstance(finder, stdlib.Finder)]
    own = ProgramFinder(program, program.own)
    packages = ProgramFinder(program, program.packages)
    sys.meta_path[:] = [own, *builtins, *library, packages, PathFinder]
    sys.path_hooks.insert(0, _path_hook)
    _installed.append(program)
    sys.argv[:] = [spec_name(program)]


def spec_name(program: Program) -> str:
    """The entry module's file, as ``sys.argv[0]``."""
    entry = program.entry(program.main) or ""
    program._waiting[program.main] = entry
    return entry.partition("\n")[0].partition(" ")[2]
