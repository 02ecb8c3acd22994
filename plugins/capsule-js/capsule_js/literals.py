"""The values of expressions that need no running: literals, and constants of the module made of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule_js.syntax import declared_names, is_scope, joined, string_value, text, unescape, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

_DEEPEST = 50
_LARGEST = 100_000
"""Characters, and values, in one expression."""

UNDEFINED = object()
"""The value of ``undefined``, which no JSON has."""


class NotLiteral(Exception):
    """An expression whose value the text doesn't tell; says why."""


class Constants:
    """The top-level ``const`` declarations of a module that nothing can change afterwards."""

    def __init__(self, program: Node) -> None:
        self._values: dict[str, Node] = {}
        self._changed: set[str] = set()
        for statement in program.named_children:
            declaration = statement
            if statement.type == "export_statement":
                inner = statement.child_by_field_name("declaration")
                if inner is None:
                    continue
                declaration = inner
            kind = declaration.child_by_field_name("kind")
            if declaration.type != "lexical_declaration" or kind is None or text(kind) != "const":
                continue
            for declarator in declaration.named_children:
                name = declarator.child_by_field_name("name")
                value = declarator.child_by_field_name("value")
                if name is not None and name.type == "identifier" and value is not None:
                    self._values[text(name)] = value
        self._find_changes(program)

    def find(self, name: str) -> Node | None:
        """What a constant is made of; None when it isn't one."""
        return self._values.get(name)

    def is_changed(self, name: str) -> bool:
        """Whether what a constant holds (an array, an object) may be changed by the module."""
        return name in self._changed

    def _find_changes(self, program: Node) -> None:
        stack: list[tuple[Node, frozenset[str]]] = [(program, frozenset())]
        while stack:
            node, hidden = stack.pop()
            if is_scope(node):
                hidden |= declared_names(node)
            if node.type == "identifier":
                name = text(node)
                if name in self._values and name not in hidden and not _only_reads(node):
                    self._changed.add(name)
                continue
            stack.extend((child, hidden) for child in node.children)


def _only_reads(identifier: Node) -> bool:
    parent = identifier.parent
    if parent is None:
        return False
    if parent.type in ("spread_element", "pair", "array", "export_specifier"):
        return True
    if parent.type == "variable_declarator":
        return parent.child_by_field_name("name") == identifier
    if parent.type in ("member_expression", "subscript_expression"):
        user = parent.parent
        if user is None or parent.child_by_field_name("object") != identifier:
            return user is not None
        if user.type == "call_expression" and user.child_by_field_name("function") == parent:
            return False
        if user.type in ("assignment_expression", "augmented_assignment_expression"):
            return user.child_by_field_name("left") != parent
        return user.type not in ("update_expression", "unary_expression", "member_expression")
    return parent.type in ("template_substitution", "binary_expression", "as_expression", "type_query")


