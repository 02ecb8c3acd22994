"""The tasks that a C file declares: ``CAPSULE_TASK(name, "option=value", ...)``, read from its text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from capsule.errors import BuildError, Location
from capsule.frontend.spec import Json, TaskDeclaration
from capsule_c.tokens import Token, Tokens, tokenize

MACRO = "CAPSULE_TASK"
EXAMPLE = f'{MACRO}(main, "compute=LOW", "timeout=5s")'

LISTS = ("allowed_files", "allowed_hosts", "env_variables", "secrets", "tools")
"""Options whose value is a list: their items are separated by commas."""

MODES = ("ro", "rw", "read-only", "read-write")
"""What may follow a folder, after a colon."""

_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "'": "'", "/": "/"}
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Declared:
    """A task: how it is declared, and the name of the C function that is its body."""

    declaration: TaskDeclaration
    function: str


def discover_tasks(files: Mapping[str, bytes]) -> tuple[Declared, ...]:
    """The tasks of some files, in their order. Raises `BuildError`, with file and line."""
    return tuple(task for name, content in files.items() for task in _tasks(name, tokenize(content)))


def _tasks(file: str, tokens: Tokens) -> Iterable[Declared]:
    for directive in tokens.directives:
        if directive.name == "define" and any(token.text == MACRO for token in directive.tokens):
            raise BuildError(
                f"{MACRO} inside a #define can't be read before the program is compiled",
                hint=f"write it out where the task is: {EXAMPLE} {{ ... }}",
                location=Location(file, directive.line),
            )
    position = 0
    code = tokens.code
    while position < len(code):
        if code[position].text == MACRO and code[position].kind == "name":
            declared, position = _declared(file, code, position)
            yield declared
        else:
            position += 1


def _declared(file: str, code: tuple[Token, ...], start: int) -> tuple[Declared, int]:
    location = Location(file, code[start].line)
    arguments, position = _arguments(code, start + 1, location)
    [name, *rest] = arguments or [()]
    if len(name) != 1 or name[0].kind != "name" or not _IDENTIFIER.fullmatch(name[0].text):
        raise BuildError(
            f"the first thing in {MACRO}(...) is the task's name, a plain C identifier",
            hint=EXAMPLE,
            location=location,
        )
    options: dict[str, Json] = {}
    for argument in rest:
        key, value = _option(argument, location)
        _add(options, key, value, location)
    task = str(options.pop("name", name[0].text))
    declaration = TaskDeclaration(name=task, options=options, location=location)
    return Declared(declaration, name[0].text), position


def _arguments(
    code: tuple[Token, ...], position: int, location: Location
) -> tuple[list[tuple[Token, ...]], int]:
    """What stands between parentheses, at commas apart, and the position behind them."""
    if position >= len(code) or code[position].text != "(":
        raise BuildError(f"{MACRO} needs a name in parentheses", hint=EXAMPLE, location=location)
    arguments: list[list[Token]] = [[]]
    for index in range(position + 1, len(code)):
        token = code[index]
        if token.text == ")":
            return [tuple(argument) for argument in arguments], index + 1
        if token.text == ",":
            arguments.append([])
        else:
            arguments[-1].append(token)
    raise BuildError(f"{MACRO}( is never closed", hint=EXAMPLE, location=location)


def _option(argument: tuple[Token, ...], location: Location) -> tuple[str, str]:
    if not argument or any(token.kind != "string" or not token.text.startswith('"') for token in argument):
        shown = " ".join(token.text for token in argument)[:60] or "nothing"
        raise BuildError(
            f"the options of a task are plain string literals, not {shown}",
            hint=f"they are read before anything is compiled: {EXAMPLE}",
            location=location,
        )
    text = "".join(_unquoted(token.text, location) for token in argument)
    key, equals, value = text.partition("=")
    if not equals:
        raise BuildError(
            f'the option "{text[:60]}" has no value', hint='write "option=value"', location=location
        )
    return key.strip(), value.strip()


def _unquoted(literal: str, location: Location) -> str:
    if len(literal) < 2 or not literal.endswith('"'):
        raise BuildError(f"the string {literal[:60]} is never closed", location=location)

    def replaced(escape: re.Match[str]) -> str:
        if escape[1] not in _ESCAPES:
            raise BuildError(f"the escape \\{escape[1]} can't be used in a task's options", location=location)
        return _ESCAPES[escape[1]]

    return re.sub(r"(?s)\\(.)", replaced, literal[1:-1])


def _add(options: dict[str, Json], key: str, value: str, location: Location) -> None:
    if key in LISTS:
        items = [item.strip() for item in value.split(",")] if value else []
        options.setdefault(key, []).extend(
            _folder(item) if key == "allowed_files" else item for item in items
        )
        return
    if key in options:
        raise BuildError(f"the option {key} is given twice", location=location)
    options[key] = int(value) if key == "max_retries" and re.fullmatch(r"\d{1,9}", value) else value


def _folder(item: str) -> Json:
    path, colon, mode = item.rpartition(":")
    return {"path": path, "mode": mode} if colon and mode in MODES else item
