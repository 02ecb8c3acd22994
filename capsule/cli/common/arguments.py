"""The arguments of a call, from the command line, a file or standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from capsule.errors import UsageError

LARGEST_ARGUMENTS = 256 << 20


def read_arguments(
    args: tuple[str, ...], args_json: str | None, args_file: Path | None
) -> tuple[list[Any], dict[str, Any]]:
    """The task's arguments: strings from the command line, or typed ones from JSON.

    JSON is a list of positional arguments, or an object of named ones. Raises `UsageError`.
    """
    if sum((bool(args), args_json is not None, args_file is not None)) > 1:
        raise UsageError("give arguments one way: as ARGS, with --args-json, or with --args-file")
    if args_json is not None:
        return _typed(args_json, "--args-json")
    if args_file is not None:
        try:
            # Not by its size: a device or a pipe has none, and may never end.
            with args_file.open("rb") as opened:
                data = opened.read(LARGEST_ARGUMENTS + 1)
            if len(data) > LARGEST_ARGUMENTS:
                raise UsageError(f"--args-file {args_file} is larger than {LARGEST_ARGUMENTS >> 20} MiB")
            text = data.decode("utf-8")
        except OSError as error:
            raise UsageError(
                f"--args-file {args_file} can't be read: {error.strerror or error}",
                hint="name a file that has a JSON list or object in it",
            ) from None
        except UnicodeDecodeError:
            raise UsageError(f"--args-file {args_file} is not UTF-8 text") from None
        return _typed(text, f"--args-file {args_file}")
    return list(args), {}


def read_stdin(file: Path) -> str:
    """The text on a command's standard input: a file's, or ours for ``-``. Raises `UsageError`."""
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(LARGEST_ARGUMENTS + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(LARGEST_ARGUMENTS + 1)
    except OSError as error:
        raise UsageError(f"--stdin {file} can't be read: {error.strerror or error}") from None
    if len(data) > LARGEST_ARGUMENTS:
        raise UsageError(f"--stdin {file} is larger than {LARGEST_ARGUMENTS >> 20} MiB")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(
            f"--stdin {file} is not UTF-8 text", hint="let the command read the file: --mount FOLDER:ro"
        ) from None


def _typed(text: str, what: str) -> tuple[list[Any], dict[str, Any]]:
    accepted = 'a list of positional arguments like ["a", 2], or an object of named ones like {"name": "a"}'
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{what} is not JSON: {str(error)[:200]}", hint=f"give {accepted}") from None
    if isinstance(value, list):
        return value, {}
    if isinstance(value, dict):
        return [], value
    raise UsageError(f"{what} is neither a JSON list nor a JSON object", hint=f"give {accepted}")
