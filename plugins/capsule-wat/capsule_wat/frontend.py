"""The WAT frontend: a source is the text of a component, its tasks are declared in comments.

It is the smallest complete frontend for a compiled language, and meant to be read: what a source is made
of (`inputs`), what it declares (`discover`), what runs (`compile`).
"""

from __future__ import annotations

import importlib.metadata
import json
import re
from collections.abc import Iterable, Iterator, Mapping

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.inputs import LARGEST_SOURCE, InputError, read_input
from capsule.frontend.installing import install_line
from capsule.frontend.spec import Check, Host, Inputs, Json, OwnComponent, Source, TaskDeclaration

COMPONENT_HEADER = b"\0asm\x0d\x00\x01\x00"

EXAMPLE = ';; @task main compute=LOW timeout="5s"'

_DECLARATION = re.compile(r"\s*;;\s*@task\b(.*)")
_NAME = re.compile(r"\s+([^\s=]+)(?=\s|$)")
_OPTION = re.compile(r'\s+([a-z_]+)=("(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^\s"\[]\S*)(?=\s|$)')
_PLACE = re.compile(r"--> <anon>:(\d+):\d+")


class WatFrontend:
    """Assembles ``.wat`` files."""

    name = "wat"
    suffixes: tuple[str, ...] = (".wat",)

    def __init__(self) -> None:
        self.version = importlib.metadata.version("capsule-wat")

    def inputs(self, source: Source, host: Host) -> Inputs:
        """The file, and the version of the assembler."""
        if source.settings:
            key = next(iter(source.settings))
            raise ConfigError(f"[wat] has no key {key[:60]!r}", location=Location("capsule.toml"))
        try:
            content = read_input(source.path, most=LARGEST_SOURCE, within=source.root)
        except InputError as error:
            raise BuildError(error.reason, hint=error.hint, location=Location(source.name)) from None
        return Inputs({source.name: content}, toolchain=self.toolchain(source))

    def toolchain(self, source: Source) -> Mapping[str, str]:
        """What decides the result besides the file."""
        return {"wasmtime": importlib.metadata.version("wasmtime")}

    def discover(self, source: Source, inputs: Inputs, host: Host) -> tuple[TaskDeclaration, ...]:
        """The tasks that the source's comments declare."""
        tasks = tuple(_declarations(source.name, _text(source, inputs)))
        if not tasks:
            raise BuildError(
                "the component declares no task",
                hint=f"write a line like this one at its top: {EXAMPLE}",
                location=Location(source.name),
            )
        return tasks

    def compile(self, source: Source, inputs: Inputs, host: Host, *, snapshot: bool) -> OwnComponent:
        """The component's binary. It has no top level, so that a snapshot is the same."""
        import wasmtime

        try:
            binary = bytes(wasmtime.wat2wasm(_text(source, inputs)))
        except wasmtime.WasmtimeError as error:
            message, _, shown = str(error).partition("\n")
            place = _PLACE.search(shown)
            line = int(place[1]) if place else None
            raise BuildError(message, location=Location(source.name, line)) from None
        if not binary.startswith(COMPONENT_HEADER):
            raise BuildError(
                "this is a core module, and a task is a component",
                hint="wrap it: (component (core module ...) ...), as the examples of capsule-wat show",
                location=Location(source.name, 1),
            )
        return OwnComponent(binary)

    def engine(self, source: Source) -> None:
        """None: a component needs no engine."""

    def doctor(self) -> Iterable[Check]:
        """Is the assembler there."""
        try:
            yield Check("WAT assembler", "ok", f"wasmtime {importlib.metadata.version('wasmtime')}")
        except importlib.metadata.PackageNotFoundError:
            yield Check("WAT assembler", "missing", "wasmtime is not installed", install_line("wasmtime"))


def _text(source: Source, inputs: Inputs) -> str:
    content = inputs.files[source.name]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BuildError("this is not UTF-8 text", location=Location(source.name, line)) from None


def _declarations(file: str, text: str) -> Iterator[TaskDeclaration]:
    # Lines as the assembler counts them; `splitlines` knows ends of lines that WAT has not.
    for number, line in enumerate(text.split("\n"), 1):
        found = _DECLARATION.fullmatch(line.rstrip())
        if found is not None:
            yield _declaration(found[1], Location(file, number))


def _declaration(text: str, location: Location) -> TaskDeclaration:
    name = _NAME.match(text)
    if name is None:
        raise BuildError("a task has a name", hint=EXAMPLE, location=location)
    options: dict[str, Json] = {}
    position = name.end()
    while position < len(text):
        option = _OPTION.match(text, position)
        if option is None:
            raise BuildError(
                f"this is no option: {text[position:].strip()[:60]}", hint=EXAMPLE, location=location
            )
        if option[1] in options:
            raise BuildError(f"the option {option[1]} is given twice", location=location)
        options[option[1]] = _value(option[2], location)
        position = option.end()
    return TaskDeclaration(name[1], options, location)


def _value(text: str, location: Location) -> Json:
    """A JSON value; anything that doesn't look like one is text."""
    if text[0] not in '"[' and not text.isdecimal():
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise BuildError(f"{text[:60]} is no JSON: {error}", hint=EXAMPLE, location=location) from None
