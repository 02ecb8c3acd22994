"""The last hand on what the bundler made: one look at the tree of the whole bundle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from capsule_js import kept_names, parameter_scopes
from capsule_js.edits import Edit, Shifts, apply
from capsule_js.syntax import parse

if TYPE_CHECKING:
    from tree_sitter import Node, Query

OWN_SCOPE: str = "parameter-scopes"
"""The feature that a language's engine lacks when it copies parameters that closures among them see."""

_STORES = b"async_hooks"
"""What a program names that has stores which go along with its work: its awaits say so (``context.js``)."""

_HELD = b" __capsule_held("

_FOUND = """
(await_expression) @await
(formal_parameters) @parameters
(call_expression function: (identifier) @name (#eq? @name "__name")) @named
"""


@lru_cache(maxsize=1)
def _query() -> Query:
    import tree_sitter_javascript as javascript
    from tree_sitter import Language, Query

    return Query(Language(javascript.language()), _FOUND)


def finish(bundle: bytes, unsupported: Iterable[str]) -> tuple[bytes, Shifts]:
    """The bundle for an engine that lacks what is ``unsupported``, and what moved in it.

    Raises `BuildError` for functions that nest too deeply.
    """
    from tree_sitter import QueryCursor

    tree = parse("bundle.js", bundle)
    found = QueryCursor(_query()).captures(tree)
    edits: list[Edit] = []
    for call in found.get("named", ()):
        edits.extend(kept_names.edits_of(call))
    if OWN_SCOPE in unsupported:
        patience = parameter_scopes.Patience()
        for parameters in found.get("parameters", ()):
            edits.extend(parameter_scopes.edits_of(parameters, patience))
    if _STORES in bundle:
        for expression in found.get("await", ()):
            edits.extend(_held(expression))
    return apply(bundle, edits)


def _held(expression: Node) -> Iterator[Edit]:
    """A call around what is awaited."""
    value = expression.named_child(0)
    if value is not None:
        yield Edit(value.start_byte, value.start_byte, _HELD)
        yield Edit(value.end_byte, value.end_byte, b")")
