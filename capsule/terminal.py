"""Text of guests and of files on our own streams: it may not drive a terminal."""

from __future__ import annotations

import sys
import unicodedata
from typing import TextIO

# Cc: controls; Cf: invisible, joining and bidirectional marks; Cs, Co: no meaning; Zl, Zp: line separators.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def escape(text: str) -> str:
    """The text on one line, with every character that isn't plainly visible written as an escape."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def safe(text: str, stream: TextIO) -> str:
    """Text of any origin for a stream: on a terminal, control characters but newlines are escaped."""
    return "\n".join(escape(line) for line in text.split("\n")) if stream.isatty() else text


def block(text: str) -> str:
    """Text of several lines and of any origin, each escaped and indented: none can pass for ours."""
    return "\n".join(f"  {escape(line.expandtabs())}" for line in text.rstrip("\n").split("\n"))


def paragraph(text: str) -> str:
    """Text that begins in a line of ours: what follows its first line is a `block`."""
    first, newline, rest = text.rstrip("\n").partition("\n")
    return escape(first.expandtabs()) + (f"\n{block(rest)}" if newline else "")


def without_message(traceback: str, message: str) -> str:
    """A traceback's places, where its message is said beside it: Python has that last, JavaScript first."""
    text = traceback.rstrip("\n")
    if message and text.endswith(message):
        return text[: len(text) - len(message)].rpartition("\n")[0]
    if message and text.startswith(message):
        return text[len(message) :].partition("\n")[2]
    return text


def write(stream: TextIO, text: str) -> None:
    """Writes text at once; what the stream's encoding can't express is escaped."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def write_guest_text(text: str) -> None:
    """Writes what a guest wrote to stderr; on a terminal, control characters are escaped."""
    write(sys.stderr, safe(text, sys.stderr))


def _escaped(character: str) -> str:
    if unicodedata.category(character) not in _UNSAFE:
        return character
    return character.encode("unicode_escape").decode("ascii")
