"""What the bundler says of a program, as an error for its author."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from capsule.errors import BuildError, Location
from capsule_js.alternatives import advice
from capsule_js.engine import builtins
from capsule_js.esbuild import Message
from capsule_js.reach import OUTSIDE

UNKNOWN_BUILTIN = "The engine has no module"

_UNRESOLVED = re.compile(r'Could not resolve "(?P<name>[^"]*)"')
_SHOWN_ERRORS = 5


def unresolved(error: Message) -> str | None:
    """The specifier that a message says could not be found; None for any other message."""
    found = _UNRESOLVED.match(error.text)
    return None if found is None else found["name"]


def build_error(errors: Sequence[Message], source: str) -> BuildError:
    """One error for all that the bundler found wrong in the program of ``source``."""
    first = errors[0]
    file = first.file if first.file not in (None, "<stdin>") else source
    assert file is not None
    shown = "\n".join(_describe(error) for error in errors[:_SHOWN_ERRORS])
    more = len(errors) - _SHOWN_ERRORS
    return BuildError(
        _sentence(first.text),
        hint=_hint(first),
        location=Location(file, first.line if first.file == file else None),
        traceback=shown + (f"\n... and {more} more errors" if more > 0 else ""),
    )


def package_of(specifier: str) -> str:
    """The package that a specifier names which is no path."""
    parts = specifier.split("/")
    return "/".join(parts[:2]) if specifier.startswith("@") else parts[0]


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:] if not text[:2].isupper() else text


def _hint(error: Message) -> str | None:
    name = unresolved(error)
    if name is not None:
        if name.startswith((".", "/")):
            return "check the path; it starts at the file that imports it"
        package = package_of(name)
        return advice(package) or f"npm install {package}"
    if UNKNOWN_BUILTIN in error.text:
        near = difflib.get_close_matches(error.text.split("'")[1].removeprefix("node:"), builtins(), 1)
        return f"did you mean node:{near[0]}?" if near else None
    if OUTSIDE in error.text:
        return "copy it into the project, or put capsule.toml into the folder that holds both"
    if "No loader is configured" in error.text:
        return "read such a file at run time, with fs and allowedFiles"
    return error.notes[0] if error.notes else None


def _describe(error: Message) -> str:
    if error.file is None or error.line is None:
        return error.text
    place = f"{error.file}:{error.line}:{error.column + 1}: {error.text}"
    line = error.line_text[:200].rstrip("\n")
    if not line:
        return place
    # The column counts bytes of UTF-8.
    before = line.encode()[: error.column].decode("utf-8", "replace")
    indent = "".join("\t" if letter == "\t" else " " for letter in before)
    return f"{place}\n    {line}\n    {indent}^"
