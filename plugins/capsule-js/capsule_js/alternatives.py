"""Packages in native code, which no sandbox runs, and what to do without them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_OUTSIDE = "run it outside and pass its results in as arguments"
_QUERY = "query outside and pass the rows in as arguments, or use sql.js/dist/sql-asm.js"
_BROWSER = "fetch pages with fetch, or drive the browser outside"
_DOES_WITHOUT = "what asks for it does without it"
_DEVICES = "a sandbox has no devices; read from them outside"
_XML = "use fast-xml-parser"
_PASSWORDS = "use bcryptjs"
_VECTORS = "compare vectors in JavaScript, or ask an index outside"
_CALLS = "no sandbox calls native libraries"

NATIVE: Final[Mapping[str, str]] = {
    "@duckdb/node-api": _QUERY,
    "@napi-rs/canvas": _OUTSIDE,
    "@node-rs/argon2": _PASSWORDS,
    "@node-rs/bcrypt": _PASSWORDS,
    "@node-rs/jieba": _OUTSIDE,
    "@parcel/watcher": "nothing tells the sandbox of changes to files",
    "@swc/core": "compile outside; TypeScript itself runs here",
    "@tensorflow/tfjs-node": "use @tensorflow/tfjs",
    "argon2": _PASSWORDS,
    "bcrypt": _PASSWORDS,
    "better-sqlite3": _QUERY,
    "bufferutil": "ws and its like do without it",
    "canvas": _OUTSIDE,
    "cpu-features": _DOES_WITHOUT,
    "deasync": "write async functions",
    "duckdb": _QUERY,
    "esbuild": "bundle outside",
    "faiss-node": _VECTORS,
    "farmhash": "use xxhashjs",
    "ffi-napi": _CALLS,
    "fsevents": "nothing tells the sandbox of changes to files",
    "heapdump": "the limits of a task say what it may take",
    "hnswlib-node": _VECTORS,
    "iconv": "use iconv-lite",
    "isolated-vm": "start a task: it has a sandbox of its own",
    "keytar": "declare secrets of the task, or environment variables",
    "koffi": _CALLS,
    "leveldown": "use memory-level",
    "libpq": "query outside and pass the rows in as arguments",
    "libxmljs": _XML,
    "libxmljs2": _XML,
    "lightningcss": "use postcss",
    "lmdb": "use memory-level, or files in allowedFiles",
    "microtime": "use performance.now()",
    "msgpackr-extract": _DOES_WITHOUT,
    "node-expat": _XML,
    "node-gyp": _OUTSIDE,
    "node-hid": _DEVICES,
    "node-libcurl": "use fetch",
    "node-pty": "a sandbox starts no processes",
    "node-sass": "use sass",
    "onnxruntime-node": _OUTSIDE,
    "opencv4nodejs": _OUTSIDE,
    "pg-native": "query outside and pass the rows in as arguments",
    "playwright": _BROWSER,
    "puppeteer": _BROWSER,
    "re2": "use regular expressions of JavaScript",
    "ref-napi": _CALLS,
    "robotjs": _DEVICES,
    "serialport": _DEVICES,
    "sharp": f"use jimp, or {_OUTSIDE}",
    "skia-canvas": _OUTSIDE,
    "snappy": "use snappyjs",
    "sodium-native": "use tweetnacl",
    "sqlite3": _QUERY,
    "tree-sitter": _OUTSIDE,
    "usb": _DEVICES,
    "utf-8-validate": "ws and its like do without it",
    "xxhash-addon": "use xxhashjs",
    "zeromq": _OUTSIDE,
}

LOADERS: Final = frozenset(
    {"@mapbox/node-pre-gyp", "bindings", "node-gyp-build", "node-gyp-build-optional-packages"}
    | {"node-pre-gyp", "pkg-prebuilds"}
)
"""Packages whose function loads the native code of the package that calls it."""

_ANY = "look for a package in plain JavaScript, or " + _OUTSIDE


def refusal(package: str) -> str:
    """That a package can't be used."""
    return f"{package} is native code, which can't run in a sandbox"


def replacement(package: str) -> str:
    """What to do without a native package."""
    return NATIVE.get(package, _ANY)


def advice(package: str) -> str | None:
    """Both, for a package that is known to be native; None for any other."""
    return f"{refusal(package)}; {NATIVE[package]}" if package in NATIVE else None
