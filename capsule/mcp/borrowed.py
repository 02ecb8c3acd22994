"""A tool of another MCP server as a host tool: its schema, its arguments, its results."""

from __future__ import annotations

import inspect
import json
import keyword
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, best_match
from referencing import Registry

from capsule.errors import UsageError
from capsule.policy.grants import is_tool_name
from capsule.tools.shapes import Mismatch, Schema, Shape
from capsule.tools.tool import LONGEST_HELP, Parameter, Tool, ToolError

if TYPE_CHECKING:
    from mcp.types import CallToolResult
    from mcp.types import Tool as Offered

MOST_TOOLS: Final = 200
"""Tools of one server."""

LARGEST_SCHEMA: Final = 256 << 10
"""Characters of a tool's schema, as JSON."""

LARGEST_RESULT: Final = 16 << 20
"""Characters of what a call gives, as JSON."""

_COSTLY = frozenset({"pattern", "patternProperties", "uniqueItems", "format", "$id", "$schema", "$anchor"})
"""Words of a schema that the server checks alone: what a sandbox chose may make them take years."""

_NAMED: Final = frozenset({"properties", "$defs", "definitions", "dependentSchemas"})
"""Words below which the next words are names."""

_DATA: Final = frozenset({"const", "enum", "default", "examples", "required", "dependentRequired"})

_EMPTY: Final = inspect.Parameter.empty
_NEEDED: Final = inspect.Parameter.POSITIONAL_OR_KEYWORD
_OPTIONAL: Final = inspect.Parameter.KEYWORD_ONLY
_MORE: Final = inspect.Parameter.VAR_KEYWORD


def borrowed(offered: Offered, prefix: str | None, call: Callable[[str, dict[str, Any]], Any]) -> Tool:
    """The tool under the name that a sandbox calls. Raises `UsageError` for one that can't be offered."""
    name = re.sub(r"[^0-9A-Za-z_]", "_", offered.name)
    name = f"{prefix}_{name}" if prefix else name
    if not is_tool_name(name):
        raise UsageError(
            f"the MCP server's tool {offered.name!r:.80} would be {name!r:.80}, which is no public name",
            hint='name="..." puts a word before it, only=[...] leaves it out',
        )
    schema = _checked(offered, name)
    parameters = _parameters(schema)
    signature = inspect.Signature(
        [
            inspect.Parameter(each.name, each.kind, default=None if each.kind is _OPTIONAL else _EMPTY)
            for each in parameters
        ]
    )
    validator = Draft202012Validator(schema, registry=Registry())  # nothing is fetched for a reference

    def gathered(arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            key: value
            for name, given in arguments.items()
            for key, value in (
                given.items() if signature.parameters[name].kind is _MORE else ((name, given),)
            )
        }

    def check(arguments: Mapping[str, Any]) -> None:
        _check(validator, gathered(arguments), f"{name}()")

    def function(*args: Any, **kwargs: Any) -> Any:
        return call(offered.name, gathered(signature.bind(*args, **kwargs).arguments))

    output = offered.output_schema
    returns = (_python(output), _typescript(output)) if output else ("Any", "unknown")
    return Tool(name, function, _help(offered, parameters), parameters, returns, False, signature, check)


def _help(offered: Offered, parameters: tuple[Parameter, ...]) -> str:
    text = offered.description or offered.title or ""
    told = [
        f"{each.name}: {' '.join(said.split())}"
        for each in parameters
        if isinstance(said := each.shape.schema.get("description"), str) and said.strip()
    ]
    return "\n\n".join([*([text] if text else []), *(["\n".join(told)] if told else [])])[:LONGEST_HELP]


def result_of_call(result: CallToolResult) -> Any:
    """What a call gave: its structured content, its text, or its blocks. Raises `ToolError`."""
    texts = [block.text for block in result.content if block.type == "text"]
    if result.is_error:
        raise ToolError("\n".join(texts) or "the MCP server's tool failed")
    value: Any
    if result.structured_content is not None:
        value = result.structured_content
    elif len(texts) == len(result.content):
        value = "\n".join(texts)
    else:
        value = [block.model_dump(mode="json", by_alias=True, exclude_none=True) for block in result.content]
    size = len(json.dumps(value))
    if size > LARGEST_RESULT:
        raise ToolError(f"the result has {size:,} characters, and may have {LARGEST_RESULT:,}")
    return value


