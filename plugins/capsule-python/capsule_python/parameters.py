"""What a task's function takes, as far as its annotations tell: for words of a command line."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from capsule.frontend.spec import JsonType, Parameter

_NAMES: dict[str, frozenset[JsonType]] = {
    "int": frozenset({"integer"}),
    "float": frozenset({"number"}),
    "bool": frozenset({"boolean"}),
    "str": frozenset({"string"}),
    "None": frozenset({"null"}),
    **dict.fromkeys(
        ("list", "List", "tuple", "Tuple", "Sequence", "MutableSequence"), frozenset[JsonType]({"array"})
    ),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), frozenset[JsonType]({"object"})),
}
_UNKNOWN: frozenset[JsonType] = frozenset()
_DEEPEST = 20


def parameters_of(
    function: ast.FunctionDef | ast.AsyncFunctionDef, rebound: Collection[str]
) -> tuple[Parameter, ...]:
    """The positional parameters, in order. ``rebound`` are names with another meaning in the module."""
    arguments = function.args
    found = [
        Parameter(argument.arg, _types(argument.annotation, rebound))
        for argument in (*arguments.posonlyargs, *arguments.args)
    ]
    if arguments.vararg is not None:
        rest = arguments.vararg
        found.append(Parameter(rest.arg, _types(rest.annotation, rebound), rest=True))
    return tuple(found)


def rebound_names(tree: ast.Module) -> frozenset[str]:
    """The names of types that the module binds to something else than `typing` and its kin do."""
    bound: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            bound.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            if node.module not in ("typing", "typing_extensions", "collections.abc", "builtins"):
                bound.update(alias.asname or alias.name for alias in node.names)
            bound.update(alias.asname for alias in node.names if alias.asname not in (None, alias.name))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            bound.add(node.id)
    return frozenset(bound & (_NAMES.keys() | {"Optional", "Union", "Literal", "Annotated"}))


def _types(annotation: ast.expr | None, rebound: Collection[str], depth: int = 0) -> tuple[JsonType, ...]:
    return tuple(sorted(_read(annotation, rebound, depth)))


def _read(annotation: ast.expr | None, rebound: Collection[str], depth: int) -> frozenset[JsonType]:
    """The types of an annotation; none at all when a part of it is not among those that are known."""
    if annotation is None or depth > _DEEPEST:
        return _UNKNOWN
    match annotation:
        case ast.Constant(value=None):
            return _NAMES["None"]
        case ast.Constant(value=str(text)):
            try:
                return _read(ast.parse(text, mode="eval").body, rebound, depth + 1)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return _UNKNOWN
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _union((left, right), rebound, depth)
        case ast.Subscript(value=value, slice=inner):
            name = _name(value, rebound)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name == "Optional":
                return _union((inner, ast.Constant(None)), rebound, depth)
            if name == "Union":
                return _union(parts, rebound, depth)
            if name == "Annotated":
                return _read(parts[0], rebound, depth + 1)
            if name == "Literal":
                return _literals(parts)
            return _NAMES.get(name, _UNKNOWN)
    return _NAMES.get(_name(annotation, rebound), _UNKNOWN)


def _union(parts: Collection[ast.expr], rebound: Collection[str], depth: int) -> frozenset[JsonType]:
    read = [_read(part, rebound, depth + 1) for part in parts]
    return frozenset().union(*read) if all(read) else _UNKNOWN


def _literals(parts: Collection[ast.expr]) -> frozenset[JsonType]:
    return frozenset().union(*_literal_types(parts)) if parts else _UNKNOWN


def _literal_types(parts: Collection[ast.expr]) -> Iterator[frozenset[JsonType]]:
    for part in parts:
        value = part.value if isinstance(part, ast.Constant) else "unknown"
        yield _NAMES.get(type(value).__name__ if value is not None else "None", _NAMES["str"])


def _name(node: ast.expr, rebound: Collection[str]) -> str:
    """The last part of a name like ``Optional`` or ``typing.Optional``; empty for what is none of these."""
    if isinstance(node, ast.Name):
        return "" if node.id in rebound else node.id
    if isinstance(node, ast.Attribute) and isinstance(node.value, (ast.Name, ast.Attribute)):
        return node.attr
    return ""
