"""Code on the command line: ``capsule run -c CODE``, and ``capsule run -`` for standard input."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.errors import UsageError

if TYPE_CHECKING:
    from capsule.cli.common.starting import RunOptions
    from capsule.launch.code import Code


def given_code(file: Path | None, options: RunOptions) -> Code | None:
    """The code that was typed or is piped in; None when a file is to be run. Raises `UsageError`."""
    if options.code is None and not options.from_stdin:
        for name, typed in (("--package", options.package), ("--option", options.option)):
            if typed:
                raise UsageError(
                    f"{name} is for code in no file; a file says itself what it needs",
                    hint=f"capsule run -c CODE {name} {typed[0]}",
                )
        return None
    given = [name for name, there in (("-c", options.code is not None), ("-", options.from_stdin)) if there]
    if file is not None or len(given) > 1:
        raise UsageError(
            f"both {given[0]} and {file or given[1]} say what to run", hint="leave one of them out"
        )
    if options.require_signature:
        raise UsageError("code can't be signed", hint="--require-signature is for a .wasm")
    from capsule.launch.code import LARGEST, Code

    if options.code is not None:
        text = options.code
    else:
        data = sys.stdin.buffer.read(4 * LARGEST + 1)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise UsageError(f"the code on standard input is not UTF-8: {error.reason}") from None
    may_use = named_values("--option", options.option)
    if options.tools:
        may_use = {"tools": [tool.name for tool in options.tools], **may_use}
    return Code(text, options.lang, options.package, may_use)


def named_values(flag: str, written: tuple[str, ...]) -> dict[str, object]:
    """The values of a repeatable ``NAME=VALUE``. Raises `UsageError`, also for a name that is there twice."""
    from capsule.policy.limits import read_argument

    found: dict[str, object] = {}
    for argument in written:
        name, equals, value = argument.partition("=")
        if not equals or name in found:
            problem = "it is there twice" if equals else "no value"
            raise UsageError(f"{flag} {argument!r:.60}: {problem}", hint=f"{flag} allowed_hosts=example.com")
        found[name] = read_argument(name, value)
    return found
