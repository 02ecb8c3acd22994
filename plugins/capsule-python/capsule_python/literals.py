"""The values of expressions that are literals, or made of literals and module constants.

Nothing is executed. What a text can make huge with few letters (powers, repetition) is bounded.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from capsule.frontend.spec import Json

MAX_SIZE = 1 << 20
"""Characters or elements that a value may have in all."""

_MAX_BITS = 4096
_MAX_DEPTH = 50

_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.LShift: operator.lshift,
}


class NotLiteral(Exception):
    """An expression whose value can't be read. ``reason`` completes "it can't be read: ..."."""

    def __init__(self, node: ast.AST, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line: int | None = getattr(node, "lineno", None)


@dataclass(frozen=True, slots=True)
class Constants:
    """The names that a module binds exactly once, at its top level, to an expression.

    ``changed`` holds the names whose values the module seems to change in place.
    """

    bound: dict[str, ast.expr]
    changed: frozenset[str]


def find_constants(tree: ast.Module) -> Constants:
    """Reads off the module constants: names that nothing else in the module binds or changes."""
    values: dict[str, ast.expr] = {}
    bindings: dict[str, int] = {}
    changed: set[str] = set()

    def bind(name: str) -> None:
        bindings[name] = bindings.get(name, 0) + 1

    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                values[name] = value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                values[name] = value
    for node, inside in _walk_scopes(tree):
        if isinstance(node, ast.Global):
            for name in node.names:
                bindings[name] = bindings.get(name, 0) + 2
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.value, ast.Name):
            if isinstance(node, ast.Attribute) or not isinstance(node.ctx, ast.Load):
                changed.add(node.value.id)
        elif inside:
            continue
        elif isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            bind(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            bind(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                bind((alias.asname or alias.name).partition(".")[0])
        elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
            bind(node.name)
        elif isinstance(node, ast.MatchMapping) and node.rest:
            bind(node.rest)
    if bindings.get("*"):
        # A star import may bind anything.
        return Constants({}, frozenset())
    return Constants(
        {name: value for name, value in values.items() if bindings.get(name) == 1}, frozenset(changed)
    )


def evaluate(node: ast.expr, constants: Constants) -> Json:
    """The value of an expression: as JSON has it, tuples included. Raises `NotLiteral`."""
    value = _evaluate(node, constants, 0)
    if _size(value) > MAX_SIZE:
        raise NotLiteral(node, "its value is too large")
    return value


def _evaluate(node: ast.expr, constants: Constants, depth: int) -> Json:
    depth += 1
    if depth > _MAX_DEPTH:
        raise NotLiteral(node, "it is nested too deeply, or defined by itself")
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.List(elts=elements):
            return [_evaluate(element, constants, depth) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_evaluate(element, constants, depth) for element in elements)
        case ast.Dict(keys=keys, values=items):
            pairs = []
            for key, item in zip(keys, items, strict=True):
                if key is None:
                    raise NotLiteral(node, "it unpacks another dictionary")
                name = _evaluate(key, constants, depth)
                if not isinstance(name, str):
                    raise NotLiteral(key, "its keys aren't all strings")
                pairs.append((name, _evaluate(item, constants, depth)))
            return dict(pairs)
        case ast.Name(id=name):
            return _constant(node, name, constants, depth)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            number = _evaluate(operand, constants, depth)
            if not isinstance(number, (int, float)):
                raise NotLiteral(node, "it puts a sign before something that isn't a number")
            return -number if isinstance(sign, ast.USub) else +number
        case ast.BinOp(left=left, op=sign, right=right):
            return _combine(node, sign, _evaluate(left, constants, depth), _evaluate(right, constants, depth))
        case ast.JoinedStr(values=parts):
            return "".join(_formatted(part, constants, depth) for part in parts)
        case _:
            raise NotLiteral(node, f"it is {_described(node)}")


def _constant(node: ast.expr, name: str, constants: Constants, depth: int) -> Json:
    if name not in constants.bound:
        raise NotLiteral(node, f"{name!r} isn't bound exactly once to a literal in this module")
    value = _evaluate(constants.bound[name], constants, depth)
    if name in constants.changed and isinstance(value, (list, dict)):
        raise NotLiteral(node, f"{name!r} may be changed after it was bound")
    return value


def _combine(node: ast.expr, sign: ast.operator, left: Json, right: Json) -> Json:
    function = _ARITHMETIC.get(type(sign))
    numbers = all(isinstance(value, (int, float)) for value in (left, right))
    joined = isinstance(sign, ast.Add) and type(left) is type(right) and isinstance(left, (str, list, tuple))
    try:
        if isinstance(sign, ast.Pow) and numbers and abs(left) <= 1 << 64 and 0 <= right <= 64:
            return left**right
        if function is None or not (numbers or joined):
            raise NotLiteral(node, "it is more than arithmetic on numbers or joined text")
        if isinstance(sign, ast.LShift) and right > _MAX_BITS:
            raise NotLiteral(node, "its value is too large")
        value = function(left, right)
    except (ArithmeticError, ValueError, TypeError) as error:
        raise NotLiteral(node, f"its arithmetic fails ({error})") from None
    if (isinstance(value, int) and value.bit_length() > _MAX_BITS) or (joined and len(value) > MAX_SIZE):
        raise NotLiteral(node, "its value is too large")
    return value


def _formatted(part: ast.expr, constants: Constants, depth: int) -> str:
    if isinstance(part, ast.FormattedValue):
        if part.format_spec is not None or part.conversion != -1:
            raise NotLiteral(part, "it formats a value")
        part = part.value
    value = _evaluate(part, constants, depth)
    if not isinstance(value, (str, int, float)):
        raise NotLiteral(part, "it formats something that is neither text nor a number")
    try:
        return str(value)
    except ValueError:
        raise NotLiteral(part, "its value is too large") from None


def _size(value: Json) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, (list, tuple)):
        return 1 + sum(map(_size, value))
    if isinstance(value, dict):
        return 1 + sum(len(key) + _size(item) for key, item in value.items())
    return 1


def _described(node: ast.expr) -> str:
    match node:
        case ast.Call():
            return "a call"
        case ast.Attribute():
            return "an attribute"
        case ast.Constant():
            return f"a {type(node.value).__name__} literal, which no option takes"
        case ast.IfExp() | ast.BoolOp() | ast.Compare():
            return "a condition"
        case _:
            return "an expression that has to be run"


def _walk_scopes(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """Every node, and whether it lies in a scope of its own, where names are not the module's."""
    scopes = (
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
        ast.Lambda,
        ast.ListComp,
        ast.SetComp,
        ast.DictComp,
        ast.GeneratorExp,
    )
    stack: list[tuple[ast.AST, bool]] = [(node, False) for node in tree.body]
    while stack:
        node, inside = stack.pop()
        yield node, inside
        # A walrus in a comprehension binds in the scope around it.
        if isinstance(node, ast.NamedExpr):
            yield node.target, False
        within = inside or isinstance(node, scopes)
        stack.extend((child, within) for child in ast.iter_child_nodes(node))