def _checked(offered: Offered, name: str) -> Schema:
    """The schema of the arguments, without what is costly to check. Raises `UsageError`."""
    try:
        if len(json.dumps(offered.input_schema)) > LARGEST_SCHEMA:
            raise UsageError(f"the schema of the MCP server's tool {name!r} is too large")
        schema = _plain(offered.input_schema)
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError, ValueError):
        raise UsageError(f"the schema of the MCP server's tool {name!r} is none") from None
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        raise UsageError(f"the schema of the MCP server's tool {name!r} is none of an object")
    return schema


def _plain(schema: Any, named: bool = False) -> Any:
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if named:
        return {key: _plain(value) for key, value in schema.items()}
    kept = {key: value for key, value in schema.items() if key not in _COSTLY}
    return {key: value if key in _DATA else _plain(value, key in _NAMED) for key, value in kept.items()}


def _check(validator: Any, value: Any, where: str) -> None:
    try:
        error = best_match(validator.iter_errors(value))
    except Exception as problem:  # a reference that leads nowhere, or in circles
        raise Mismatch(f"{where}: it can't be checked: {type(problem).__name__}") from None
    if error is not None:
        place = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in error.absolute_path)
        raise Mismatch(f"{where}{place}: {error.message[:200]}")


def _parameters(schema: Schema) -> tuple[Parameter, ...]:
    properties: dict[str, Any] = schema.get("properties", {})
    required = [name for name in schema.get("required", []) if name in properties]
    usable = [name for name in properties if name.isidentifier() and not keyword.iskeyword(name)]
    ordered = [name for name in usable if name in required] + [n for n in usable if n not in required]
    made = []
    for name in ordered:
        own = properties[name]
        is_needed = name in required
        kind = _NEEDED if is_needed else _OPTIONAL
        default = None if is_needed else repr(own.get("default")) if isinstance(own, dict) else "None"
        made.append(Parameter(name, _shape(own), _python(own), kind, default))
    # Most servers say nothing of further names, and ignore them: a mistyped one is to be an error.
    if len(usable) < len(properties) or schema.get("additionalProperties", not properties):
        more = _gathering(usable)
        made.append(Parameter(more, _shape(None), "Any", _MORE, ""))
    return tuple(made)


def _gathering(taken: Sequence[str]) -> str:
    name = "more"
    while name in taken:
        name += "_"
    return name


def _shape(own: Any) -> Shape:
    """What is told of a parameter; the arguments are checked together, by the schema of them all."""
    return Shape(own if isinstance(own, dict) else {}, _typescript(own), lambda value, where: value)


_PYTHON = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}
_TYPESCRIPT = {
    "string": "string",
    "integer": "number",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "object": "Record<string, unknown>",
}


def _written(schema: Any, words: Mapping[str, str], any_word: str, listed: str) -> str:
    if not isinstance(schema, dict):
        return any_word
    if isinstance(schema.get("anyOf"), list) and schema["anyOf"]:
        return " | ".join(
            dict.fromkeys(_written(each, words, any_word, listed) for each in schema["anyOf"][:8])
        )
    kind = schema.get("type")
    if kind == "array":
        return listed.format(_written(schema.get("items"), words, any_word, listed))
    return words.get(kind, any_word) if isinstance(kind, str) else any_word


def _python(schema: Any) -> str:
    values = schema.get("enum") if isinstance(schema, dict) else None
    if isinstance(values, list) and 0 < len(values) <= 20:
        return f"Literal[{', '.join(repr(each) for each in values)}]"[:400]
    return _written(schema, _PYTHON, "Any", "list[{}]")


def _typescript(schema: Any) -> str:
    values = schema.get("enum") if isinstance(schema, dict) else None
    if isinstance(values, list) and 0 < len(values) <= 20:
        return " | ".join(json.dumps(each) for each in values)[:400]
    return _written(schema, _TYPESCRIPT, "unknown", "Array<{}>")
