"""Imports of what can't be there: modules that aren't installed, built-ins that nobody has, native code.

Many are never reached, or stand where a program does without: ``try { require("cpu-features") } catch {}``,
a database's driver that is required when somebody asks for it. So each becomes a module that throws what Node
throws, and the build goes on. Only where the program's top level is sure to reach one does the build fail.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, read_input
from capsule_js.alternatives import LOADERS, NATIVE, refusal, replacement
from capsule_js.edits import Edit, apply
from capsule_js.engine import builtins
from capsule_js.esbuild import Message
from capsule_js.messages import package_of
from capsule_js.syntax import FUNCTIONS, parse, string_value, text

if TYPE_CHECKING:
    from tree_sitter import Node

NAMESPACE = "capsule-absent"
UNAVAILABLE = "ERR_CAPSULE_UNAVAILABLE"

_STATIC = frozenset({"entry-point", "import-statement"})
_GUARDS = FUNCTIONS | {
    "try_statement",
    "if_statement",
    "switch_statement",
    "ternary_expression",
    "binary_expression",
    "for_statement",
    "for_in_statement",
    "while_statement",
    "do_statement",
    "field_definition",
    "class_body",
}
"""What may keep a call at the top level of a module from being made."""


@dataclass(frozen=True, slots=True)
class Absence:
    """An import of ``specifier`` in ``importer`` (a name from the project root) that can't be had.

    ``message`` is what is thrown and ``code`` the error's; ``error`` is what to say when it is reached while
    the program loads. A ``loader`` is a function that is there, and throws when it is called.
    """

    specifier: str
    importer: str
    kind: str
    message: str
    code: str
    error: Message
    loader: bool = False

    @property
    def place(self) -> str | None:
        """Where nothing was, from the project root; None for a package."""
        if not self.specifier.startswith((".", "/")):
            return None
        return os.path.normpath(os.path.join(os.path.dirname(self.importer), self.specifier))  # noqa: PTH118, PTH120

    @property
    def note(self) -> str:
        """A line that says what will happen."""
        verb = "import" if self.kind in (*_STATIC, "dynamic-import") else "require"
        first = self.message.partition("\n")[0]
        return f"{self.importer}: {verb} of {self.specifier!r} fails when it is reached: {first}"


@dataclass(slots=True)
class Absences:
    """The imports of one build that can't be had, by number."""

    found: list[Absence] = field(default_factory=list)
    files: dict[str, Absence] = field(default_factory=dict)
    """Files of native code, by their names."""

    def answer(self, absence: Absence) -> Mapping[str, Any]:
        """What the bundler is told: a module that throws."""
        self.found.append(absence)
        return {"path": str(len(self.found) - 1), "namespace": NAMESPACE}

    def load(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The module of an absence."""
        absence = self.found[int(request["path"])]
        return {"contents": _module(absence).encode(), "loader": "js"}

    def load_native_file(self, name: str) -> Mapping[str, Any]:
        """The module of a file of native code."""
        package = owner(name)
        said = refusal(package or name)
        error = Message(said, file=name, notes=(replacement(package or name),))
        absence = Absence(name, name, "require-call", f"{said}; {error.notes[0]}", UNAVAILABLE, error)
        self.files[name] = absence
        return {"contents": _module(absence).encode(), "loader": "js"}

    def reached(self, inputs: Mapping[str, Any], read: Callable[[str], bytes | None]) -> list[Absence]:
        """Those that the program's top level is sure to reach, by the bundler's list of ``inputs``.

        ``read`` gives the content of a file that is named from the project root.
        """
        if not self.found and not self.files:
            return []
        seen = {"<stdin>"}
        waiting = ["<stdin>"]
        reached: list[Absence] = []
        while waiting:
            name = waiting.pop()
            calls: set[str] | None = None
            for imported in inputs.get(name, {}).get("imports", ()):
                path, kind = imported["path"], imported["kind"]
                if kind not in _STATIC:
                    if kind != "require-call":
                        continue
                    calls = _sure_calls(name, read(name)) if calls is None else calls
                absence = self._of(path)
                if kind == "require-call" and calls is not None:
                    # A loader matters where it is called at once.
                    wanted = imported.get("original", "")
                    if (f"{wanted}()" if absence is not None and absence.loader else wanted) not in calls:
                        continue
                elif absence is not None and absence.loader:
                    continue
                if absence is not None:
                    reached.append(absence)
                elif path not in seen:
                    seen.add(path)
                    waiting.append(path)
        return reached

    def _of(self, path: str) -> Absence | None:
        prefix = f"{NAMESPACE}:"
        if path.startswith(prefix):
            return self.found[int(path[len(prefix) :])]
        return self.files.get(path)


def missing(specifier: str, importer: str, kind: str, error: Message) -> Absence:
    """A module that isn't there."""
    if kind in _STATIC or kind == "dynamic-import":
        what = "module" if specifier.startswith((".", "/")) else "package"
        text, code = f"Cannot find {what} '{specifier}' imported from {importer}", "ERR_MODULE_NOT_FOUND"
    else:
        text, code = f"Cannot find module '{specifier}'\nRequire stack:\n- {importer}", "MODULE_NOT_FOUND"
    return Absence(specifier, importer, kind, text, code, error)


def unknown_builtin(specifier: str, importer: str, kind: str, error: Message) -> Absence:
    """A module of Node's that the engine hasn't."""
    text = f"No such built-in module: {specifier}"
    return Absence(specifier, importer, kind, text, "ERR_UNKNOWN_BUILTIN_MODULE", error)


def native(specifier: str, importer: str, kind: str, error: Message, *, package: str) -> Absence:
    """A package in native code, or what loads the native code of the one that ``importer`` is part of."""
    text = f"{refusal(package)}; {replacement(package)}"
    return Absence(
        specifier, importer, kind, text, UNAVAILABLE, error, loader=package_of(specifier) in LOADERS
    )


def native_package(specifier: str, importer: str, folder: Path | None) -> str | None:
    """The package in native code that an import is about; ``folder`` is where the import's package lies."""
    package = package_of(specifier)
    if package in LOADERS:
        return owner(importer) or package
    if folder is None:
        return None
    if package in NATIVE or _has_bindings(folder):
        # A link leads to a package of the workspace, which may be called anything.
        return package if "node_modules" in Path(os.path.realpath(folder)).parts else None
    return None


def mark_unresolvable(name: str, source: bytes, is_there: Callable[[str], bool]) -> bytes:
    """The source in which ``require.resolve("x")`` says, for the sandbox, that no package x is there.

    The bundler leaves such calls alone. Nothing before them on their line moves.
    """
    if b"require.resolve" not in source:
        return source
    edits = []
    stack = [parse(name, source)]
    while stack:
        node = stack.pop()
        stack.extend(node.named_children)
        wanted, start = _resolved_name(node) or (".", 0)
        known = wanted.startswith((".", "/", "node:")) or wanted in builtins()
        if not known and not is_there(wanted):
            # Behind the quotation mark.
            edits.append(Edit(start + 1, start + 1, f"{NAMESPACE}:".encode()))
    return apply(source, edits)[0]


def _resolved_name(node: Node) -> tuple[str, int] | None:
    """What a call of ``require.resolve`` names, and where that begins."""
    if node.type != "call_expression":
        return None
    function, arguments = (node.child_by_field_name(part) for part in ("function", "arguments"))
    if function is None or arguments is None or text(function) != "require.resolve":
        return None
    argument = arguments.named_child(0)
    value = string_value(argument)
    return None if argument is None or value is None else (value, argument.start_byte)


def owner(name: str) -> str | None:
    """The package that a file is part of; None for the project's own."""
    before, modules, after = name.rpartition("node_modules/")
    return package_of(after) if modules and (not before or before.endswith("/")) else None


@lru_cache(maxsize=1024)
def _has_bindings(folder: Path) -> bool:
    """Whether a package says that it is made with napi-rs, which leaves nothing else in it."""
    try:
        content = json.loads(read_input(folder / "package.json", most=LARGEST_SETTINGS))
    except (InputError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and isinstance(content.get("napi"), dict)


def _module(absence: Absence) -> str:
    error = f"Object.assign(new Error({json.dumps(absence.message)}),{{code:{json.dumps(absence.code)}}})"
    return f"module.exports=()=>{{throw {error}}}" if absence.loader else f"throw {error}"


def _sure_calls(name: str, source: bytes | None) -> set[str]:
    """The names that a module requires whenever it runs; with ``()`` for those that it calls at once."""
    return set() if source is None else set(_unguarded(parse(name, source)))


def _unguarded(root: Node) -> Iterator[str]:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.type in _GUARDS:
            continue
        if node.type == "call_expression":
            function, arguments = (node.child_by_field_name(part) for part in ("function", "arguments"))
            if function is not None and function.type == "identifier" and text(function) == "require":
                name = string_value(arguments.named_child(0)) if arguments is not None else None
                if name is not None:
                    yield name
                    if _is_called(node):
                        yield f"{name}()"
        elif node.type == "import_require_clause":
            name = string_value(node.child_by_field_name("source"))
            if name is not None:
                yield name
        stack.extend(node.named_children)


def _is_called(call: Node) -> bool:
    place = call.parent
    called = None if place is None else place.child_by_field_name("function")
    return called is not None and called.id == call.id
