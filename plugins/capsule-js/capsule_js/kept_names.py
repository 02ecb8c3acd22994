"""Names of functions and classes: kept where bundling changed them, and only there.

Modules share one scope in a bundle, so that the bundler renames what is called the same. It can keep names
with a call for each function, ``__name(fn, "fn")``, which nearly all would do without: the language gives a
function the name of what it is assigned to. Those calls are taken out again; loading them costs fuel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capsule_js.edits import Edit
from capsule_js.syntax import string_value, text

if TYPE_CHECKING:
    from tree_sitter import Node

_NAMED_BY_FIELD = {
    "variable_declarator": ("name", "value"),
    "assignment_expression": ("left", "right"),
    "assignment_pattern": ("left", "right"),
    "object_assignment_pattern": ("left", "right"),
    "pair": ("key", "value"),
    "field_definition": ("property", "value"),
}
"""Where the language names an anonymous function: the fields of the name and of the function."""

_SAFE = frozenset({*_NAMED_BY_FIELD, "arguments", "array", "return_statement"})

_PLAIN = frozenset(
    {
        "identifier",
        "property_identifier",
        "shorthand_property_identifier_pattern",
        "private_property_identifier",
    }
)
_ANONYMOUS = frozenset({"arrow_function", "function_expression", "generator_function", "class"})


def edits_of(call: Node) -> Iterator[Edit]:
    """What to take out for a call of ``__name``; nothing where the name would be another without it."""
    arguments = call.child_by_field_name("arguments")
    given = [] if arguments is None else arguments.named_children
    if arguments is None or len(given) != 2 or call.parent is None:
        return
    value, name = given[0], string_value(given[1])
    if name is None:
        return
    if value.type == "this":
        yield from _of_class(call, name)
    elif value.type == "identifier":
        # A declaration, and behind it the call.
        statement = call.parent
        if statement.type == "expression_statement" and text(value) == name and _is_listed(statement):
            yield Edit(statement.start_byte, statement.end_byte)
    elif _has_name(value, call, name) and _is_on_one_line(call, value):
        # A function at the beginning of a statement would be a declaration.
        left, right = (b"", b"") if call.parent.type in _SAFE else (b"(", b")")
        yield Edit(call.start_byte, value.start_byte, left)
        yield Edit(value.end_byte, call.end_byte, right)


def _is_on_one_line(call: Node, value: Node) -> bool:
    """Whether no line ends in what would be taken out: the bundler breaks them where it likes."""
    before = call.start_point.row == value.start_point.row
    return before and call.end_point.row == value.end_point.row


def _is_listed(statement: Node) -> bool:
    """Whether a statement is one of several, so that there may be none in its place."""
    place = statement.parent
    return place is not None and place.type in ("program", "statement_block") and "\n" not in text(statement)


def _of_class(call: Node, name: str) -> Iterator[Edit]:
    """``class { static { __name(this, "C") } }``."""
    statement = call.parent
    block = None if statement is None else statement.parent
    static = None if block is None else block.parent
    body = None if static is None else static.parent
    if static is None or body is None or body.parent is None or static.type != "class_static_block":
        return
    owner = body.parent
    if _has_name(owner, owner, name) and "\n" not in text(static):
        yield Edit(static.start_byte, static.end_byte)


def _has_name(value: Node, placed: Node, name: str) -> bool:
    """Whether ``value``, which stands in the place of ``placed``, has the name by itself."""
    own = value.child_by_field_name("name")
    if own is not None:
        return text(own) == name
    place = placed.parent
    if place is None or value.type not in _ANONYMOUS or place.type not in _NAMED_BY_FIELD:
        return False
    target, content = (place.child_by_field_name(field) for field in _NAMED_BY_FIELD[place.type])
    if target is None or content is None or content.id != placed.id:
        return False
    if any(child.type == "," for child in place.children):
        return False
    if target.type == "string":
        return string_value(target) == name
    return target.type in _PLAIN and text(target) == name
