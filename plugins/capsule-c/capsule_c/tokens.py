"""The text of a C or C++ file as tokens: comments, literals, names, and where lines end.

Only what reading declarations and directives takes; nothing is expanded and no text is an error, since
the compiler has the last word on all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["comment", "string", "character", "name", "number", "mark", "newline"]

_SPLICE = re.compile(r"\\[ \t]*\r?\n")

# The order matters: a raw string before the name that begins it. A literal or a comment that never ends
# takes the rest of its line, or of the file.
_TOKEN = re.compile(
    r"""
      (?P<space>[ \t\f\v\r]+)
    | (?P<newline>\n)
    | (?P<comment>//[^\n]* | /\*(?s:.*?)(?:\*/|\Z))
    | (?P<raw>(?:u8|[uUL])?R"(?P<end>[^()\\\s]{0,16})\((?s:.*?)(?:\)(?P=end)"|\Z))
    | (?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*"?)
    | (?P<character>(?:u8|[uUL])?'(?:\\.|[^'\\\n])*'?)
    | (?P<name>[^\W\d]\w*)
    | (?P<number>\.?\d(?:[eEpP][+-]|'(?=\w)|[\w.])*)
    | (?P<mark>%:%:|%:|.)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text as it is written; ``line`` counts from 1."""

    kind: Kind
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Directive:
    """A line for the preprocessor: ``#name``, and the tokens that follow it, comments left out.

    ``text`` is what follows the name as it is written, where a header's name is no token.
    """

    name: str
    tokens: tuple[Token, ...]
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """A file's tokens: ``code`` without comments and directives, ``comments``, ``directives``."""

    code: tuple[Token, ...]
    comments: tuple[Token, ...]
    directives: tuple[Directive, ...]


def tokenize(content: bytes) -> Tokens:
    """The tokens of a file. Bytes that are not UTF-8 are taken for letters of some kind."""
    code: list[Token] = []
    comments: list[Token] = []
    directives: list[Directive] = []
    line: list[Token] = []
    for token in _scan(content.decode("utf-8", "surrogateescape")):
        if token.kind == "comment":
            comments.append(token)
        elif token.kind == "newline":
            _end_line(line, code, directives)
            line = []
        else:
            line.append(token)
    _end_line(line, code, directives)
    return Tokens(tuple(code), tuple(comments), tuple(directives))


def _end_line(line: list[Token], code: list[Token], directives: list[Directive]) -> None:
    if len(line) >= 1 and line[0].text in ("#", "%:"):
        if len(line) >= 2 and line[1].kind == "name":
            text = "".join(token.text for token in line[2:])
            directives.append(Directive(line[1].text, tuple(line[2:]), text, line[0].line))
        return
    code.extend(line)


def _scan(text: str) -> Iterator[Token]:
    joined, splices = _without_splices(text)
    position, line, passed = 0, 1, 0
    while position < len(joined):
        found = _TOKEN.match(joined, position)
        assert found is not None, "the last alternative takes any character"
        group = found.lastgroup
        if group in ("raw", "end"):
            yield Token("string", found[0], line)
        elif group != "space":
            yield Token(group, found[0], line)  # type: ignore[arg-type]  # the groups are the kinds
        position = found.end()
        line += found[0].count("\n")
        while passed < len(splices) and splices[passed] <= position:
            line += 1
            passed += 1


def _without_splices(text: str) -> tuple[str, list[int]]:
    """The text with lines joined that end in a backslash, and where in it they were joined."""
    pieces: list[str] = []
    splices: list[int] = []
    position = length = 0
    for splice in _SPLICE.finditer(text):
        pieces.append(text[position : splice.start()])
        length += len(pieces[-1])
        splices.append(length)
        position = splice.end()
    pieces.append(text[position:])
    return "".join(pieces), splices