class Reader:
    """Evaluates expressions of one module."""

    def __init__(self, constants: Constants) -> None:
        self._constants = constants
        self._budget = 0

    def value(self, node: Node) -> Any:
        """The value, as JSON has it (or `UNDEFINED`). Raises `NotLiteral`."""
        self._budget = _LARGEST
        return self._value(node, 0)

    def _value(self, node: Node, depth: int) -> Any:
        self._budget -= 1
        if depth > _DEEPEST or self._budget < 0:
            raise NotLiteral("it is too large")
        node = unwrapped(node)
        match node.type:
            case "string":
                value = string_value(node)
                if value is None:
                    raise NotLiteral(f"{text(node)[:60]} has an escape that text can't have")
                return value
            case "number":
                return _number(text(node))
            case "true" | "false":
                return node.type == "true"
            case "null":
                return None
            case "undefined":
                return UNDEFINED
            case "template_string":
                return self._template(node, depth)
            case "array":
                return self._array(node, depth)
            case "object":
                return self._object(node, depth)
            case "unary_expression" | "binary_expression":
                return self._arithmetic(node, depth)
            case "identifier":
                return self._constant(node, depth)
            case "member_expression":
                return self._member(node, depth)
            case _:
                raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")

    def _template(self, node: Node, depth: int) -> str:
        parts = []
        for piece in node.named_children:
            if piece.type == "string_fragment":
                parts.append(text(piece))
            elif piece.type == "escape_sequence":
                parts.append(unescape(text(piece)) or "")
            else:
                inner = piece.named_child(0)
                if inner is None:
                    raise NotLiteral("a template that is cut off")
                parts.append(_as_text(self._value(inner, depth + 1)))
        whole = joined(parts)
        if whole is None:
            raise NotLiteral(f"{text(node)[:60]} has an escape that text can't have")
        return self._bounded(whole)

    def _array(self, node: Node, depth: int) -> list[Any]:
        items: list[Any] = []
        for child in node.named_children:
            if child.type == "comment":
                continue
            if child.type == "spread_element":
                spread = self._value(_only_child(child), depth + 1)
                if not isinstance(spread, list):
                    raise NotLiteral(f"`{_shown(child)}` is no array")
                items.extend(spread)
                self._budget -= len(spread)
            else:
                value = self._value(child, depth + 1)
                items.append(None if value is UNDEFINED else value)
        return items

    def _object(self, node: Node, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        for child in node.named_children:
            match child.type:
                case "comment":
                    continue
                case "pair":
                    key, value = child.child_by_field_name("key"), child.child_by_field_name("value")
                    assert key is not None
                    assert value is not None
                    fields[self._key(key, depth)] = self._value(value, depth + 1)
                case "shorthand_property_identifier":
                    fields[text(child)] = self._constant(child, depth)
                case "spread_element":
                    spread = self._value(_only_child(child), depth + 1)
                    if not isinstance(spread, dict):
                        raise NotLiteral(f"`{_shown(child)}` is no object")
                    fields.update(spread)
                    self._budget -= len(spread)
                case _:
                    raise NotLiteral(f"`{_shown(child)}` is a method")
        return {name: value for name, value in fields.items() if value is not UNDEFINED}

    def _key(self, key: Node, depth: int) -> str:
        match key.type:
            case "property_identifier":
                return text(key)
            case "computed_property_name":
                return _as_text(self._value(_only_child(key), depth + 1))
            case _:
                return _as_text(self._value(key, depth + 1))

    def _constant(self, node: Node, depth: int) -> Any:
        name = text(node)
        if name == "undefined":
            return UNDEFINED
        if name == "Infinity":
            raise NotLiteral("Infinity is no value that an option takes")
        found = self._constants.find(name)
        if found is None:
            raise NotLiteral(f"`{name}` is not a constant of the module")
        value = self._value(found, depth + 1)
        if isinstance(value, list | dict) and self._constants.is_changed(name):
            raise NotLiteral(f"the module may change what `{name}` holds")
        return value

    def _member(self, node: Node, depth: int) -> Any:
        whole, name = node.child_by_field_name("object"), node.child_by_field_name("property")
        if whole is None or name is None:
            raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")
        value = self._value(whole, depth + 1)
        if not isinstance(value, dict) or text(name) not in value:
            raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")
        return value[text(name)]

    def _arithmetic(self, node: Node, depth: int) -> Any:
        operator = node.child_by_field_name("operator")
        sign = text(operator) if operator is not None else ""
        if node.type == "unary_expression":
            argument = node.child_by_field_name("argument")
            if argument is None or sign not in ("+", "-"):
                raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")
            number = self._value(argument, depth + 1)
            if not _is_number(number):
                raise NotLiteral(f"`{_shown(node)}` is no number")
            return -number if sign == "-" else number
        left_node, right_node = node.child_by_field_name("left"), node.child_by_field_name("right")
        if left_node is None or right_node is None:
            raise NotLiteral(f"`{_shown(node)}` is cut off")
        left, right = self._value(left_node, depth + 1), self._value(right_node, depth + 1)
        if sign == "+" and isinstance(left, str) and isinstance(right, str):
            return self._bounded(left + right)
        if not (_is_number(left) and _is_number(right)):
            raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")
        return _calculate(sign, float(left), float(right), node)

    def _bounded(self, value: str) -> str:
        self._budget -= len(value)
        if self._budget < 0:
            raise NotLiteral("it is too large")
        return value


def plain_options(value: Mapping[str, Any]) -> dict[str, Any]:
    """A task's options without its name, under the names of the user guide in snake_case."""
    return {_OPTIONS.get(name, name): item for name, item in value.items() if name != "name"}


def option_names() -> dict[str, str]:
    """How sources write the options, by the names of `plain_options`."""
    return {name: own for own, name in _OPTIONS.items()}


# The engine's SDK has the same table.
_OPTIONS: Mapping[str, str] = json.loads(
    (Path(__file__).parent / "guest" / "options.json").read_text("utf-8")
)


def _only_child(node: Node) -> Node:
    child = node.named_child(0)
    if child is None:
        raise NotLiteral(f"`{_shown(node)}` is cut off")
    return child


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _calculate(sign: str, left: float, right: float, node: Node) -> int | float:
    try:
        match sign:
            case "+":
                result = left + right
            case "-":
                result = left - right
            case "*":
                result = left * right
            case "/":
                result = left / right
            case "**":
                result = math.pow(left, right)
            case _:
                raise NotLiteral(f"`{_shown(node)}` is neither a literal nor a constant of the module")
    except (ArithmeticError, ValueError):
        raise NotLiteral(f"`{_shown(node)}` is no number") from None
    return _as_number(result)


def _number(digits: str) -> int | float:
    tame = digits.replace("_", "").lower()
    if tame.endswith("n"):
        raise NotLiteral(f"`{digits[:60]}` is a BigInt")
    try:
        if tame[:2] in ("0x", "0o", "0b"):
            return _as_number(float(int(tame, 0)))
        if len(tame) > 1 and tame[0] == "0" and tame.isdigit():
            raise NotLiteral(f"`{digits[:60]}` may be octal")
        return _as_number(float(tame))
    except (ValueError, OverflowError):
        raise NotLiteral(f"`{digits[:60]}` is no number") from None


def _as_number(value: float) -> int | float:
    """A JavaScript number: whole ones as JSON writes them."""
    if not math.isfinite(value):
        raise NotLiteral("a number without end")
    return int(value) if value.is_integer() and abs(value) < 1e21 else value


def _as_text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise NotLiteral("a text made of something else than texts and whole numbers")


def _shown(node: Node) -> str:
    shown = " ".join(text(node).split())
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
