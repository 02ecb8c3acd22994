"""Words of a command line as a task's parameters take them: where an annotation says so, no longer text."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from capsule.errors import UsageError
from capsule.policy.problems import SHOWN, show

if TYPE_CHECKING:
    from capsule.artifact.manifest import Task
    from capsule.frontend.spec import JsonType, Parameter

_INTEGER = re.compile(r"[+-]?[0-9]{1,4300}")
_NUMBER = re.compile(
    r"[+-]?([0-9]{1,4300}(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,10})?|[+-]?(inf|infinity|nan)", re.IGNORECASE
)

_NO = object()
"""What a word is that is not of a type."""


def typed_words(words: Sequence[str], task: Task | None) -> list[Any]:
    """The arguments of a call, from the words for it.

    A word stays text where the parameter admits text or its types are not known. Raises `UsageError`, which
    names the parameter, its types and the word, for a word that is of none of them.
    """
    parameters = () if task is None or task.parameters is None else task.parameters
    values: list[Any] = []
    for position, word in enumerate(words):
        parameter = _parameter_at(parameters, position)
        if task is None or parameter is None or not parameter.types or "string" in parameter.types:
            values.append(word)
            continue
        value = _value(word, parameter.types)
        if value is _NO:
            wanted = " or ".join(_WORDS[kind] for kind in _told(parameter.types))
            raise UsageError(
                f"the parameter {show(parameter.name)} of the task {show(task.name)} takes {wanted}, "
                f"not {show(word)}",
                hint=_hint(parameter, word),
                location=task.location,
            )
        values.append(value)
    return values


def _parameter_at(parameters: Sequence[Parameter], position: int) -> Parameter | None:
    if position < len(parameters):
        return parameters[position]
    return parameters[-1] if parameters and parameters[-1].rest else None


def _value(word: str, types: Sequence[JsonType]) -> Any:
    for kind, read in _READERS.items():
        if kind in types:
            value = read(word)
            if value is not _NO:
                return value
    return _NO


def _null(word: str) -> Any:
    return None if word in ("null", "None") else _NO


def _boolean(word: str) -> Any:
    return {"true": True, "false": False}.get(word.lower(), _NO)


def _integer(word: str) -> Any:
    return int(word) if _INTEGER.fullmatch(word) else _NO


def _number(word: str) -> Any:
    if not _NUMBER.fullmatch(word):
        return _NO
    value = float(word)
    # 1e999 is a number that nobody meant to be infinite.
    return _NO if math.isinf(value) and "inf" not in word.lower() else value


def _json(kind: type) -> Callable[[str], Any]:
    def read(word: str) -> Any:
        try:
            value = json.loads(word)
        except (ValueError, RecursionError):
            return _NO
        return value if isinstance(value, kind) else _NO

    return read


_READERS: dict[JsonType, Callable[[str], Any]] = {
    "null": _null,
    "boolean": _boolean,
    "integer": _integer,
    "number": _number,
    "array": _json(list),
    "object": _json(dict),
}
_WORDS: dict[JsonType, str] = {
    "null": "null",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "array": "a JSON list",
    "object": "a JSON object",
    "string": "text",
}


def _told(types: Sequence[JsonType]) -> list[JsonType]:
    return [kind for kind in types if kind != "integer" or "number" not in types]


def _hint(parameter: Parameter, word: str) -> str:
    if "array" in parameter.types:
        return "such as '[1, 2]', in quotes"
    if "object" in parameter.types:
        return "such as '{\"name\": 1}', in quotes"
    return f"--args-json '[{json.dumps(word[:SHOWN])}]' hands text on as it is"
