"""What a type hint asks of a JSON value: its JSON Schema, and the value that the function gets.

Known are None, bool, int, float, str, Any, Literal, Enum, unions, lists, tuples, dictionaries, dataclasses,
TypedDict, `datetime` and its kin, and pydantic's models where pydantic is there.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
import typing
from collections import abc
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

Schema = dict[str, Any]

MOST_DEEP = 32
"""Types in one another; a type that contains itself ends there."""


class Mismatch(Exception):
    """A value is not what the hint asks for. The message begins with where."""


class NoShape(Exception):
    """A hint that no JSON value can be checked against."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A hint: its JSON Schema, and how TypeScript writes it. ``take(value, where)`` checks and converts."""

    schema: Schema
    typescript: str
    take: Callable[[Any, str], Any]


def shape(hint: Any, depth: int = 0) -> Shape:
    """What a hint asks for. Raises `NoShape`."""
    if depth > MOST_DEEP:
        raise NoShape("a type that contains itself")
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return shape(arguments[0], depth)
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if origin is Literal:
        return _literal(arguments)
    if origin in (Union, types.UnionType):
        return _union([shape(each, depth + 1) for each in arguments])
    bare = hint if origin is None else origin
    if bare in _LISTS:
        return _list(_LISTS[bare], shape(arguments[0] if arguments else Any, depth + 1))
    if bare is tuple:
        return _tuple(arguments, depth)
    if bare in _MAPPINGS:
        if arguments and arguments[0] not in (str, Any):
            raise NoShape(f"a dictionary whose keys are {_name(arguments[0])}: JSON's keys are text")
        return _mapping(shape(arguments[1] if arguments else Any, depth + 1))
    if not isinstance(hint, type):
        raise NoShape(f"{_name(hint)}: no value of JSON is known to be that")
    if issubclass(hint, enum.Enum):
        return _enum(hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(hint, depth)
    if is_typeddict(hint):
        return _typed_dict(hint, depth)
    if callable(getattr(hint, "model_validate", None)):
        return _model(hint)
    if hint in _ISO:
        return _iso(hint)
    raise NoShape(f"{_name(hint)}: no value of JSON is known to be that")


def _plain(kind: str, typescript: str, accepted: tuple[type, ...], convert: Callable[[Any], Any]) -> Shape:
    def take(value: Any, where: str) -> Any:
        if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
            raise Mismatch(f"{where}: {_said(value)} is not of type {kind}")
        return convert(value)

    return Shape({"type": kind}, typescript, take)


def _same(value: Any) -> Any:
    return value


def _no_value(value: Any, where: str) -> None:
    if value is not None:
        raise Mismatch(f"{where}: {_said(value)} is not null")


_SIMPLE: Mapping[Any, Shape] = {
    Any: Shape({}, "unknown", lambda value, where: value),
    object: Shape({}, "unknown", lambda value, where: value),
    None: Shape({"type": "null"}, "null", _no_value),
    type(None): Shape({"type": "null"}, "null", _no_value),
    bool: _plain("boolean", "boolean", (bool,), _same),
    int: _plain("integer", "number", (int,), _same),
    float: _plain("number", "number", (int, float), float),
    str: _plain("string", "string", (str,), _same),
}
_LISTS: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: _same,
    abc.Sequence: _same,
    abc.Iterable: _same,
    abc.Collection: _same,
    set: set,
    frozenset: frozenset,
}
_MAPPINGS = (dict, abc.Mapping, abc.MutableMapping)
_ISO = (datetime.datetime, datetime.date, datetime.time)


def _literal(values: tuple[Any, ...]) -> Shape:
    written = " | ".join(_quoted(value) for value in values)

    def take(value: Any, where: str) -> Any:
        for each in values:
            if type(each) is type(value) and each == value:
                return each
        raise Mismatch(f"{where}: {_said(value)} is none of {written}")

    return Shape({"enum": list(values)}, written, take)


def _enum(kind: type[enum.Enum]) -> Shape:
    values = [each.value for each in kind]
    inner = _literal(tuple(values))
    return Shape(inner.schema, inner.typescript, lambda value, where: kind(inner.take(value, where)))


def _union(members: list[Shape]) -> Shape:
    def take(value: Any, where: str) -> Any:
        problems: list[str] = []
        for member in members:
            try:
                return member.take(value, where)
            except Mismatch as problem:
                problems.append(str(problem))
        raise Mismatch(problems[0] if len(problems) == 1 else f"{where}: {_said(value)} is none of {written}")

    written = " | ".join(dict.fromkeys(member.typescript for member in members))
    return Shape({"anyOf": [member.schema for member in members]}, written, take)


