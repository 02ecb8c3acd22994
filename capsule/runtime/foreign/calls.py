"""The text that a sandbox is called with, by contract; written by the host, from checked arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from capsule.artifact.foreign import Contract
from capsule.errors import UsageError

STDIN: Final = "stdin"
"""The one named argument of a command: the text of its standard input, which is empty without it."""

MOST_ARGUMENT_CHARACTERS: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a command is started with. ``most`` is how many bytes of its standard output are a result."""

    argv: tuple[str, ...]
    stdin: bytes
    most: int


def check_arguments(contract: Contract, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Raises `UsageError` for arguments that a component of this contract can't be given."""
    if contract is not Contract.COMMAND:
        return
    hint = 'give text: capsule exec tool.wasm one two, run("tool.wasm", ["one", "2"], {"stdin": "text"})'
    unknown = [name for name in kwargs if name != STDIN]
    if unknown:
        raise UsageError(f"a command has no named argument {unknown[0][:100]!r} but {STDIN!r}", hint=hint)
    named = [(f"argument {number}", value) for number, value in enumerate(args, 1)]
    for name, value in (*named, *kwargs.items()):
        if not isinstance(value, str):
            raise UsageError(f"a command takes text, and {name} is {type(value).__name__}", hint=hint)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UsageError(f"{name} of the command is not text that UTF-8 can hold", hint=hint) from None
    if any("\0" in value for value in args):
        raise UsageError("an argument of the command has a NUL character", hint=hint)
    if sum(len(value) for value in args) > MOST_ARGUMENT_CHARACTERS:
        raise UsageError("the command's arguments are too long", hint=f"hand them over as {STDIN}")


def call_text(contract: Contract, task: str, arguments: str, *, program: str) -> str:
    """What a sandbox is called with. ``arguments`` is the JSON object of ``args`` and ``kwargs``.

    ``program`` is the name that a command is told to have.
    """
    match contract:
        case Contract.TASK:
            return f'{{"task":{json.dumps(task)},{arguments[1:]}'
        case Contract.HOST:
            return f'{{"task_name":{json.dumps(task)},{arguments[1:]}'
        case Contract.COMMAND:
            given = json.loads(arguments)
            return json.dumps({"argv": [program, *given["args"]], STDIN: given["kwargs"].get(STDIN, "")})


def command_line(contract: Contract, call: str, most: int) -> CommandLine | None:
    """What a command is started with, from its call; None for components of other contracts."""
    if contract is not Contract.COMMAND:
        return None
    given = json.loads(call)
    return CommandLine(tuple(given["argv"]), given[STDIN].encode(), most)
