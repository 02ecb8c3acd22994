"""The export ``compile``: sources to code objects of the guest's Python."""

from __future__ import annotations

import binascii
import json
import marshal
import warnings
from typing import Any


def compile_modules(request: str) -> str:
    """Compiles each module of the request; one that is not valid Python gets an error of its own."""
    modules = json.loads(request)["modules"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.dumps({"modules": [_compile(**module) for module in modules]})


def _compile(name: str, file: str, source: str) -> dict[str, Any]:
    try:
        code = compile(source, file, "exec", dont_inherit=True, optimize=0)
        return {"name": name, "code": binascii.b2a_base64(marshal.dumps(code), newline=False).decode()}
    except SyntaxError as error:
        found: dict[str, Any] = {
            "message": error.msg or "invalid syntax",
            "line": error.lineno,
            "text": error.text,
            "offset": error.offset,
        }
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        found = {"message": message, "line": None, "text": None, "offset": None}
    return {"name": name, "error": {**found, "file": file}}
