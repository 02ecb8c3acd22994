"""Reads TypeScript and JavaScript with tree-sitter: nothing of the user's runs, and Node is not needed."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

FUNCTIONS = frozenset(
    {
        "function_declaration",
        "function_expression",
        "generator_function",
        "generator_function_declaration",
        "arrow_function",
        "method_definition",
    }
)
_BLOCKS = frozenset({"statement_block", "for_statement", "for_in_statement", "catch_clause", "switch_body"})
_SCOPES = FUNCTIONS | _BLOCKS
_WRAPPERS = frozenset(
    {"parenthesized_expression", "as_expression", "satisfies_expression", "non_null_expression"}
)


def parse(name: str, source: bytes) -> Node:
    """The tree of a source; which grammar is decided by the suffix of its name."""
    return _parser(name.rpartition(".")[2].lower()).parse(source).root_node


@lru_cache(maxsize=16)
def _parser(suffix: str) -> Parser:
    from tree_sitter import Language, Parser

    if suffix in ("ts", "mts", "cts", "tsx"):
        import tree_sitter_typescript as typescript

        grammar = typescript.language_tsx() if suffix == "tsx" else typescript.language_typescript()
    else:
        import tree_sitter_javascript as javascript

        grammar = javascript.language()
    return Parser(Language(grammar))


def text(node: Node) -> str:
    """A node's source text."""
    return (node.text or b"").decode("utf-8", "replace")


def line(node: Node) -> int:
    """The line on which a node begins; counts from 1."""
    return node.start_point.row + 1


def unwrapped(node: Node) -> Node:
    """An expression without parentheses, ``as``, ``satisfies`` and ``!`` around it."""
    while node.type in _WRAPPERS and node.named_child_count:
        inner = node.named_child(0)
        assert inner is not None
        node = inner
    return node


def is_scope(node: Node) -> bool:
    """Whether names declared in this node hide those outside."""
    return node.type in _SCOPES


def declared_names(scope: Node) -> set[str]:
    """The names that a function or block declares, those of scopes in it left out."""
    names: set[str] = set()
    stack = list(scope.children)
    if scope.type in FUNCTIONS and scope.type != "method_definition":
        own = scope.child_by_field_name("name")
        if own is not None and not scope.type.endswith("_declaration"):
            names.add(text(own))
    for field in ("parameters", "parameter"):
        parameters = scope.child_by_field_name(field)
        if parameters is not None:
            names |= bound_names(parameters)
    if scope.type == "for_in_statement" and scope.child_by_field_name("kind") is not None:
        left = scope.child_by_field_name("left")
        if left is not None:
            names |= bound_names(left)
    while stack:
        node = stack.pop()
        if node.type == "variable_declarator":
            target = node.child_by_field_name("name")
            if target is not None:
                names |= bound_names(target)
        elif node.type in ("function_declaration", "class_declaration", "generator_function_declaration"):
            own = node.child_by_field_name("name")
            if own is not None:
                names.add(text(own))
        if not is_scope(node):
            stack.extend(node.children)
    return names


def bound_names(pattern: Node) -> set[str]:
    """The names that a pattern or a list of parameters binds (and those in its default values)."""
    names = set()
    stack = [pattern]
    while stack:
        node = stack.pop()
        if node.type in ("identifier", "shorthand_property_identifier_pattern"):
            names.add(text(node))
        elif not is_scope(node):
            stack.extend(node.children)
    return names


def string_value(node: Node | None) -> str | None:
    """The value of a string literal; None for anything else."""
    if node is None or node.type != "string":
        return None
    parts = []
    for piece in node.named_children:
        if piece.type == "string_fragment":
            parts.append(text(piece))
        elif piece.type == "escape_sequence":
            escaped = unescape(text(piece))
            if escaped is None:
                return None
            parts.append(escaped)
        else:
            return None
    return joined(parts)


def joined(parts: Iterable[str]) -> str | None:
    """Pieces of a text, in which two escapes may be halves of one letter; None when a half is left."""
    try:
        return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v", "0": "\0"}


def unescape(sequence: str) -> str | None:
    """What an escape sequence of a string literal stands for, perhaps half a letter; None if malformed."""
    body = sequence[1:]
    if body[:1] in ("x", "u"):
        digits = body[1:].strip("{}")
        try:
            return chr(int(digits, 16))
        except (ValueError, OverflowError):
            return None
    if body in ("\n", "\r\n", "\r", "\u2028", "\u2029"):
        return ""
    if body.isdigit() and body != "0":
        return None
    return _ESCAPES.get(body, body)
