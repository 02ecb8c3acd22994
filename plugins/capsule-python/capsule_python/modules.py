"""Which of the project's own modules a source imports, read from their text and never by running them.

Names resolve as in Python: first the source's own folder, then the nearest folder above it that has a
``capsule.toml`` or a ``pyproject.toml`` (a member of a monorepo), then the project root, then the folders
that ``[python] paths`` lists. ``src/`` belongs to a root or a member that has a ``pyproject.toml``, or in
whose ``src/`` the source lies. An own module wins over one of the standard library, except ``capsule``,
which is always the SDK. Imports are followed wherever they stand in a file, and in
``importlib.import_module("literal")``. A name that is computed can't be seen: import such a module
somewhere by its name.

Only code is taken along. Files beside it are not: a task reads them through ``allowed_files``.
"""

from __future__ import annotations

import ast
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from capsule.errors import BuildError, Location
from capsule_python.syntax import MODULE_NAME, SEES_ALL, Import, Parsed, parse
from capsule_python.tree import Tree

MAX_MODULES = 5000
MAX_TOTAL = 64 << 20
"""Bytes that all own modules of a program may have."""

SDK = "capsule"
_SETTINGS_FILES = ("capsule.toml", "pyproject.toml")
_END = 1 << 31

_STDLIB_ADDED = frozenset({"annotationlib", "compression"})
_STDLIB_REMOVED = frozenset(
    {
        "aifc",
        "asynchat",
        "asyncore",
        "audioop",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "imghdr",
        "imp",
    }
    | {"lib2to3", "mailcap", "msilib", "nis", "nntplib", "ossaudiodev", "pipes", "smtpd", "sndhdr", "spwd"}
    | {"sunau", "telnetlib", "uu", "xdrlib"}
)
STDLIB = (frozenset(sys.stdlib_module_names) | _STDLIB_ADDED) - _STDLIB_REMOVED
"""Top-level names of the standard library in the guest's Python, which can be newer than the host's."""


@dataclass(frozen=True, slots=True)
class Module:
    """An own module. ``file`` is relative to the project root; ``package`` is True for an ``__init__``."""

    name: str
    file: str
    package: bool
    source: bytes

    @property
    def parsed(self) -> Parsed:
        """Its tree and imports."""
        return parse(self.source)

    def absolute(self, imported: Import) -> str | None:
        """The dotted name that an import of this module's means; None for one that leaves its package."""
        if imported.level == 0:
            return imported.module
        parts = self.name.split(".") if self.package else self.name.split(".")[:-1]
        if imported.level > len(parts):
            return None
        base = parts[: len(parts) - imported.level + 1]
        return ".".join([*base, imported.module] if imported.module else base)


@dataclass(frozen=True, slots=True)
class Edge:
    """An import of own modules: the names of those that it executes, outermost package first."""

    line: int
    lazy: bool
    modules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Closure:
    """A source and every own module that it can import.

    ``modules`` starts with the source itself; ``edges`` has each module's imports of own modules, in
    the order of its lines. ``namespaces`` maps own packages without an ``__init__`` to their first
    folder. ``external`` holds the top-level names that are neither own, nor standard library, nor the SDK.
    """

    modules: tuple[Module, ...]
    edges: Mapping[str, tuple[Edge, ...]]
    namespaces: Mapping[str, str]
    external: frozenset[str]

    @property
    def entry(self) -> Module:
        """The source itself."""
        return self.modules[0]

    def stretches(self) -> Iterator[tuple[Module, int, int]]:
        """What runs when the source is loaded, in order: a module, and the lines after / up to.

        A module is interrupted at each line that imports an own module for the first time.
        """
        by_name = {module.name: module for module in self.modules}
        seen = {self.entry.name}
        stack = [(self.entry, self._eager(self.entry.name), 0)]
        while stack:
            module, imported, reached = stack.pop()
            following = next(((line, name) for line, name in imported if name not in seen), None)
            if following is None:
                yield module, reached, _END
                continue
            line, name = following
            seen.add(name)
            yield module, reached, line
            stack.append((module, imported, line))
            stack.append((by_name[name], self._eager(name), 0))

    def _eager(self, name: str) -> Iterator[tuple[int, str]]:
        for edge in self.edges[name]:
            if not edge.lazy:
                yield from ((edge.line, module) for module in edge.modules)


def search_folders(source: str, tree: Tree, paths: Sequence[str] = ()) -> tuple[str, ...]:
    """Where the own modules of a source are looked up, in order; "" is the project root.

    ``paths`` are the folders of ``[python] paths``, relative to the root.
    """
    folder = source.rpartition("/")[0]
    folders = [folder]
    member = _member(folder, tree)
    for root in ("",) if member is None else (member, ""):
        folders.append(root)
        src = f"{root}/src" if root else "src"
        within_src = folder == src or folder.startswith(f"{src}/")
        if within_src or (tree.is_folder(src) and tree.read(_in(root, "pyproject.toml")) is not None):
            folders.append(src)
    return tuple(dict.fromkeys((*folders, *paths)))


def _member(folder: str, tree: Tree) -> str | None:
    """The nearest folder at or above ``folder``, below the root, that has settings of its own."""
    while folder:
        if any(tree.read(f"{folder}/{name}") is not None for name in _SETTINGS_FILES):
            return folder
        folder = folder.rpartition("/")[0]
    return None


