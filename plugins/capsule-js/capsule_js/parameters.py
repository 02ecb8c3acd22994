"""What a task's function takes, as far as its types tell: for words of a command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from capsule.frontend.spec import JsonType, Parameter
from capsule_js.syntax import text, unwrapped

if TYPE_CHECKING:
    from tree_sitter import Node

Types = frozenset[JsonType]

_UNKNOWN: Types = frozenset()
_NUMBER: Types = frozenset({"integer", "number"})
_PREDEFINED: Mapping[str, Types] = {
    "number": _NUMBER,
    "string": frozenset({"string"}),
    "boolean": frozenset({"boolean"}),
    "object": frozenset({"object"}),
}
_ARRAYS = frozenset({"array_type", "tuple_type"})
_GENERIC: Mapping[str, Types] = {
    "Array": frozenset({"array"}),
    "ReadonlyArray": frozenset({"array"}),
    "Record": frozenset({"object"}),
}
_LITERALS: Mapping[str, Types] = {
    "number": _NUMBER,
    "unary_expression": _NUMBER,
    "string": frozenset({"string"}),
    "template_string": frozenset({"string"}),
    "true": frozenset({"boolean"}),
    "false": frozenset({"boolean"}),
    "null": frozenset({"null"}),
    "array": frozenset({"array"}),
    "object": frozenset({"object"}),
}
_DEEPEST = 20


def parameters_of(function: Node, declared: Mapping[str, Node]) -> tuple[Parameter, ...] | None:
    """The parameters in order; None for what is no function.

    ``declared`` are the module's own types by name (see `declared_types`). A default value that is a literal
    tells as much as an annotation does.
    """
    function = unwrapped(function)
    single = function.child_by_field_name("parameter")
    if single is not None:
        return (Parameter(text(single)),)
    parameters = function.child_by_field_name("parameters")
    if parameters is None:
        return None
    found = []
    for position, node in enumerate(parameters.named_children):
        if node.type == "comment" or (node.named_child_count and node.named_children[0].type == "this"):
            continue
        found.append(_parameter(node, f"argument {position + 1}", declared))
    return tuple(found)


def declared_types(program: Node) -> dict[str, Node]:
    """The interfaces and type aliases at the top of a module, by name."""
    found = {}
    for statement in program.named_children:
        inner = statement.child_by_field_name("declaration") or statement
        name = inner.child_by_field_name("name")
        if inner.type in ("type_alias_declaration", "interface_declaration") and name is not None:
            found[text(name)] = inner
    return found


def _parameter(node: Node, otherwise: str, declared: Mapping[str, Node]) -> Parameter:
    default = node.child_by_field_name("right" if node.type == "assignment_pattern" else "value")
    pattern = node.child_by_field_name("pattern") or node.child_by_field_name("left") or node
    rest = pattern.type == "rest_pattern"
    if rest and pattern.named_child_count:
        pattern = pattern.named_children[0]
    name = text(pattern) if pattern.type == "identifier" else otherwise
    annotation = node.child_by_field_name("type")
    if annotation is None:
        types = _UNKNOWN if default is None else _LITERALS.get(unwrapped(default).type, _UNKNOWN)
        return Parameter(name, tuple(sorted(types)), rest)
    inner = annotation.named_children[0] if annotation.named_child_count else annotation
    if rest:
        element = _element(inner)
        types = _UNKNOWN if element is None else _types(element, declared, 0)
    else:
        types = _types(inner, declared, 0)
    return Parameter(name, tuple(sorted(types)), rest)


def _element(node: Node) -> Node | None:
    """The type of what an array type holds."""
    if node.type == "readonly_type" and node.named_child_count:
        node = node.named_children[0]
    if node.type == "array_type" and node.named_child_count:
        return node.named_children[0]
    arguments = next((child for child in node.named_children if child.type == "type_arguments"), None)
    if node.type == "generic_type" and arguments is not None and arguments.named_child_count == 1:
        return arguments.named_children[0]
    return None


def _types(node: Node, declared: Mapping[str, Node], depth: int) -> Types:
    """What a type admits; nothing at all when a part of it is not among the types that are known."""
    if depth > _DEEPEST:
        return _UNKNOWN
    inner = node.named_children
    if node.type == "predefined_type":
        return _PREDEFINED.get(text(node), _UNKNOWN)
    if node.type in _ARRAYS:
        return frozenset({"array"})
    if node.type in ("object_type", "interface_declaration"):
        return frozenset({"object"})
    if node.type in ("readonly_type", "parenthesized_type") and inner:
        return _types(inner[0], declared, depth + 1)
    if node.type == "literal_type" and inner:
        return _LITERALS.get(inner[0].type, _UNKNOWN)
    if node.type == "generic_type" and inner:
        return _UNKNOWN if text(inner[0]) in declared else _GENERIC.get(text(inner[0]), _UNKNOWN)
    if node.type == "type_identifier" and text(node) in declared:
        return _types(declared[text(node)], declared, depth + 1)
    if node.type == "type_alias_declaration":
        value = node.child_by_field_name("value")
        return _UNKNOWN if value is None else _types(value, declared, depth + 1)
    if node.type == "union_type":
        read = [_types(part, declared, depth + 1) for part in inner if text(part) != "undefined"]
        return frozenset[JsonType]().union(*read) if read and all(read) else _UNKNOWN
    return _UNKNOWN
