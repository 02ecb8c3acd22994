"""Outcomes as the results of tools: text for the model, structured content, pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent

from capsule.sdk.outcome import Envelope
from capsule.sessions.turn import Turn

LONGEST_TEXT: Final = 100_000
"""Characters of one piece of text that a model is shown; the middle of a longer one is left out."""

PICTURES: Final = ("image/png", "image/jpeg")
TEXTS: Final = ("text/markdown", "text/html", "image/svg+xml", "text/latex")


def result_of(envelope: Envelope, output: str, more: Mapping[str, Any] | None = None) -> CallToolResult:
    """What a run or a turn came to."""
    content: list[ContentBlock] = []
    if output:
        content.append(_text(output))
    if isinstance(envelope, Turn):
        content += [block for bundle in envelope.display for block in _shown(bundle)]
        if envelope.files:
            content.append(_text(_changes(envelope)))
    if envelope["success"]:
        if not (isinstance(envelope, Turn) and envelope.display):
            value = envelope["result"]
            if value is not None or not content:
                content.append(_text(value if isinstance(value, str) else json.dumps(value)))
    else:
        content.append(_text(_failure(envelope)))
    structured = {
        "success": envelope["success"],
        "result": envelope["result"],
        "error": envelope["error"],
        "output": _shortened(output),
        **(more or {}),
    }
    return CallToolResult(
        content=content,
        structured_content=json.loads(json.dumps(structured, default=str)),
        is_error=not envelope["success"],
    )


def said(**values: Any) -> CallToolResult:
    """A plain answer."""
    return CallToolResult(content=[_text(json.dumps(values))], structured_content=values)


def refused(message: str) -> CallToolResult:
    """An error that the model can do something about."""
    return CallToolResult(content=[_text(f"error: {message}")], is_error=True)


def _failure(envelope: Envelope) -> str:
    error = envelope["error"]
    text = error.get("traceback") or error["message"]
    text = f"{error['error_type']}: {text}"
    if isinstance(envelope, Turn) and envelope.went_back:
        files = "so are its files" if envelope.files_went_back else "its files stayed as they are"
        text += f"\nThe session is where it was before this turn, and {files}."
    return text


def _changes(turn: Turn) -> str:
    kinds = {"created": turn.files.created, "changed": turn.files.changed, "deleted": turn.files.deleted}
    return "\n".join(f"files {kind}: {', '.join(names[:50])}" for kind, names in kinds.items() if names)


def _shown(bundle: Mapping[str, Any]) -> list[ContentBlock]:
    for mime in PICTURES:
        data = bundle.get(mime)
        if isinstance(data, str):
            return [ImageContent(data=data, mime_type=mime)]
    for mime in (*TEXTS, "text/plain"):
        text = bundle.get(mime)
        if isinstance(text, str):
            return [_text(text)]
    return [_text(json.dumps(bundle.get("application/json")))] if "application/json" in bundle else []


def _text(text: str) -> TextContent:
    return TextContent(text=_shortened(text))


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    half = LONGEST_TEXT // 2
    return f"{text[:half]}\n[... {len(text) - LONGEST_TEXT:,} characters left out ...]\n{text[-half:]}"
