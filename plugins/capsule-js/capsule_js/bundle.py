"""Bundles a program with esbuild, in the form that the engine takes (``guest/README.md``)."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from capsule.errors import BuildError, Location
from capsule.frontend.inputs import InputError, InputMissing
from capsule_js import absent
from capsule_js.absent import Absence, Absences, mark_unresolvable, native_package
from capsule_js.alternatives import refusal, replacement
from capsule_js.edits import Shifts
from capsule_js.engine import builtins
from capsule_js.esbuild import Hook, Message, Request, Response, run_build
from capsule_js.finishing import OWN_SCOPE, finish
from capsule_js.floating import mark_floating
from capsule_js.import_meta import mark_main
from capsule_js.messages import UNKNOWN_BUILTIN, build_error
from capsule_js.reach import OUTSIDE, Reach
from capsule_js.surroundings import Surroundings, check_source_maps

SDK = "@capsule-run/sdk"
TIMEOUT = 120.0
"""Seconds that bundling may take; a program with large packages takes one."""

FORMAT = 5
"""Goes up when other bundles come of the same files."""

_NAMESPACE = "capsule-builtin"
_OUTPUT = "capsule-bundle.js"

_FLAGS = (
    "--bundle",
    "--format=esm",
    "--platform=neutral",
    "--target=es2023",
    "--supported:dynamic-import=false",
    "--main-fields=main,module",
    "--conditions=node",
    '--define:process.env.NODE_ENV="production"',
    '--define:import.meta.url="file:///app/main.js"',
    '--define:import.meta.dirname="/app"',
    '--define:import.meta.filename="/app/main.js"',
    "--define:import.meta=__capsule_import_meta",
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
    packages that import the SDK; ``absent`` are places at which imports found nothing; ``notes`` say which
    imports fail when they are reached.
    """

    text: str
    source_map: bytes
    shifts: Shifts
    own: Mapping[str, bytes]
    kept: tuple[str, ...]
    packages: tuple[str, ...]
    imports: tuple[str, ...]
    packages_with_tasks: tuple[str, ...]
    absent: tuple[str, ...]
    notes: tuple[str, ...]


def make_bundle(source: Path, root: Path, esbuild: Esbuild, *, unsupported: Sequence[str] = ()) -> Bundle:
    """Bundles ``source``, without the features of the language that are ``unsupported``: esbuild's names, and
    `OWN_SCOPE`.

    Raises `BuildError` with the user's file and line.
    """
    bundler = _Bundler(source, root)
    response = bundler.run(esbuild, unsupported)
    if response.errors and bundler.defer(response.errors):
        # What can't be had is known now: it becomes modules that throw.
        response = bundler.run(esbuild, unsupported)
    if response.errors:
        raise build_error(response.errors, bundler.name)
    return bundler.read_response(response, unsupported)