def _list(convert: Callable[[list[Any]], Any], item: Shape) -> Shape:
    def take(value: Any, where: str) -> Any:
        if not isinstance(value, list):
            raise Mismatch(f"{where}: {_said(value)} is not a list")
        return convert([item.take(each, f"{where}[{index}]") for index, each in enumerate(value)])

    inner = item.typescript
    written = f"({inner})[]" if " " in inner else f"{inner}[]"
    return Shape({"type": "array", "items": item.schema}, written, take)


def _tuple(arguments: tuple[Any, ...], depth: int) -> Shape:
    if not arguments or (len(arguments) == 2 and arguments[1] is ...):
        return _list(tuple, shape(arguments[0] if arguments else Any, depth + 1))
    items = [shape(each, depth + 1) for each in arguments]

    def take(value: Any, where: str) -> Any:
        if not isinstance(value, list) or len(value) != len(items):
            raise Mismatch(f"{where}: {_said(value)} is not a list of {len(items)}")
        return tuple(
            item.take(each, f"{where}[{index}]")
            for index, (item, each) in enumerate(zip(items, value, strict=True))
        )

    schema = {
        "type": "array",
        "prefixItems": [item.schema for item in items],
        "minItems": len(items),
        "maxItems": len(items),
    }
    return Shape(schema, f"[{', '.join(item.typescript for item in items)}]", take)


def _mapping(item: Shape) -> Shape:
    def take(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"{where}: {_said(value)} is not an object")
        return {name: item.take(each, f"{where}[{name!r:.60}]") for name, each in value.items()}

    schema = {"type": "object", "additionalProperties": item.schema}
    return Shape(schema, f"Record<string, {item.typescript}>", take)


def _dataclass(kind: type[Any], depth: int) -> Shape:
    hints = get_type_hints(kind)
    required = {
        field.name
        for field in dataclasses.fields(kind)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }
    fields = {
        field.name: shape(hints[field.name], depth + 1) for field in dataclasses.fields(kind) if field.init
    }
    return _object(fields, required, lambda values: kind(**values))


def _typed_dict(kind: type[Any], depth: int) -> Shape:
    fields = {}
    required = set[str](getattr(kind, "__required_keys__", ()))
    for name, hint in get_type_hints(kind, include_extras=True).items():
        mark = get_origin(hint)
        if mark in (typing.Required, typing.NotRequired):
            # Where annotations are text, Python's own set of keys does not know these marks.
            (required.add if mark is typing.Required else required.discard)(name)
            hint = get_args(hint)[0]
        fields[name] = shape(hint, depth + 1)
    return _object(fields, required, dict)


def _object(fields: dict[str, Shape], required: set[str], make: Callable[[dict[str, Any]], Any]) -> Shape:
    def take(value: Any, where: str) -> Any:
        if not isinstance(value, dict):
            raise Mismatch(f"{where}: {_said(value)} is not an object")
        for name in value:
            if name not in fields:
                raise Mismatch(f"{where}: there is no field {name!r:.60}")
        for name in sorted(required):
            if name in fields and name not in value:
                raise Mismatch(f"{where}: the field {name!r} is missing")
        return make({name: fields[name].take(each, f"{where}.{name}") for name, each in value.items()})

    schema = {
        "type": "object",
        "properties": {name: field.schema for name, field in fields.items()},
        "required": sorted(required & fields.keys()),
        "additionalProperties": False,
    }
    written = "; ".join(
        f"{name}{'' if name in required else '?'}: {field.typescript}" for name, field in fields.items()
    )
    return Shape(schema, f"{{ {written} }}", take)


def _model(kind: Any) -> Shape:
    """A model of pydantic's, which checks by itself."""

    def take(value: Any, where: str) -> Any:
        try:
            return kind.model_validate(value)
        except ValueError as error:
            found: list[Any] = getattr(error, "errors", list)()
            first = found[0] if found else {"loc": (), "msg": str(error)}
            place = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in first["loc"])
            raise Mismatch(f"{where}{place}: {first['msg']}") from None

    return Shape(dict(kind.model_json_schema()), "Record<string, unknown>", take)


def _iso(kind: Any) -> Shape:
    def take(value: Any, where: str) -> Any:
        try:
            return kind.fromisoformat(value)
        except (TypeError, ValueError):
            raise Mismatch(f"{where}: {_said(value)} is no ISO {kind.__name__}") from None

    formats = {datetime.datetime: "date-time", datetime.date: "date", datetime.time: "time"}
    return Shape({"type": "string", "format": formats[kind]}, "string", take)


def _quoted(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _said(value: Any) -> str:
    return f"{value!r:.60}"


def _name(hint: Any) -> str:
    return getattr(hint, "__name__", None) or str(hint)
