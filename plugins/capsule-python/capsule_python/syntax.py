"""One parse of a Python source: its tree, and what it imports.

Sources are for the guest's Python, which can be newer than the host's. What this Python can't parse is
therefore not an error yet: such a source has no tree, its imports are read line by line, and the
engine's own compiler says whether it is wrong.
"""

from __future__ import annotations

import ast
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from capsule.errors import BuildError, Location

GUEST_PYTHON = (3, 14)
"""The version of Python in the engine."""

SEES_ALL = sys.version_info[:2] >= GUEST_PYTHON
"""Whether this Python knows everything that the guest's does, so that its problems are the guest's."""

_MAX_SHOWN_LINE = 200
_parsing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module.

    ``names`` is what ``from module import ...`` asks of it, as (name, bound as); ``alias`` is the x of
    ``import module as x``. ``lazy`` imports stand in a function.
    """

    module: str
    level: int
    line: int
    names: tuple[tuple[str, str], ...] = ()
    lazy: bool = False
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Why a source can't be parsed. ``line`` and ``offset`` count from 1."""

    message: str
    line: int | None
    text: str | None
    offset: int | None

    def error(self, file: str) -> BuildError:
        """The error to show: the user's file and line, the line itself and a caret below it."""
        shown = ""
        if self.text is not None and self.text.strip():
            line = self.text.splitlines()[0]
            stripped = line.lstrip()[:_MAX_SHOWN_LINE]
            shown = f"\n    {stripped.rstrip()}"
            if self.offset:
                column = self.offset - 1 - (len(line) - len(line.lstrip()))
                if 0 <= column <= len(stripped):
                    shown += f"\n    {' ' * column}^"
        return BuildError(
            f"syntax error: {self.message}{shown}",
            hint="correct the line and run again",
            location=Location(file, self.line),
        )


@dataclass(frozen=True, slots=True)
class Parsed:
    """A source as far as this Python understands it; ``tree`` is None when ``problem`` is set."""

    tree: ast.Module | None
    imports: tuple[Import, ...]
    problem: SyntaxProblem | None = None


@lru_cache(maxsize=1024)
def parse(source: bytes) -> Parsed:
    """Parses a source, once for each content in the life of the process."""
    try:
        tree = parse_tree(source)
        imports = tuple(_imports(tree.body, lazy=False))
    except SyntaxError as error:
        return _unparsed(source, SyntaxProblem(error.msg, error.lineno, error.text, error.offset))
    except (RecursionError, MemoryError):
        return _unparsed(source, SyntaxProblem("the code is nested too deeply", None, None, None))
    except ValueError as error:
        return _unparsed(source, SyntaxProblem(str(error), None, None, None))
    return Parsed(tree, imports)


def parse_tree(source: bytes) -> ast.Module:
    """The tree of a source, and nothing on stderr about it. Raises what `ast.parse` raises."""
    # The filters are the process's: two threads that put them back must not cross.
    with _parsing, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(source)


def _unparsed(source: bytes, problem: SyntaxProblem) -> Parsed:
    return Parsed(None, tuple(_scanned_imports(source)), problem)


def _imports(nodes: Iterable[ast.AST], *, lazy: bool) -> Iterator[Import]:
    # A stack of our own, because a deeply nested source must not exhaust ours.
    stack = [(node, lazy) for node in reversed(list(nodes))]
    while stack:
        node, lazy = stack.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, 0, node.lineno, lazy=lazy, alias=alias.asname)
            continue
        if isinstance(node, ast.ImportFrom):
            names = tuple((alias.name, alias.asname or alias.name) for alias in node.names)
            yield Import(node.module or "", node.level, node.lineno, names, lazy)
            continue
        if isinstance(node, ast.Call):
            name = _literal_import(node)
            if name is not None:
                yield Import(name, 0, node.lineno, lazy=lazy)
        if isinstance(node, ast.If) and _is_type_checking(node.test):
            stack.extend((child, lazy) for child in reversed(node.orelse))
            continue
        inside = lazy or isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
        stack.extend((child, inside) for child in reversed(list(ast.iter_child_nodes(node))))


def _literal_import(call: ast.Call) -> str | None:
    """The module that ``importlib.import_module("name")`` or ``__import__("name")`` asks for."""
    function = call.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", None)
    if name not in ("import_module", "__import__") or not call.args:
        return None
    argument = call.args[0]
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        return argument.value if all(map(MODULE_NAME.fullmatch, argument.value.split("."))) else None
    return None


def _is_type_checking(test: ast.expr) -> bool:
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


MODULE_NAME = re.compile(r"[\w-]+")
"""A part of a module's name; a statement says fewer of them than a call does."""

_FROM = re.compile(r"^\s*from\s+(\.*)\s*([\w.]*)\s+import\s+(.*)$")
_IMPORT = re.compile(r"^\s*import\s+([\w., \t]+)")
_NAME = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")


def _scanned_imports(source: bytes) -> Iterator[Import]:
    lines = source.decode("utf-8", "replace").splitlines()
    for number, line in enumerate(lines, 1):
        if match := _FROM.match(line):
            wanted = match[3].split("#")[0]
            if wanted.lstrip().startswith("(") and ")" not in wanted:
                for following in lines[number : number + 500]:
                    wanted += " " + following.split("#")[0]
                    if ")" in following:
                        break
            names = tuple((name[1], name[2] or name[1]) for name in _NAME.finditer(wanted))
            yield Import(match[2], len(match[1]), number, (("*", "*"),) if "*" in wanted else names)
        elif match := _IMPORT.match(line):
            for part in match[1].split(","):
                name = part.split(" as ")[0].strip()
                if name and all(piece.isidentifier() for piece in name.split(".")):
                    yield Import(name, 0, number)
