"""From a command line to an exit code: who parses it, and what becomes of errors and signals."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from capsule.cli.common.exits import EXIT_DEFECT, EXIT_INTERRUPTED, EXIT_OK, EXIT_TERMINATED, EXIT_USAGE
from capsule.errors import CapsuleError

_NEGATIVE = re.compile(r"-[0-9]+(\.[0-9]+)?")
"""A word for the task although it begins with a dash."""


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM): it ends as it does on Ctrl-C, leaving nothing behind."""


def _terminate(number: int, frame: object) -> None:
    raise Terminated


def dispatch(arguments: Sequence[str]) -> int:
    """Runs a command line and returns the exit code. Never raises, but for `SystemExit`."""
    from capsule.cli.common.render import write_error, write_warning
    from capsule.policy.notices import show_with

    show_with(write_warning)
    signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            return _command(arguments)
        finally:
            _warn_of_broken_plugins(write_warning)
    except CapsuleError as error:
        write_error(error)
        return error.exit_code
    except Terminated:
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_USAGE
    except Exception as error:
        if os.environ.get("CAPSULE_TRACEBACK"):
            raise
        sys.stderr.write(f"error: capsule broke down: {type(error).__name__}: {error}\n")
        sys.stderr.write("hint: that is a defect of capsule's; CAPSULE_TRACEBACK=1 shows where it is\n")
        return EXIT_DEFECT


def _command(arguments: Sequence[str]) -> int:
    plain = plain_run(arguments)
    if plain is not None:
        from capsule.cli.common.starting import RunOptions
        from capsule.cli.run import run_file

        file, args, flags = plain
        options = RunOptions(json="--json" in flags, verbose=not flags.isdisjoint(("--verbose", "-v")))
        return run_file(file, args, options)
    arguments = _with_stdin(list(arguments))
    from cyclopts import CycloptsError

    from capsule.cli.app import app

    try:
        result = app(list(arguments), exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        from capsule.cli.common.usage import usage_error

        raise usage_error(error) from None
    return result if isinstance(result, int) else EXIT_OK


def _with_stdin(arguments: list[str]) -> list[str]:
    """``run -`` in words that the parser knows: it takes a lone dash for an option.

    Neither one behind ``--`` is meant, nor one that is an option's value, as in ``--stdin -``.
    """
    for place, word in enumerate(arguments):
        if arguments[0] != "run" or word == "--":
            break
        if word == "-" and (
            place == 1 or arguments[place - 1] in ("--json", "--verbose", "-v", "--deny-all")
        ):
            return [*arguments[:place], "--from-stdin", *arguments[place + 1 :]]
    return arguments


def plain_run(arguments: Sequence[str]) -> tuple[Path, tuple[str, ...], frozenset[str]] | None:
    """What ``capsule run FILE ARGS`` with no option but ``--json`` and ``--verbose`` asks for.

    That is what most command lines are, and importing cyclopts takes a quarter of a warm one's time.
    None for everything else, a mistyped option among it, which `capsule.cli.app` parses; for these
    both do the same.
    """
    if len(arguments) < 2 or arguments[0] != "run":
        return None
    words = [word for word in arguments[1:] if not word.startswith("-") or _NEGATIVE.fullmatch(word)]
    flags = [word for word in arguments[1:] if word.startswith("-") and not _NEGATIVE.fullmatch(word)]
    if not words or not words[0] or words[0].startswith("-") or len(flags) != len(set(flags)):
        return None
    if not {"--json", "--verbose", "-v"}.issuperset(flags) or {"--verbose", "-v"}.issubset(flags):
        return None
    return Path(words[0]), tuple(words[1:]), frozenset(flags)


def _warn_of_broken_plugins(warn: object) -> None:
    """Says which plugins can't be used, if a command has looked at them."""
    from capsule.frontend import manager

    loaded = manager.plugins.cache_info().currsize and "all" in manager.plugins().__dict__
    if loaded and callable(warn):
        for plugin in manager.plugins().broken:
            name = f"{plugin.name!r} ({plugin.distribution})"
            warn(f"the plugin {name} is broken and was skipped: {plugin.problem}")
