"""What a module knows of itself: whether it is the program.

``import.meta`` is one object for all modules of a bundle (``guest/node/import_meta.js``), by which none is
the main one. In the source that was asked for, ``import.meta.main`` and ``require.main === module`` are true.
What stands behind them on their line stays where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from capsule_js.edits import Edit, apply
from capsule_js.syntax import parse, text

if TYPE_CHECKING:
    from tree_sitter import Node

_SAME = frozenset({"===", "=="})
_OTHER = frozenset({"!==", "!="})


def mark_main(name: str, source: bytes) -> bytes:
    """The text of the program's own source, in which it is the main module."""
    if b"import.meta" not in source and b"require.main" not in source:
        return source
    edits = []
    stack = [parse(name, source)]
    while stack:
        node = stack.pop()
        value = _value(node)
        if value is None:
            stack.extend(node.children)
        elif b"\n" not in (node.text or b""):
            edits.append(Edit(node.start_byte, node.end_byte, value.ljust(node.end_byte - node.start_byte)))
    return apply(source, edits)[0]


def _value(node: Node) -> bytes | None:
    if node.type == "member_expression" and text(node) == "import.meta.main":
        return b"true"
    if node.type != "binary_expression":
        return None
    left, operator, right = (node.child_by_field_name(part) for part in ("left", "operator", "right"))
    if left is None or operator is None or right is None:
        return None
    if {text(left), text(right)} != {"require.main", "module"}:
        return None
    return b"true" if text(operator) in _SAME else b"false" if text(operator) in _OTHER else None
