"""Marks calls whose promise a program drops, so that its failure is heard of.

The engines tell nobody of a rejected promise that no code handles, and making every promise observable
costs ten times the fuel of an ``await``. What is left unhandled is nearly always a call that stands alone as
a statement: ``save(item);`` where ``await save(item);`` was meant. To such a call the mark is appended, which
does something for promises only (``guest/floating.js``). Nothing before it on its line moves, so places in
tracebacks stay right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capsule_js.syntax import parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

MARK = b"?.[__capsule_floating]?.()"

SUFFIXES = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx")

_NO_PROMISE = frozenset({"push", "unshift", "log", "info", "warn", "error", "debug", "assert", "charCodeAt"})
"""Methods that are called in tight loops and return no promise."""


def mark_floating(name: str, source: bytes) -> bytes:
    """The source with its dropped calls marked; as it is when it can't be parsed or isn't a program."""
    if not name.lower().endswith(SUFFIXES):
        return source
    root = parse(name, source)
    if root.has_error:
        return source  # esbuild says what is wrong, and where
    ends = sorted(call.end_byte for call in _dropped_calls(root))
    if not ends:
        return source
    pieces, last = [], 0
    for end in ends:
        pieces.append(source[last:end])
        last = end
    return MARK.join([*pieces, source[last:]])


def _dropped_calls(root: Node) -> Iterator[Node]:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type == "expression_statement" and (value := node.named_child(0)) is not None:
            yield from _calls(value)
        stack.extend(node.named_children)


def _calls(value: Node) -> Iterator[Node]:
    """The calls that give an expression its value."""
    match value.type:
        case "call_expression":
            if _may_promise(value):
                yield value
        case "parenthesized_expression":
            yield from _child_calls(value.named_child(0))
        case "unary_expression" if _operator(value) == "void":
            yield from _child_calls(value.child_by_field_name("argument"))
        case "binary_expression" if _operator(value) in ("&&", "||", "??"):
            yield from _child_calls(value.child_by_field_name("right"))
        case "ternary_expression":
            yield from _child_calls(value.child_by_field_name("consequence"))
            yield from _child_calls(value.child_by_field_name("alternative"))
        case "sequence_expression":
            for part in value.named_children:
                yield from _calls(part)


def _child_calls(child: Node | None) -> Iterator[Node]:
    if child is not None:
        yield from _calls(child)


def _operator(expression: Node) -> str:
    operator = expression.child_by_field_name("operator")
    return "" if operator is None else text(operator)


def _may_promise(call: Node) -> bool:
    function = call.child_by_field_name("function")
    if function is None or function.type in ("super", "import"):
        return False
    called = function.child_by_field_name("property")
    return called is None or text(called) not in _NO_PROMISE
