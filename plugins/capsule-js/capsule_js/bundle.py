"""Bundles a program with esbuild, in the form that the engine takes (``guest/README.md``)."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from capsule.errors import BuildError, Location
from capsule.frontend.inputs import InputError, InputMissing
from capsule_js.alternatives import NATIVE
from capsule_js.edits import Shifts
from capsule_js.engine import builtins
from capsule_js.esbuild import Hook, Message, Request, Response, run_build
from capsule_js.finishing import OWN_SCOPE, finish
from capsule_js.floating import mark_floating
from capsule_js.reach import OUTSIDE, Reach
from capsule_js.surroundings import Surroundings, check_source_maps

SDK = "@capsule-run/sdk"
TIMEOUT = 120.0
"""Seconds that bundling may take; a program with large packages takes one."""

FORMAT = 3
"""Goes up when other bundles come of the same files."""

_NAMESPACE = "capsule-builtin"
_OUTPUT = "capsule-bundle.js"
_SHOWN_ERRORS = 5

_FLAGS = (
    "--bundle",
    "--format=esm",
    "--platform=neutral",
    "--target=es2023",
    "--supported:dynamic-import=false",
    "--main-fields=browser,module,main",
    "--conditions=worker,browser,module",
    '--define:process.env.NODE_ENV="production"',
    '--define:import.meta.url="file:///app/main.js"',
    '--define:import.meta.dirname="/app"',
    '--define:import.meta.filename="/app/main.js"',
    "--define:global=globalThis",
    # Not --minify-syntax: it drops names that programs see, and makes variables of constants.
    "--minify-whitespace",
    "--keep-names",
    "--line-limit=200",
    "--sourcemap=external",
    "--sources-content=false",
    "--legal-comments=none",
    "--metafile",
    "--log-level=silent",
    "--log-limit=0",
    "--color=false",
    f"--outfile={_OUTPUT}",
)


@dataclass(frozen=True, slots=True)
class Esbuild:
    """The native program, and its exact version."""

    program: Path
    version: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundled program.

    ``text`` is for the engine; ``source_map`` is of what esbuild made of it, from which some has moved
    (``shifts``). Names are relative to the project root, with forward slashes:
    ``own`` maps the project's files (those outside ``node_modules``) to the content that was bundled;
    ``kept`` are the own modules of which something is in the bundle; ``packages`` are the files out of
    ``node_modules``; ``imports`` are the specifiers that are no paths; ``packages_with_tasks`` are files of
    packages that import the SDK.
    """

    text: str
    source_map: bytes
    shifts: Shifts
    own: Mapping[str, bytes]
    kept: tuple[str, ...]
    packages: tuple[str, ...]
    imports: tuple[str, ...]
    packages_with_tasks: tuple[str, ...]


def make_bundle(source: Path, root: Path, esbuild: Esbuild, *, unsupported: Sequence[str] = ()) -> Bundle:
    """Bundles ``source``, without the features of the language that are ``unsupported``: esbuild's names, and
    `OWN_SCOPE`.

    Raises `BuildError` with the user's file and line.
    """
    own: dict[str, bytes] = {}
    reach = Reach(root)
    surroundings = Surroundings(root, reach)
    surroundings.check(source.parent)

    def resolve(request: Mapping[str, Any]) -> None:
        """Leaves the question to esbuild, once the settings that it looks up for the answer are known."""
        surroundings.check_import(request["path"], Path(request["resolveDir"]))

    def read(request: Mapping[str, Any]) -> Mapping[str, Any]:
        path: str = request["path"]
        name = relative_name(path, root)
        try:
            content = reach.read(path)
        except InputMissing as error:
            return _error(f"{name}: {error.reason}")
        except InputError as error:
            if error.reason == OUTSIDE:
                return _error(f"{name} lies {OUTSIDE} and can't be a part of the program")
            raise BuildError(error.reason, hint=error.hint, location=Location(name)) from None
        check_source_maps(path, name, content, reach)
        if is_package_file(name):
            return {"contents": content, "loader": "default"}
        # What is hashed and searched for tasks is what esbuild gets, also when the file changes meanwhile.
        own[name] = content
        return {"contents": mark_floating(name, content), "loader": "default"}

    response = run_build(
        esbuild.program,
        esbuild.version,
        Request(
            entry=_entry(source.name),
            folder=source.parent,
            working_folder=root,
            flags=(*_FLAGS, *_without(unsupported)),
            resolve=(
                Hook(_builtin_filter(), _resolve_builtin),
                Hook("^node:", _refuse_unknown_builtin),
                Hook("^(?:https?:)?//", _refuse_address),
                Hook(".*", resolve),
            ),
            load=(Hook(".*", _load_builtin, _NAMESPACE), Hook(".*", read, "file")),
        ),
        timeout=TIMEOUT,
    )
    if response.errors:
        raise _build_error(response.errors, source, root)
    return _read_response(response, own, relative_name(str(source), root), unsupported)


def _without(features: Iterable[str]) -> Iterator[str]:
    return (f"--supported:{feature}=false" for feature in features if feature != OWN_SCOPE)


def _entry(name: str) -> str:
    specifier = json.dumps(f"./{name}")
    # An exported plain function `main` is a task without options. When a task of that name is there
    # already, the SDK refuses a second one.
    return (
        f'import {{ task }} from "{SDK}";\n'
        f"import * as program from {specifier};\n"
        "globalThis.__capsule_exports = program;\n"
        'const main = program["main"];\n'
        'try { if (typeof main === "function") task({ name: "main" }, main); } catch {}\n'
    )


