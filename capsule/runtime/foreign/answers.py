"""What foreign guests say of how they ended, in the form of our own contract.

It is hostile text either way, and read as such (`capsule.runtime.attempt.read_answer`): nothing here
believes it.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

from capsule.runtime.hostile_json import read_json

RESULT: Final = re.compile(r'\s*\{\s*"result"\s*:')
"""How an answer begins that is in our form already: it is passed on without being read here."""

LARGEST_FAILURE: Final = 1 << 20
"""Characters of an answer that is read to see how a task failed."""


def runner_answer(said: Any) -> str:
    """The answer of a ``capsule:host/task-runner``: a ``Variant`` of ok and err, both text.

    A task that returned says ``{"result": ...}``; one that failed ``{"error_type", "message"}`` or
    ``{"error": "text"}``, or it returns an error.
    """
    text = str(said.payload)
    if said.tag == "err":
        return failed("task_error", text)
    if RESULT.match(text) or len(text) > LARGEST_FAILURE:
        return text
    try:
        found = read_json(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(found, dict) and "result" not in found:
        if "error_type" in found:
            return json.dumps({"error": found})
        if isinstance(found.get("error"), str):
            return failed("task_error", found["error"])
    return text


def command_answer(output: bytes, code: int) -> str:
    """The answer of a command that wrote ``output`` and ended with ``code``."""
    if code != 0:
        return failed("exit", f"the command ended with exit code {code}")
    try:
        return json.dumps({"result": output.decode("utf-8")}, ensure_ascii=False)
    except UnicodeDecodeError as error:
        return failed(
            "task_error",
            f"the command's output is not UTF-8 text (byte {error.start} of {len(output)}), "
            "and a result is text: have it write a file in a folder that it is given with --mount",
        )


def failed(error_type: str, message: str) -> str:
    """An answer that says how the guest failed."""
    return json.dumps({"error": {"error_type": error_type, "message": message}})
