"""The types of a component's exports, in words, and whether they are the contract's (``wit/``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONTRACT_TYPES: Mapping[str, str] = {
    "run": "func(string) -> string",
    "load": "func() -> result<_, string>",
    "declared": "func() -> string",
}
"""What each export of the contract's worlds has to be; the names of parameters don't matter."""

DEEPEST = 5
"""How far into a type its description goes: as deep as an interface of ours. Types come from components that
nobody vouches for, and have up to a million parts (wasmtime's own bound)."""

MOST_PARTS = 8
LONGEST_NAME = 120


def wrong_exports(exports: Mapping[str, Any]) -> list[str]:
    """What is wrong with those exports that have a name of the contract's, in words.

    ``exports`` are `wasmtime.component.ComponentType.exports`.
    """
    found = {name: describe(item.ty) for name, item in exports.items() if name in CONTRACT_TYPES}
    return [
        f"exports {name!r} as {kind}, and the contract has {CONTRACT_TYPES[name]}"
        for name, kind in found.items()
        if kind != CONTRACT_TYPES[name]
    ]


def describe(item: Any) -> str:
    """An exported item's type, much as WIT writes it: ``func(string) -> string``, ``a core module``."""
    from wasmtime.component import _types as types

    match item:
        case types.FuncType():
            parameters = _list([kind for _, kind in item.params], 0)
            result = item.result
            return f"func({parameters})" + ("" if result is None else f" -> {_value(result, 0)}")
        case types.ComponentType():
            return "a component"
        case types.ModuleType():
            return "a core module"
        case types.ComponentInstanceType():
            return "an instance"
    return "a type"


def _list(kinds: list[Any], depth: int) -> str:
    shown = [_value(kind, depth) for kind in kinds[:MOST_PARTS]]
    return ", ".join([*shown, "..."] if len(kinds) > MOST_PARTS else shown)


def _named(parts: list[tuple[str, Any]], form: str, depth: int) -> str:
    shown = [form.format(name[:LONGEST_NAME], _value(kind, depth)) for name, kind in parts[:MOST_PARTS]]
    return ", ".join([*shown, "..."] if len(parts) > MOST_PARTS else shown)


def _value(kind: Any, depth: int) -> str:
    from wasmtime.component import _types as types

    if kind is None:
        return "_"
    if depth >= DEEPEST:
        return "..."
    match kind:
        case types.ListType():
            return f"list<{_value(kind.element, depth + 1)}>"
        case types.OptionType():
            return f"option<{_value(kind.payload, depth + 1)}>"
        case types.ResultType():
            return f"result<{_value(kind.ok, depth + 1)}, {_value(kind.err, depth + 1)}>"
        case types.TupleType():
            return f"tuple<{_list(kind.elements, depth + 1)}>"
        case types.RecordType():
            return f"record {{{_named(kind.fields, '{}: {}', depth + 1)}}}"
        case types.VariantType():
            return f"variant {{{_named(kind.cases, '{}({})', depth + 1)}}}"
    # String, U32, FlagsType, ...: WIT's own words in another case.
    return type(kind).__name__.removesuffix("Type").lower()
