"""Does a package with native code work without it?

Wheels for Linux often carry ``.so`` modules that only make faster what is there in Python as well. The
engine can't load them, so they are left out; what decides is how the distribution's own modules import
them. A native module can be left out when a ``.py`` of the same name lies beside it, or when what
imports it is prepared for its absence: ``try: ... except ImportError: ...`` without another ``raise``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from capsule_python.syntax import parse_tree

KNOWN_FALLBACKS = frozenset({"sqlalchemy", "zope-interface"})
"""Distributions that do without their native modules, in a way that their text doesn't show.

SQLAlchemy imports all of them inside one function, and calls that under ``try``; zope.interface keeps
the error and raises it only for those who asked for the native half.
"""

_EXTENSION = re.compile(r"(\.(cpython|abi|cp|pypy|graalpy)[\w-]*)?\.(so|pyd|dylib)$")
_TAGGED = re.compile(r"\.(cpython|abi3|cp)[\w-]*\.so$")
_LIBRARY = re.compile(r"\.(so|dylib|dll)(\.[\d.]+)?$")
_NAME = re.compile(r"[^\s./]+")
"""A part of a module's name: `import_module` takes those that a statement can't say (``unicode17-0-0``)."""
_TESTS = re.compile(r"(^|/)(tests?|testing)/")
_MANY = 12
"""More native modules without Python beside them than any distribution has that does without."""

_LARGEST_PARSED = 4 << 20
"""Bytes of a source that is looked through; its tree takes a hundred times as many."""

_MISSING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True, slots=True)
class _Site:
    """One import inside the distribution. ``guarded``: its failing is foreseen; ``sure``: it always runs."""

    importer: str
    imported: str
    guarded: bool
    sure: bool


def is_native(path: str) -> bool:
    """Whether a file of a wheel holds native code."""
    return bool(_EXTENSION.search(path) or _LIBRARY.search(path))


def module_name(path: str) -> tuple[str, bool] | None:
    """The module that a file of the site folder is, and whether it is a package; None for other files."""
    suffix = _EXTENSION.search(path) if not path.endswith(".py") else None
    stem = path[:-3] if path.endswith(".py") else path[: suffix.start()] if suffix else None
    if stem is None:
        return None
    parts = stem.split("/")
    package = parts[-1] == "__init__" and len(parts) > 1
    if package:
        parts.pop()
    return (".".join(parts), package) if all(map(_NAME.fullmatch, parts)) else None


def needed_native_file(distribution: str, sources: Mapping[str, bytes], natives: list[str]) -> str | None:
    """The first native file (a path) without which the distribution can't work; None when there is none.

    ``sources`` maps the paths of its Python files to their content.
    """
    if distribution in KNOWN_FALLBACKS or not natives:
        return None
    python = {name for path in sources if (found := module_name(path)) for name in [found[0]]}
    missing: dict[str, str] = {}
    for path in sorted(natives):
        found = module_name(path)
        if found is None or path.partition("/")[0].endswith(".libs"):
            # A library beside the extension modules: it counts with whatever loads it.
            continue
        # The helper module that mypyc puts beside the modules it compiled is only imported by those.
        if found[0] not in python and not found[0].endswith("__mypyc"):
            missing[found[0]] = path
    if not missing:
        return None
    if len(missing) > _MANY:
        return min(missing.values(), key=_interest)
    tested = {path: source for path, source in sources.items() if not _TESTS.search(path)}
    return _first_needed(missing, list(_sites(tested, python | missing.keys())))


def _first_needed(missing: Mapping[str, str], sites: list[_Site]) -> str | None:
    guarded = {site.imported for site in sites if site.guarded}
    broken = dict(missing)
    growing = True
    while growing:
        growing = False
        for site in sites:
            if site.imported not in broken or site.importer in broken or site.guarded:
                continue
            if site.sure or site.imported not in guarded:
                broken[site.importer] = broken[site.imported]
                growing = True
    # A library without the tag of a Python version is none for `import`: something loads it by path.
    untagged = {name for name, path in missing.items() if not _TAGGED.search(path)}
    # Bearable is what is guarded, what is private and not imported at all (aliases of old names, native
    # modules for tests), and what nothing but bearable modules import.
    imported = {site.imported for site in sites}
    bearable = {
        name for name in broken if name in guarded or (_is_private(name) and name not in imported | untagged)
    }
    # A package that can't be imported itself is of no use, whatever its parts are prepared for.
    hopeless = {name for name in broken if "." not in name and name not in missing and not _is_private(name)}
    bearable -= hopeless
    growing = True
    while growing:
        growing = False
        for name in broken.keys() - bearable - hopeless:
            importers = {site.importer for site in sites if site.imported == name and site.importer in broken}
            if importers and importers <= bearable:
                bearable.add(name)
                growing = True
    needed = [broken[name] for name in broken.keys() - bearable]
    return min(needed, key=_interest, default=None)


def _interest(path: str) -> tuple[bool, str]:
    """Orders files by how much they tell a user about why a package can't work."""
    return "test" in path, path


