"""Packages in native code, which no sandbox runs, and what to do without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_OUTSIDE = "run it outside and pass its results in as arguments"
_QUERY = "query outside and pass the rows in as arguments, or use sql.js"

NATIVE: Final[Mapping[str, str]] = {
    "argon2": "use scrypt of node:crypto, or hash-wasm",
    "bcrypt": "use bcryptjs",
    "better-sqlite3": _QUERY,
    "bufferutil": "ws and its like do without it",
    "canvas": _OUTSIDE,
    "cpu-features": "what asks for it does without it",
    "deasync": "write async functions",
    "fsevents": "nothing tells the sandbox of changes to files",
    "isolated-vm": "start a task: it has a sandbox of its own",
    "node-gyp": _OUTSIDE,
    "node-pty": "a sandbox starts no processes",
    "node-sass": "use sass",
    "onnxruntime-node": _OUTSIDE,
    "playwright": "fetch pages with fetch, or drive the browser outside",
    "puppeteer": "fetch pages with fetch, or drive the browser outside",
    "re2": "use regular expressions of JavaScript",
    "sharp": f"use jimp, or {_OUTSIDE}",
    "sqlite3": _QUERY,
    "utf-8-validate": "ws and its like do without it",
}