def _in(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def find_modules(source: str, tree: Tree, folders: tuple[str, ...]) -> Closure:
    """The source (a path relative to the project root) and the own modules that it imports.

    Raises `BuildError` for a source that is missing, too big, a link that leaves the project, or (when
    this Python is as new as the guest's) not Python.
    """
    content = tree.read(source)
    if content is None:
        raise BuildError("no such file", location=Location(source), hint="check the path")
    folder, _, filename = source.rpartition("/")
    name = filename.rpartition(".")[0] or filename
    if name == SDK:
        raise BuildError(
            "a source can't be named capsule.py: inside a sandbox, `capsule` is the SDK",
            location=Location(source),
            hint=f"rename it, for example to {folder + '/' if folder else ''}main.py",
        )
    # The engine is the program that starts; as in an imported module, `if __name__ == "__main__"` is false.
    entry = Module("main" if name == "__main__" else name, source, False, content)
    return _Finder(tree, folders).follow(entry)


class _Finder:
    def __init__(self, tree: Tree, folders: tuple[str, ...]) -> None:
        self._tree = tree
        self._folders = folders
        self._found: dict[str, Module | None] = {}
        # For each package, own or namespace: the folders its submodules are looked up in.
        self._portions: dict[str, tuple[str, ...]] = {"": folders}

    def follow(self, entry: Module) -> Closure:
        self._found[entry.name] = entry
        modules: dict[str, Module] = {}
        edges: dict[str, tuple[Edge, ...]] = {}
        external: set[str] = set()
        waiting = deque([entry])
        total = 0
        while waiting:
            module = waiting.popleft()
            if module.name in modules:
                continue
            modules[module.name] = module
            total += len(module.source)
            if len(modules) > MAX_MODULES or total > MAX_TOTAL:
                raise BuildError(
                    f"imports more than {MAX_MODULES} own modules or {MAX_TOTAL >> 20} MB of them",
                    location=Location(entry.file),
                    hint="put the source into a folder of its own, with only the modules that it needs",
                )
            problem = module.parsed.problem
            if problem is not None and SEES_ALL:
                raise problem.error(module.file)
            found: list[Edge] = []
            for imported in module.parsed.imports:
                chain: dict[str, Module] = {}
                for name in self._names(module, imported):
                    chain.update((own.name, own) for own in self._chain(name))
                    external.add(name.partition(".")[0])
                if chain:
                    found.append(Edge(imported.line, imported.lazy, tuple(chain)))
                    waiting.extend(chain.values())
            edges[module.name] = tuple(found)
        namespaces = {
            name: portions[0]
            for name, portions in sorted(self._portions.items())
            if self._found.get(name) is None and any(module.startswith(f"{name}.") for module in modules)
        }
        own = {name.partition(".")[0] for name in modules}
        return Closure(tuple(modules.values()), edges, namespaces, frozenset(external) - own - STDLIB - {SDK})

    def _names(self, module: Module, imported: Import) -> Iterator[str]:
        """The dotted names of everything that an import can mean."""
        name = module.absolute(imported)
        if not name:
            return
        yield name
        for wanted, _ in imported.names:
            if wanted != "*":
                if self._is_package(name):
                    yield f"{name}.{wanted}"
            elif (package := self._find(name)) is not None and package.package:
                yield from (f"{name}.{listed}" for listed in _listed_names(package))

    def _is_package(self, name: str) -> bool:
        self._find(name)
        return name in self._portions

    def _chain(self, name: str) -> list[Module]:
        """The own modules that importing a dotted name executes, outermost first."""
        parts = name.split(".")
        if parts[0] == SDK:
            return []
        chain = []
        for end in range(1, len(parts) + 1):
            prefix = ".".join(parts[:end])
            module = self._find(prefix)
            if module is not None:
                chain.append(module)
            elif prefix not in self._portions:
                break
        return chain

    def _find(self, name: str) -> Module | None:
        if name in self._found:
            return self._found[name]
        parent, _, last = name.rpartition(".")
        if parent:
            self._find(parent)
        module = None
        if MODULE_NAME.fullmatch(last) and name != SDK:
            module = self._search(name, last, self._portions.get(parent, ()))
        self._found[name] = module
        return module

    def _search(self, name: str, last: str, folders: tuple[str, ...]) -> Module | None:
        portions = []
        for folder in folders:
            base = f"{folder}/{last}" if folder else last
            is_folder = self._tree.is_folder(base)
            if is_folder:
                source = self._tree.read(f"{base}/__init__.py")
                if source is not None:
                    self._portions[name] = (base,)
                    return Module(name, f"{base}/__init__.py", True, source)
            source = self._tree.read(f"{base}.py")
            if source is not None:
                return Module(name, f"{base}.py", False, source)
            if is_folder:
                portions.append(base)
        # Python prefers any regular module on its path to a folder without `__init__`.
        if portions and name not in STDLIB:
            self._portions[name] = tuple(portions)
        return None


def _listed_names(package: Module) -> Iterator[str]:
    """The names in a literal ``__all__``: ``from package import *`` imports those that are submodules."""
    tree = package.parsed.tree
    for node in tree.body if tree else ():
        targets = node.targets if isinstance(node, ast.Assign) else ()
        if not any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            continue
        value = node.value if isinstance(node, ast.Assign) else None
        for element in value.elts if isinstance(value, (ast.List, ast.Tuple)) else ():
            if isinstance(element, ast.Constant) and isinstance(element.value, str):
                yield element.value
