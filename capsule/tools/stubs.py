"""What a model's prompt says of the tools that its code may call: typed stubs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Literal

from capsule.errors import UsageError
from capsule.tools.tool import Tool, tools_of


def stubs(
    tools: Iterable[Callable[..., Any] | Tool], language: Literal["python", "typescript"] = "python"
) -> str:
    """The signatures and docstrings of some tools, as text for a model. Raises `UsageError`."""
    if language not in ("python", "typescript"):
        raise UsageError(f"there are stubs in python and typescript, not in {language!r:.60}")
    write = _python if language == "python" else _typescript
    head = "from capsule import tools" if language == "python" else 'import { tools } from "@capsule-run/sdk"'
    return "\n\n".join([head, *(write(tool) for tool in tools_of(tools).values())]) + "\n"


def _python(tool: Tool) -> str:
    prefix = "async def" if tool.is_async else "def"
    text = f"{prefix} tools.{tool.name}{tool.signature()}:"
    if not tool.help:
        return f"{text} ..."
    quoted = tool.help.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    lines = "\n".join(f"    {line}".rstrip() for line in quoted.splitlines())
    return f'{text}\n    """{lines.lstrip()}"""'


def _typescript(tool: Tool) -> str:
    named = []
    rest = ""
    for each in tool.parameters:
        if each.kind is inspect.Parameter.VAR_POSITIONAL:
            rest = f"...{each.name}: ({each.shape.typescript})[]"
        elif each.kind is not inspect.Parameter.VAR_KEYWORD:
            named.append(f"{each.name}{'' if each.default is None else '?'}: {each.shape.typescript}")
    arguments = rest if rest and not named else f"args: {{ {'; '.join(named)} }}" if named else ""
    comment = ""
    if tool.help:
        lines = "\n".join(f" * {line}".rstrip() for line in tool.help.replace("*/", "*\\/").splitlines())
        comment = f"/**\n{lines}\n */\n"
    return f"{comment}tools.{tool.name}: ({arguments}) => Promise<{tool.returns[1]}>"
