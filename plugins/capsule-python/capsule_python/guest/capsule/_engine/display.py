"""How an object shows itself: the MIME bundles that notebooks know.

The methods are those of IPython's display protocol.
"""

from __future__ import annotations

import base64
from json import loads
from typing import Any

from . import values

MOST = 100
"""Objects that one piece of code shows at most."""

_LONGEST = 8 << 20
"""Characters of one form of an object; longer ones are left out."""

_LONGEST_TEXT = 64 * 1024

_METHODS = {
    "_repr_html_": "text/html",
    "_repr_markdown_": "text/markdown",
    "_repr_latex_": "text/latex",
    "_repr_svg_": "image/svg+xml",
    "_repr_png_": "image/png",
    "_repr_jpeg_": "image/jpeg",
    "_repr_json_": "application/json",
}


def bundle(value: Any) -> dict[str, Any]:
    """A value's forms by MIME type: text, or base64 text for pictures. A form that fails is left out."""
    forms: dict[str, Any] = {}
    for name, mime in _METHODS.items():
        _add(forms, mime, _ask(value, name))
    mixed = _ask(value, "_repr_mimebundle_")
    if isinstance(mixed, tuple) and mixed:
        mixed = mixed[0]
    if isinstance(mixed, dict):
        for mime, form in mixed.items():
            _add(forms, str(mime), form)
    if "text/plain" not in forms:
        forms["text/plain"] = _text(value)
    return forms


def _ask(value: Any, name: str) -> Any:
    method = None if isinstance(value, type) else getattr(type(value), name, None)
    if not callable(method):
        return None
    try:
        return method(value)
    except Exception:
        return None


def _add(forms: dict[str, Any], mime: str, form: Any) -> None:
    if isinstance(form, tuple) and form:  # a form and its metadata
        form = form[0]
    if isinstance(form, bytes):
        form = base64.b64encode(form).decode()
    if mime == "application/json" and form is not None:
        try:
            if len(values.encode_result(form)) <= _LONGEST:
                forms[mime] = loads(values.encode_result(form))
        except values.NotJson:
            return
    elif isinstance(form, str) and len(form) <= _LONGEST:
        forms[mime] = form


def _text(value: Any) -> str:
    try:
        return shortened(repr(value))
    except Exception as error:
        return f"<{type(value).__name__}: its repr failed with {type(error).__name__}>"


def shortened(text: str) -> str:
    """A text of bounded length."""
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}[...]"
