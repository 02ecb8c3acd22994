"""A host tool: a function, and what its signature says of the arguments that a sandbox may send."""

from __future__ import annotations

import functools
import inspect
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from capsule.errors import UsageError
from capsule.policy.grants import is_tool_name
from capsule.tools.shapes import Mismatch, NoShape, Schema, Shape, shape

LONGEST_HELP = 8192
"""Characters of a function's docstring that a sandbox is told."""


class ToolError(Exception):
    """Raise it in a tool to tell the sandbox what went wrong: its text is all that is told of any error."""

    __module__ = "capsule"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a tool: its place in the signature, and what it takes."""

    name: str
    shape: Shape
    hint: str
    kind: Any
    default: str | None
    """The default, as Python writes it; None when an argument must be given."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that sandboxes may call. Make one with `tool_of`."""

    name: str
    function: Callable[..., Any]
    help: str
    parameters: tuple[Parameter, ...]
    returns: tuple[str, str]
    """What it returns, in Python's and TypeScript's words."""
    is_async: bool
    _signature: inspect.Signature = field(repr=False, compare=False)
    check: Callable[[Mapping[str, Any]], None] | None = field(default=None, repr=False, compare=False)
    """Looks at the arguments together, where types alone don't tell. Raises `Mismatch`."""

    def bound(self, args: list[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """The arguments, checked and converted. Raises `Mismatch`."""
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise Mismatch(f"{self.name}(): {error}") from None
        taken = {parameter.name: parameter for parameter in self.parameters}
        for name, value in bound.arguments.items():
            parameter = taken[name]
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                bound.arguments[name] = tuple(
                    parameter.shape.take(each, f"{self.name}(): {name}[{index}]")
                    for index, each in enumerate(value)
                )
            elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
                bound.arguments[name] = {
                    key: parameter.shape.take(each, f"{self.name}(): {key}") for key, each in value.items()
                }
            else:
                bound.arguments[name] = parameter.shape.take(value, f"{self.name}(): {name}")
        if self.check is not None:
            self.check(bound.arguments)
        return bound

    def with_arguments(self, arguments: Mapping[str, Any]) -> inspect.BoundArguments:
        """Arguments by name, as they are. Raises `TypeError` for a name that it has no parameter of."""
        for name in arguments:
            if name not in self._signature.parameters:
                raise TypeError(f"{self.name}() has no parameter {name!r:.60}")
        ordered = {name: arguments[name] for name in self._signature.parameters if name in arguments}
        return inspect.BoundArguments(self._signature, OrderedDict(ordered))

    def schema(self) -> Schema:
        """The JSON Schema of its arguments, as an object of them by name."""
        named = [each for each in self.parameters if each.kind not in _GATHERING]
        return {
            "type": "object",
            "properties": {each.name: each.shape.schema for each in named},
            "required": [each.name for each in named if each.default is None],
            "additionalProperties": any(
                each.kind is inspect.Parameter.VAR_KEYWORD for each in self.parameters
            ),
        }

    def signature(self) -> str:
        """Its signature as Python writes it, such as ``(query: str, limit: int = 3) -> list[str]``."""
        return f"({_listed(self.parameters)}) -> {self.returns[0]}"


_GATHERING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def tool_of(given: Callable[..., Any] | Tool) -> Tool:
    """The tool that a function is. Raises `UsageError` for a name or a signature that can't be offered."""
    if isinstance(given, Tool):
        return given
    if not callable(given):
        raise UsageError(f"tools are functions, and {given!r:.60} is none", hint="tools=[search]")
    name = getattr(given, "__name__", "")
    if not is_tool_name(name):
        raise UsageError(
            f"{given!r:.80} can't be a tool: {name!r} is not a public name",
            hint="define it with def, under the name that the sandbox shall call",
        )
    try:
        signature = inspect.signature(given)
        hints = get_type_hints(inspect.unwrap(_behind(given)))
    except (TypeError, ValueError, NameError) as error:
        raise UsageError(f"the tool {name!r} has a signature that can't be read: {error}") from None
    parameters = []
    for each in signature.parameters.values():
        hint = hints.get(each.name, Any)
        try:
            found = shape(hint)
        except NoShape as problem:
            raise UsageError(
                f"the tool {name!r} has a parameter {each.name!r} of type {problem}",
                hint="use types that JSON has, dataclasses, enums or pydantic models",
            ) from None
        default = None if each.default is inspect.Parameter.empty else repr(each.default)
        if each.kind in _GATHERING:
            default = ""
        parameters.append(Parameter(each.name, found, _hint_text(hint), each.kind, default))
    returned = hints.get("return", Any)
    try:
        written = shape(returned).typescript
    except NoShape:
        written = "unknown"
    text = (inspect.getdoc(given) or "")[:LONGEST_HELP]
    is_async = inspect.iscoroutinefunction(_behind(given))
    returns = _hint_text(returned), written
    return Tool(name, given, text, tuple(parameters), returns, is_async, signature)


def tools_of(given: Iterable[Callable[..., Any] | Tool]) -> dict[str, Tool]:
    """The tools by name. Raises `UsageError`, also for two of one name."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        raise UsageError("tools is a list of functions", hint="tools=[search]")
    found: dict[str, Tool] = {}
    for each in given:
        tool = tool_of(each)
        if tool.name in found:
            raise UsageError(f"two tools are named {tool.name!r}")
        found[tool.name] = tool
    return found


def _behind(given: Callable[..., Any]) -> Any:
    """The function behind partials and objects that are called."""
    while isinstance(given, functools.partial):
        given = given.func
    if inspect.isroutine(given):
        return given
    return getattr(type(given), "__call__", given)  # noqa: B004 - not whether, but which


def _listed(parameters: tuple[Parameter, ...]) -> str:
    parts = []
    starred = False
    for each in parameters:
        if each.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        stars = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}.get(
            each.kind, ""
        )
        starred = starred or stars == "*"
        default = f" = {each.default}" if each.default else ""
        parts.append(f"{stars}{each.name}: {each.hint}{default}")
    return ", ".join(parts)


def _hint_text(hint: Any) -> str:
    if hint is None or hint is type(None):
        return "None"
    if isinstance(hint, type) and not hasattr(hint, "__args__"):
        return hint.__name__
    return str(hint).replace("typing.", "").replace("collections.abc.", "")
