"""Task arguments and results as JSON.

Besides JSON's own types: a dataclass becomes an object; a tuple or named tuple a list; an Enum its
value; a datetime, date or time its ISO text; a UUID, path or Decimal its text. NaN, infinities and
integers of any size pass. Everything else is refused, naming its type and where it is.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import uuid
from json import dumps  # as it is now: a program may put something else into its module
from typing import Any

from ..misuse import Called, Started

_HINTS = {
    bytes: "return base64 text",
    bytearray: "return base64 text",
    memoryview: "return base64 text",
    set: "return a list",
    frozenset: "return a list",
    complex: "return its parts",
    Called: "write await in front of it",
    Started: "call .outcome() for its envelope, or await it",
    types.CoroutineType: "write await in front of it",
}
_ARGUMENT_HINTS = {kind: hint.replace("return", "pass") for kind, hint in _HINTS.items()}
_TEXT = (uuid.UUID, pathlib.PurePath, decimal.Decimal)
_ISO = (datetime.datetime, datetime.date, datetime.time)


class NotJson(TypeError):
    """A value that can't become JSON; the message names its type and place."""

    __module__ = "builtins"


# Whoever reads it knows the built-in one.
NotJson.__name__ = NotJson.__qualname__ = "TypeError"


class Encoded(str):
    """A result that is JSON text already."""


def encode_result(result: Any) -> str:
    """The result as JSON text; raises `NotJson` naming the place, as in ``result.items[3]``."""
    if type(result) is Encoded:
        return result
    try:
        return _encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise _explain(result, "result", _HINTS, error) from None


def encode_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
    """Call arguments as ``{"args": [...], "kwargs": {...}}``; raises `NotJson` naming the place."""
    try:
        return _encode({"args": args, "kwargs": kwargs})
    except (TypeError, ValueError, RecursionError) as error:
        for index, value in enumerate(args):
            _recheck(value, f"args[{index}]")
        for name, value in kwargs.items():
            _recheck(value, name)
        raise NotJson(f"the arguments can't become JSON: {error}") from None


def _recheck(value: Any, path: str) -> None:
    try:
        _encode(value)
    except (TypeError, ValueError, RecursionError) as found:
        raise _explain(value, path, _ARGUMENT_HINTS, found) from None


def _encode(value: Any) -> str:
    return dumps(value, default=_convert, separators=(",", ":"))


def _convert(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, _ISO):
        return value.isoformat()
    if isinstance(value, _TEXT):
        return str(value)
    raise TypeError(f"{_name(value)} can't become JSON")


def _explain(value: Any, path: str, hints: dict[type, str], error: BaseException) -> NotJson:
    """Finds the first thing in ``value`` that JSON can't hold. Without recursion: the value may be deep."""
    waiting: list[tuple[Any, str, int, frozenset[int]]] = [(value, path, 0, frozenset())]
    while waiting:
        item, where, depth, above = waiting.pop()
        if id(item) in above:
            return NotJson(f"{where}: circular: it contains itself")
        if depth > 1000:
            return NotJson(f"{path}: nested too deeply for JSON")
        if isinstance(item, dict):
            children = []
            for key, child in item.items():
                if not isinstance(key, str | int | float | bool | None):
                    return NotJson(f"{where}: a key is {_name(key)}: {key!r:.60}; JSON's keys are text")
                children.append((child, _member(where, key)))
        elif isinstance(item, list | tuple):
            children = [(child, f"{where}[{index}]") for index, child in enumerate(item)]
        elif item is None or isinstance(item, str | float | bool):
            continue
        elif isinstance(item, int):
            try:
                repr(int(item))
            except ValueError:
                return NotJson(f"{where}: an integer with too many digits")
            continue
        else:
            try:
                converted = _convert(item)
            except TypeError:
                hint = next((f"; {hint}" for kind, hint in hints.items() if isinstance(item, kind)), "")
                return NotJson(f"{where}: {_name(item)} can't become JSON{hint}")
            if isinstance(converted, dict):
                children = [(child, _member(where, key)) for key, child in converted.items()]
            else:
                children = [(converted, where)]
        inside = above | {id(item)}
        waiting.extend((child, name, depth + 1, inside) for child, name in reversed(children))
    return NotJson(f"{path}: can't become JSON: {error}")


def _member(where: str, key: object) -> str:
    return f"{where}.{key}" if isinstance(key, str) and key.isidentifier() else f"{where}[{key!r:.60}]"


def _name(value: object) -> str:
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