class _Bundler:
    """One program's build: what esbuild asks is answered, and noted."""

    def __init__(self, source: Path, root: Path) -> None:
        self.name = relative_name(str(source), root)
        self._source = source
        self._root = root
        self._own: dict[str, bytes] = {}
        self._reach = Reach(root)
        self._surroundings = Surroundings(root, self._reach)
        self._absences = Absences()
        self._asked: dict[tuple[str, str], str] = {}
        """The imports that were asked for, and what is said where one can't be had."""
        self._deferred: dict[tuple[str, str], Message] = {}
        self._surroundings.check(source.parent)

    def run(self, esbuild: Esbuild, unsupported: Iterable[str]) -> Response:
        """Asks the bundler."""
        return run_build(
            esbuild.program,
            esbuild.version,
            Request(
                entry=_entry(self._source.name),
                folder=self._source.parent,
                working_folder=self._root,
                flags=(*_FLAGS, *_without(unsupported)),
                resolve=(
                    Hook(_builtin_filter(), _resolve_builtin),
                    Hook("^node:", self._resolve_unknown),
                    Hook("^(?:https?:)?//", _refuse_address),
                    Hook(".*", self._resolve),
                ),
                load=(
                    Hook(".*", _load_builtin, _NAMESPACE),
                    Hook(".*", self._absences.load, absent.NAMESPACE),
                    Hook(".*", self._read, "file"),
                ),
            ),
            timeout=TIMEOUT,
        )

    def defer(self, errors: Iterable[Message]) -> bool:
        """Leaves imports that can't be had to the program. False when something else is wrong as well."""
        for error in errors:
            found = {key for key, said in self._asked.items() if (key[0], said) == (error.file, error.text)}
            if not found:
                return False
            self._deferred.update(dict.fromkeys(found, error))
        return True

    def _resolve(self, request: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Leaves the question to esbuild, once the settings that it looks up for the answer are known."""
        specifier, folder = request["path"], Path(request["resolveDir"])
        self._surroundings.check_import(specifier, folder)
        importer = self._importer(request)
        package = native_package(specifier, importer, self._surroundings.installed(specifier, folder))
        if package is None:
            return self._answer(request, f'Could not resolve "{specifier}"', absent.missing)
        return self._answer(request, refusal(package), partial(absent.native, package=package)) or _error(
            refusal(package), replacement(package)
        )

    def _resolve_unknown(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        said = f"{UNKNOWN_BUILTIN} {request['path']!r}"
        return self._answer(request, said, absent.unknown_builtin) or _error(said)

    def _answer(
        self, request: Mapping[str, Any], said: str, make: Callable[[str, str, str, Message], Absence]
    ) -> Mapping[str, Any] | None:
        """A module that throws, once it is known that an import can't be had."""
        importer, specifier = self._importer(request), request["path"]
        self._asked[importer, specifier] = said
        error = self._deferred.get((importer, specifier))
        return (
            None
            if error is None
            else self._absences.answer(make(specifier, importer, request["kind"], error))
        )

    def _importer(self, request: Mapping[str, Any]) -> str:
        importer: str = request["importer"]
        return relative_name(importer, self._root) if importer.startswith("/") else importer

    def _read(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        path: str = request["path"]
        name = relative_name(path, self._root)
        try:
            content = self._reach.read(path)
        except InputMissing as error:
            return _error(f"{name}: {error.reason}")
        except InputError as error:
            if error.reason == OUTSIDE:
                return _error(f"{name} lies {OUTSIDE} and can't be a part of the program")
            raise BuildError(error.reason, hint=error.hint, location=Location(name)) from None
        if name.endswith(".node"):
            return self._absences.load_native_file(name)
        check_source_maps(path, name, content, self._reach)
        marked = mark_unresolvable(name, content, self._is_there(Path(path).parent))
        if is_package_file(name):
            return {"contents": marked, "loader": "default"}
        # What is hashed and searched for tasks is what esbuild gets, also when the file changes meanwhile.
        self._own[name] = content
        if name == self.name:
            marked = mark_main(name, marked)
        return {"contents": mark_floating(name, marked), "loader": "default"}

    def _is_there(self, folder: Path) -> Callable[[str], bool]:
        return lambda specifier: self._surroundings.installed(specifier, folder) is not None

    def _content(self, name: str) -> bytes | None:
        if name in self._own:
            return self._own[name]
        try:
            return self._reach.read(os.path.join(self._root, name))  # noqa: PTH118
        except InputError:
            return None

    def read_response(self, response: Response, unsupported: Sequence[str]) -> Bundle:
        """The bundle that esbuild made. Raises `BuildError` when it is sure to fail as it is loaded."""
        metafile = json.loads(response.metafile)
        inputs: dict[str, Any] = metafile["inputs"]
        reached = self._absences.reached(inputs, self._content)
        if reached:
            raise build_error([absence.error for absence in reached], self.name)
        text, shifts = finish(response.outputs[_OUTPUT], unsupported)
        packages, imports, with_tasks = _packages(inputs)
        kept = metafile["outputs"][_OUTPUT]["inputs"]
        own = dict(sorted(self._own.items()))
        return Bundle(
            text=text.decode(),
            source_map=response.outputs[f"{_OUTPUT}.map"],
            shifts=shifts,
            own=own,
            kept=tuple(sorted(name for name in own if name in kept or name == self.name)),
            packages=packages,
            imports=imports,
            packages_with_tasks=with_tasks,
            absent=tuple(sorted({absence.place for absence in self._absences.found if absence.place})),
            notes=tuple(sorted({absence.note for absence in self._absences.found})),
        )


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


def _refuse_address(request: Mapping[str, Any]) -> Mapping[str, Any]:
    return _error(f"A module can't be imported from the network: {request['path'][:200]!r}")


def _error(text: str, note: str | None = None) -> Mapping[str, Any]:
    notes = [] if note is None else [{"text": note, "location": None}]
    message = {"id": "", "pluginName": "", "text": text, "location": None, "notes": notes, "detail": -1}
    return {"errors": [message]}


def _load_builtin(request: Mapping[str, Any]) -> Mapping[str, Any]:
    name = json.dumps(request["path"])
    return {"contents": f"module.exports = globalThis.__capsule_builtins[{name}]".encode(), "loader": "js"}


def _packages(inputs: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The files of packages in a bundle, the specifiers that are no paths, and the files that use the SDK."""
    packages = []
    imports = set()
    with_tasks = []
    for name, facts in inputs.items():
        if name == "<stdin>" or name.startswith((f"{_NAMESPACE}:", f"{absent.NAMESPACE}:", "(disabled):")):
            continue
        for imported in facts["imports"]:
            original = imported.get("original", "")
            if original and original[0] not in "./":
                imports.add(original)
        if is_package_file(name):
            packages.append(name)
            if any(imported["path"] == f"{_NAMESPACE}:{SDK}" for imported in facts["imports"]):
                with_tasks.append(name)
    return tuple(sorted(packages)), tuple(sorted(imports)), tuple(sorted(with_tasks))


@lru_cache(maxsize=4096)
def is_package_file(name: str) -> bool:
    """Whether a name (relative to the project root) lies in a ``node_modules`` folder."""
    return "node_modules" in name.split("/")


def relative_name(path: str, root: Path) -> str:
    """The name of an absolute path, relative to the project root, with forward slashes."""
    return os.path.relpath(path, root).replace(os.sep, "/")
