"""Makes the page: the run as data, and the style and the script that show it.

Everything that it shows comes from guests in the end. So it goes into the page as JSON, in which nothing can
end the element that it stands in; the script puts it on the screen as text, never as markup; and a policy of
the page's own lets no script run but this one, and nothing be fetched or sent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import asdict
from importlib.resources import files
from string import Template
from typing import Any, Final

from capsule.journal.records import OutputRecord, RunTree, TaskRecord
from capsule.terminal import escape

MOST_OUTPUT: Final = 8 << 20
"""Characters of output in one page; what comes after them is counted."""


def page(tree: RunTree) -> str:
    """The page of a run, as HTML. Read the tree with its output."""
    style, script = _part("trace.css"), _part("trace.js")
    return Template(_part("trace.html")).substitute(
        title=_markup(f"{tree.run.task} · {tree.run.state} · {tree.run.source}"),
        policy=(
            f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
            "base-uri 'none'; form-action 'none'"
        ),
        style=style,
        script=script,
        data=_data(tree),
    )


def _data(tree: RunTree) -> str:
    """The run as JSON that is safe in an element ``script``: without ``<``, ``>`` and ``&``."""
    left = MOST_OUTPUT
    tasks = []
    for task in tree.tasks:
        output, left = _output(task.output, left)
        tasks.append({**_shown(task), "output": output, "children": []})
    value = {"run": _readable(asdict(tree.run)), "tasks": tasks}
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(task: TaskRecord) -> dict[str, Any]:
    found = asdict(task)
    del found["output"]
    found["policy"] = _policy(task.policy)
    return {key: _readable(value) for key, value in found.items()}


def _policy(text: str) -> str:
    """A policy, an option a line: what is recorded is JSON on one line, or was cut."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(value, dict):
        return text
    return "\n".join(f"{key} = {json.dumps(value[key])}" for key in sorted(value))


def _output(parts: tuple[OutputRecord, ...], left: int) -> tuple[list[dict[str, Any]], int]:
    kept = []
    for part in parts:
        text = (
            part.text if len(part.text) <= left else part.text[:left] + "\n… [more: capsule trace --output]"
        )
        left = max(0, left - len(part.text))
        kept.append({**asdict(part), "text": _readable(text)})
        if left == 0:
            break
    return kept, left


def _readable(value: Any) -> Any:
    """The value, with invisible characters and marks that turn the reading direction written out."""
    if isinstance(value, str):
        return "\n".join(escape(line.expandtabs()) for line in value.split("\n"))
    if isinstance(value, dict):
        return {key: _readable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(each) for each in value]
    return value


def _markup(text: str) -> str:
    return escape(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _part(name: str) -> str:
    return files("capsule.journal.page").joinpath(name).read_text("utf-8")