def _builtin_filter() -> str:
    nodes = "|".join(re.escape(name) for name in sorted(builtins()) if not name.startswith("@"))
    others = "|".join(re.escape(name) for name in sorted(builtins()) if name.startswith("@"))
    return f"^(?:(?:node:)?(?:{nodes})|{others})$"


def _resolve_builtin(request: Mapping[str, Any]) -> Mapping[str, Any]:
    path: str = request["path"]
    return {"path": path.removeprefix("node:"), "namespace": _NAMESPACE, "sideEffects": False}


def _refuse_unknown_builtin(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return _error(f"The engine has no module {request['path']!r}")


def _refuse_address(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return _error(f"A module can't be imported from the network: {request['path'][:200]!r}")


def _error(text: str) -> Mapping[str, Any]:
    return {
        "errors": [{"id": "", "pluginName": "", "text": text, "location": None, "notes": [], "detail": -1}]
    }


def _load_builtin(request: Mapping[str, Any]) -> Mapping[str, Any]:
    name = json.dumps(request["path"])
    return {"contents": f"module.exports = globalThis.__capsule_builtins[{name}]".encode(), "loader": "js"}


def _read_response(
    response: Response, own: Mapping[str, bytes], source: str, unsupported: Sequence[str]
) -> Bundle:
    text, shifts = finish(response.outputs[_OUTPUT], unsupported)
    metafile = json.loads(response.metafile)
    inputs: dict[str, Any] = metafile["inputs"]
    packages = []
    imports = set()
    with_tasks = []
    for name, facts in inputs.items():
        if name == "<stdin>" or name.startswith(f"{_NAMESPACE}:") or name.startswith("(disabled):"):
            continue
        for imported in facts["imports"]:
            original = imported.get("original", "")
            if original and original[0] not in "./":
                imports.add(original)
        if is_package_file(name):
            packages.append(name)
            if any(imported["path"] == f"{_NAMESPACE}:{SDK}" for imported in facts["imports"]):
                with_tasks.append(name)
    kept = metafile["outputs"][_OUTPUT]["inputs"]
    return Bundle(
        text=text.decode(),
        source_map=response.outputs[f"{_OUTPUT}.map"],
        shifts=shifts,
        own=dict(sorted(own.items())),
        kept=tuple(sorted(name for name in own if name in kept or name == source)),
        packages=tuple(sorted(packages)),
        imports=tuple(sorted(imports)),
        packages_with_tasks=tuple(sorted(with_tasks)),
    )


@lru_cache(maxsize=4096)
def is_package_file(name: str) -> bool:
    """Whether a name (relative to the project root) lies in a ``node_modules`` folder."""
    return "node_modules" in name.split("/")


def relative_name(path: str, root: Path) -> str:
    """The name of an absolute path, relative to the project root, with forward slashes."""
    return os.path.relpath(path, root).replace(os.sep, "/")


_UNRESOLVED = re.compile(r'Could not resolve "(?P<name>[^"]*)"')


def _build_error(errors: tuple[Message, ...], source: Path, root: Path) -> BuildError:
    first = errors[0]
    file = first.file if first.file not in (None, "<stdin>") else relative_name(str(source), root)
    assert file is not None
    shown = "\n".join(_describe(error) for error in errors[:_SHOWN_ERRORS])
    more = len(errors) - _SHOWN_ERRORS
    return BuildError(
        _sentence(first.text),
        hint=_hint(first),
        location=Location(file, first.line if first.file == file else None),
        traceback=shown + (f"\n... and {more} more errors" if more > 0 else ""),
    )


def _sentence(text: str) -> str:
    return text[:1].lower() + text[1:] if not text[:2].isupper() else text


def _hint(error: Message) -> str | None:
    unresolved = _UNRESOLVED.search(error.text)
    if unresolved is not None:
        name = unresolved["name"]
        if name.startswith((".", "/")):
            return "check the path; it starts at the file that imports it"
        parts = name.split("/")
        package = "/".join(parts[:2]) if name.startswith("@") else parts[0]
        if package in NATIVE:
            return f"{package} is native code, which can't run in a sandbox; {NATIVE[package]}"
        return f"npm install {package}"
    if "The engine has no module" in error.text:
        near = difflib.get_close_matches(error.text.split("'")[1].removeprefix("node:"), builtins(), 1)
        return f"did you mean node:{near[0]}?" if near else None
    if OUTSIDE in error.text:
        return "copy it into the project, or put capsule.toml into the folder that holds both"
    if "No loader is configured" in error.text:
        if '".node"' in error.text:
            return (
                "native modules can't run in a sandbox; look for a package in plain JavaScript or WebAssembly"
            )
        return "read such a file at run time, with fs and allowedFiles"
    return error.notes[0] if error.notes else None


def _describe(error: Message) -> str:
    if error.file is None or error.line is None:
        return error.text
    place = f"{error.file}:{error.line}:{error.column + 1}: {error.text}"
    line = error.line_text[:200].rstrip("\n")
    if not line:
        return place
    # The column counts bytes of UTF-8.
    before = line.encode()[: error.column].decode("utf-8", "replace")
    indent = "".join("\t" if letter == "\t" else " " for letter in before)
    return f"{place}\n    {line}\n    {indent}^"
