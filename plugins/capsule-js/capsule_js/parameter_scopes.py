"""Functions whose parameters' defaults hold closures, written so that QuickJS gets them right.

QuickJS gives the parameters of a function that has defaults a scope of their own, and copies them into the
body's: ``(x, get = () => x) => { x++; return get(); }`` sees the old ``x``, without a word. Where a closure
among the parameters names one that anybody assigns to, the parameters are taken apart in the body instead::

    (x, get = () => x) => { x++; return get(); }
    (x, ...$) => { let [get = () => x] = [...$]; x++; return get(); }

This is what the language says of binding parameters, so that names, order and errors stay as they were, and
``length`` does too. Nothing that is there moves to another line or past anything else.

What is left as it was: generators whose defaults do anything at the call, and functions that declare a
``var`` or a function of a parameter's name, whose copy the language wants.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from capsule.errors import BuildError
from capsule_js.edits import Edit
from capsule_js.syntax import FUNCTIONS, bound_names, text

if TYPE_CHECKING:
    from tree_sitter import Node

_FIRST = "__capsule_parameter"
_REST = "__capsule_rest"
_CLASSES = frozenset({"class", "class_declaration"})
_CLOSURES = FUNCTIONS | _CLASSES
_SIGNS = (b"=>", b"function", b"class", b"eval", b"){", b") {", b")\n{")
_NAMES = frozenset({"identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"})
_CALM = frozenset(
    {"arrow_function", "function_expression", "generator_function", "identifier", "number", "string", "true"}
    | {"false", "null", "undefined"}
)
"""Values that do nothing when they are evaluated, so that it may happen later."""


class Patience:
    """How many parts of a program may be looked at: parameters within parameters cost their square."""

    def __init__(self, most: int = 5_000_000) -> None:
        self._left = most

    def spend(self, parts: int) -> None:
        """Counts parts that are looked at. Raises `BuildError` when there were too many."""
        self._left -= parts
        if self._left < 0:
            raise BuildError(
                "functions with defaults lie too deep within each other",
                hint='take them apart, or take [javascript] engine = "starlingmonkey"',
            )


def edits_of(parameters: Node, patience: Patience) -> Iterator[Edit]:
    """What to change for the function of a list of parameters (``formal_parameters``); mostly nothing.

    Raises `BuildError` when ``patience`` ends.
    """
    whole = parameters.text or b""
    if b"=" not in whole or not any(sign in whole for sign in _SIGNS):
        return
    function = parameters.parent
    if function is None or function.has_error:
        return
    patience.spend(parameters.descendant_count)
    names = bound_names(parameters)
    captured = _captured(parameters, names)
    if not captured:
        return
    patience.spend(2 * function.descendant_count)
    if not _is_wrong(function, parameters, names, captured):
        return
    yield from _rewritten(function, parameters)


def _is_wrong(function: Node, parameters: Node, names: set[str], captured: set[str]) -> bool:
    body = function.child_by_field_name("body")
    if body is None or not captured & _assigned(function, names):
        return False
    if body.type == "statement_block" and names & _redeclared(body):
        return False
    return not _is_generator(function) or all(_is_calm(parameter) for parameter in parameters.named_children)


def _captured(parameters: Node, names: set[str]) -> set[str]:
    """The names that closures among the parameters may read."""
    found: set[str] = set()
    stack = [(parameters, False)]
    while stack:
        node, inside = stack.pop()
        if inside and node.type in _NAMES:
            name = text(node)
            if name == "eval":
                return names
            found.add(name)
        within = inside or node.type in _CLOSURES
        stack.extend((child, within) for child in node.children)
    return found & names


def _assigned(function: Node, names: set[str]) -> set[str]:
    """The names that something in the function may assign to, whatever they mean there."""
    found: set[str] = set()
    stack = [function]
    while stack:
        node = stack.pop()
        match node.type:
            case "assignment_expression" | "augmented_assignment_expression":
                found |= _targets(node.child_by_field_name("left"))
            case "update_expression":
                found |= _targets(node.child_by_field_name("argument"))
            case "for_in_statement" if node.child_by_field_name("kind") is None:
                found |= _targets(node.child_by_field_name("left"))
            case "call_expression" if _calls_eval(node):
                return names
        stack.extend(node.children)
    return found & names


def _targets(left: Node | None) -> set[str]:
    names = set()
    stack = [] if left is None else [left]
    while stack:
        node = stack.pop()
        if node.type in _NAMES:
            names.add(text(node))
        stack.extend(node.children)
    return names


def _calls_eval(call: Node) -> bool:
    function = call.child_by_field_name("function")
    return function is not None and function.type == "identifier" and text(function) == "eval"


def _redeclared(body: Node) -> set[str]:
    """The names that the body declares with ``var`` anywhere, or as functions at its top."""
    names: set[str] = set()
    for statement in body.children:
        if statement.type in ("function_declaration", "generator_function_declaration"):
            own = statement.child_by_field_name("name")
            names |= set() if own is None else {text(own)}
    stack = list(body.children)
    while stack:
        node = stack.pop()
        if node.type in _CLOSURES:
            continue
        if node.type == "variable_declaration":
            for declarator in node.named_children:
                target = declarator.child_by_field_name("name")
                names |= set() if target is None else bound_names(target)
        elif node.type == "for_in_statement" and any(child.type == "var" for child in node.children):
            names |= _targets(node.child_by_field_name("left"))
        stack.extend(node.children)
    return names


def _is_generator(function: Node) -> bool:
    if function.type.startswith("generator"):
        return True
    return function.type == "method_definition" and any(child.type == "*" for child in function.children)


def _is_calm(parameter: Node) -> bool:
    if parameter.type == "identifier":
        return True
    if parameter.type == "rest_pattern":
        inner = parameter.named_child(0)
        return inner is not None and inner.type == "identifier"
    left, right = parameter.child_by_field_name("left"), parameter.child_by_field_name("right")
    if parameter.type != "assignment_pattern" or left is None or right is None:
        return False
    return left.type == "identifier" and right.type in _CALM


def _rewritten(function: Node, parameters: Node) -> Iterator[Edit]:
    body = function.child_by_field_name("body")
    assert body is not None
    listed = [child for child in parameters.named_children if child.type != "comment"]
    first = next(index for index, child in enumerate(listed) if child.type != "identifier")
    counted = next(
        (index for index, child in enumerate(listed) if child.type in ("assignment_pattern", "rest_pattern")),
        len(listed),
    )
    own = [f"{_FIRST}{index}" for index in range(first, counted)]
    if any(child.type == "set" for child in function.children) and counted == 0:
        own, more = [f"{_FIRST}0"], []  # a setter has one parameter, and no rest
    else:
        more = [f"...{_REST}"] if counted < len(listed) else []
    taken = ",".join(own + more)
    arrow = next((child for child in function.children if child.type == "=>"), None)
    begin = listed[first].start_byte
    close = parameters.children[-1]
    opening = f"{taken}){'' if arrow is None else '=>'}{{let ["
    yield Edit(begin, begin, opening.encode())
    yield Edit(close.start_byte, close.end_byte, f"]=[{taken}];".encode())
    if body.type == "statement_block":
        if arrow is not None:
            yield Edit(arrow.start_byte, arrow.end_byte)
        yield Edit(body.start_byte, body.start_byte + 1)
    else:
        assert arrow is not None
        yield Edit(arrow.start_byte, arrow.end_byte, b"return(")
        yield Edit(body.end_byte, body.end_byte, b")}")