def _is_private(name: str) -> bool:
    return any(part.startswith("_") and not part.startswith("__") for part in name.split("."))


def _sites(sources: Mapping[str, bytes], known: set[str]) -> Iterator[_Site]:
    for path, source in sources.items():
        found = module_name(path)
        if found is None:
            continue
        try:
            tree = parse_tree(source) if len(source) <= _LARGEST_PARSED else ast.Module([], [])
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
        name, package = found
        for node, guarded, sure in _walk(tree):
            for imported in _imported(node, name, package):
                # That a module imports the package it lies in says nothing: the package has run by then.
                if imported in known and not f"{name}.".startswith(f"{imported}."):
                    yield _Site(name, imported, guarded, sure)


def _imported(node: ast.AST, name: str, package: bool) -> Iterator[str]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name
    elif isinstance(node, ast.ImportFrom):
        base = node.module or ""
        if node.level:
            parts = name.split(".") if package else name.split(".")[:-1]
            outer = parts[: len(parts) - node.level + 1]
            base = ".".join([*outer, base] if base else outer)
        yield base
        for alias in node.names:
            yield f"{base}.{alias.name}"


def _walk(tree: ast.Module) -> Iterator[tuple[ast.AST, bool, bool]]:
    """Imports, with: is an ImportError of it handled, and does it run whenever the module does."""
    stack: list[tuple[ast.AST, bool, bool]] = [(node, False, True) for node in reversed(tree.body)]
    while stack:
        node, guarded, sure = stack.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node, guarded, sure
            continue
        if isinstance(node, ast.Try) and any(_handles_absence(handler) for handler in node.handlers):
            stack.extend((child, True, sure) for child in node.body)
            rest = [*node.handlers, *node.orelse, *node.finalbody]
            stack.extend((child, guarded, False) for child in rest)
            continue
        if isinstance(node, (ast.With, ast.AsyncWith)) and any(map(_suppresses_absence, node.items)):
            stack.extend((child, True, sure) for child in node.body)
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            stack.extend((child, guarded, False) for child in node.orelse)
            continue
        optional = isinstance(
            node, (ast.If, ast.For, ast.While, ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef)
        )
        stack.extend((child, guarded, sure and not optional) for child in ast.iter_child_nodes(node))


def _names(node: ast.expr | None) -> set[str]:
    nodes = node.elts if isinstance(node, ast.Tuple) else [node] if node is not None else []
    return {name.attr if isinstance(name, ast.Attribute) else getattr(name, "id", "") for name in nodes}


def _handles_absence(handler: ast.ExceptHandler) -> bool:
    catches = handler.type is None or bool(_names(handler.type) & _MISSING)
    # A `raise` under a condition is for those who asked for it.
    return catches and not any(isinstance(statement, ast.Raise) for statement in handler.body)


def _suppresses_absence(item: ast.withitem) -> bool:
    call = item.context_expr
    if not isinstance(call, ast.Call):
        return False
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name == "suppress" and any(_names(argument) & _MISSING for argument in call.args)
