"""Command lines that can't be read, said so that the right one is easy to type.

A word that begins with ``-`` and is no option is never a word for the task: ``--deny-al`` would run the code
with everything that ``--deny-all`` takes away.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from capsule.errors import UsageError

if TYPE_CHECKING:
    from cyclopts import CycloptsError

TAKES_WORDS = ("run", "exec")
"""The commands that hand words on to a task."""


def usage_error(error: CycloptsError) -> UsageError:
    """What cyclopts could not read, in our words."""
    from cyclopts import UnknownOptionError, UnusedCliTokensError

    command = " ".join(error.command_chain or ())
    if isinstance(error, UnknownOptionError):
        word = error.token.keyword or error.token.value or ""
        names = (name for argument in error.argument_collection for name in argument.names)
        return unknown_option(command, word, names)
    asks = f"capsule {command} --help" if command else "capsule --help"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        from capsule.policy.problems import show

        return UsageError(f"capsule {command} takes no argument {show(error.unused_tokens[0])}", hint=asks)
    return UsageError(" ".join(str(error).split()), hint=asks)


def unknown_option(command: str, word: str, names: Iterable[str]) -> UsageError:
    """The error for a word that looks like an option of ``command`` and is none."""
    from difflib import get_close_matches

    from capsule.policy.problems import SHOWN, show

    typed = word.partition("=")[0]
    options = sorted(name for name in names if name.startswith("-"))
    near = get_close_matches(typed[:SHOWN].lower(), options, n=1) if len(typed) > 2 else []
    hints = [f"did you mean {near[0]}?"] if near else []
    if command in TAKES_WORDS:
        hints.append(
            f"words for the task that begin with - go after --: capsule {command} FILE -- {typed[:SHOWN]}"
        )
    elif not near:
        hints.append(f"capsule {command} --help".replace("  ", " "))
    whose = f"capsule {command}".rstrip()
    return UsageError(f"{whose} has no option {show(typed)}", hint=" ".join(hints))
