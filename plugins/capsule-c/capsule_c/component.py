"""From a core module to a component of the world ``task``.

The wrapper is text of the component format, made around an empty module; the assembler that comes with
wasmtime turns it into a binary, and the module's bytes take the empty one's place. What a module imports
can only be lowered with the memory of that module, which is there when it is instantiated, which needs
the imports: so the module first gets trampolines that call through a table, filled in afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

WORLD = Path(__file__).parent / "world.wat"

VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64"}

TYPES, IMPORTS = 1, 2
"""Sections of a core module."""

CORE_MODULE = 1
"""The section of a component that holds a core module."""

HEADER = 8
"""Bytes in front of a binary's first section: the magic number and the version."""


class NotAProgram(Exception):
    """A module that can't become a component of the world ``task``; the message is a sentence for people."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that a core module imports."""

    module: str
    name: str
    parameters: tuple[str, ...]
    results: tuple[str, ...]


def make_component(core: bytes) -> bytes:
    """A component around a core module that was linked with the C runtime.

    Raises `NotAProgram` when the module imports what the world doesn't have.
    """
    import wasmtime

    imports = imported_functions(core)
    known = world_functions()
    unknown = sorted(
        f"{function.module} {function.name}"
        for function in imports
        if function.name not in known.get(function.module, ())
    )
    if unknown:
        raise NotAProgram(f"the program calls functions that are not there: {', '.join(unknown[:10])}")
    wrapper = bytes(wasmtime.wat2wasm(_wrapper(imports)))
    return _with_module(wrapper, core)


@lru_cache(maxsize=1)
def world_functions() -> dict[str, frozenset[str]]:
    """The functions and resources of each interface that the wrapper imports."""
    found: dict[str, frozenset[str]] = {}
    for block in re.split(r"^  \(import ", WORLD.read_text("utf-8"), flags=re.MULTILINE)[1:]:
        interface = block.split('"')[1]
        functions = re.findall(r'\(export "([^"]+)" \(func', block)
        resources = re.findall(r'\(export "([^"]+)" \(type (?:\$\S+ )?\(sub resource\)\)', block)
        found[interface] = frozenset(functions) | {f"[resource-drop]{name}" for name in resources}
    return found


def imported_functions(core: bytes) -> tuple[Function, ...]:
    """What a core module imports. Raises `NotAProgram` for anything but functions."""
    types: list[tuple[tuple[str, ...], tuple[str, ...]]] = []
    imports: list[Function] = []
    for section, start, _ in _sections(core):
        if section == TYPES:
            types = list(_types(core, start))
        elif section == IMPORTS:
            imports = list(_imports(core, start, types))
    return tuple(imports)


def _wrapper(imports: tuple[Function, ...]) -> str:
    lines = ["(component $program", WORLD.read_text("utf-8"), "(core module $main)"]
    lines += _trampolines(imports)
    lines += ["(core instance $trampolines (instantiate $trampolines-module))"]
    lines += ["(core instance $main (instantiate $main"]
    for module in dict.fromkeys(function.module for function in imports):
        lines.append(f'  (with "{module}" (instance')
        lines += [
            f'    (export "{function.name}" (func $trampolines "{index}"))'
            for index, function in enumerate(imports)
            if function.module == module
        ]
        lines.append("  ))")
    lines.append("))")
    lines.append('(alias core export $main "memory" (core memory $memory))')
    lines.append('(alias core export $main "cabi_realloc" (core func $realloc))')
    lines += [_lowered(index, function) for index, function in enumerate(imports)]
    lines += _fill(imports)
    # The module is initialised after its imports work: it may call them while it starts.
    lines.append('(core module $start-module (import "main" "_initialize" (func $start)) (start $start))')
    lines.append('(core instance (instantiate $start-module (with "main" (instance $main))))')
    lines.append(
        '(func (export "run") (param "call" string) (result string)'
        ' (canon lift (core func $main "run") (memory $memory) (realloc $realloc)))'
    )
    return "\n".join([*lines, ")"])


def _signature(function: Function) -> str:
    return "".join(
        f" ({word} {' '.join(types)})"
        for word, types in (("param", function.parameters), ("result", function.results))
        if types
    )


def _trampolines(imports: tuple[Function, ...]) -> Iterator[str]:
    yield f'(core module $trampolines-module (table (export "table") {len(imports)} funcref)'
    for index, function in enumerate(imports):
        arguments = " ".join(f"(local.get {number})" for number in range(len(function.parameters)))
        signature = _signature(function)
        yield (
            f'  (func (export "{index}"){signature}'
            f" (call_indirect{signature} {arguments} (i32.const {index})))"
        )
    yield ")"


def _lowered(index: int, function: Function) -> str:
    interface = "$" + function.module.partition("@")[0]
    kind, _, resource = function.name.partition("[resource-drop]")
    if resource and not kind:
        alias = f'(alias export {interface} "{resource}" (type $resource-{index}))'
        return f"{alias}\n(core func $lowered-{index} (canon resource.drop $resource-{index}))"
    return (
        f'(core func $lowered-{index} (canon lower (func {interface} "{function.name}")'
        " (memory $memory) (realloc $realloc)))"
    )


def _fill(imports: tuple[Function, ...]) -> Iterator[str]:
    """A module whose only work is to put the lowered functions into the trampolines' table."""
    indices = range(len(imports))
    yield f'(core module $fill-module (import "" "table" (table {len(imports)} funcref))'
    for index, function in enumerate(imports):
        yield f'  (import "" "{index}" (func{_signature(function)}))'
    yield f"  (elem (i32.const 0) func {' '.join(map(str, indices))}))"
    yield '(core instance (instantiate $fill-module (with "" (instance'
    yield '  (export "table" (table $trampolines "table"))'
    for index in indices:
        yield f'  (export "{index}" (func $lowered-{index}))'
    yield "))))"


def _with_module(wrapper: bytes, core: bytes) -> bytes:
    """The wrapper, ``core`` in the place of its first module."""
    for section, start, end in _sections(wrapper):
        if section == CORE_MODULE:
            before = start - len(_leb(end - start)) - 1
            return b"".join((wrapper[:before], bytes([CORE_MODULE]), _leb(len(core)), core, wrapper[end:]))
    raise AssertionError("the wrapper has a module")


def _sections(binary: bytes) -> Iterator[tuple[int, int, int]]:
    """Each section: its number, and where its content begins and ends."""
    position = HEADER
    while position < len(binary):
        section = binary[position]
        size, start = _read_leb(binary, position + 1)
        yield section, start, start + size
        position = start + size


def _types(core: bytes, position: int) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    count, position = _read_leb(core, position)
    for _ in range(count):
        if core[position] != 0x60:
            raise NotAProgram("the program has types that are no functions")
        parameters, position = _value_types(core, position + 1)
        results, position = _value_types(core, position)
        yield parameters, results


def _value_types(core: bytes, position: int) -> tuple[tuple[str, ...], int]:
    count, position = _read_leb(core, position)
    found = core[position : position + count]
    return tuple(VALUE_TYPES.get(byte, "other") for byte in found), position + count


def _imports(
    core: bytes, position: int, types: list[tuple[tuple[str, ...], tuple[str, ...]]]
) -> Iterator[Function]:
    count, position = _read_leb(core, position)
    for _ in range(count):
        module, position = _read_name(core, position)
        name, position = _read_name(core, position)
        if core[position] != 0:
            raise NotAProgram(f"the program imports {module} {name}, which is no function")
        index, position = _read_leb(core, position + 1)
        yield Function(module, name, *types[index])


def _read_name(binary: bytes, position: int) -> tuple[str, int]:
    size, position = _read_leb(binary, position)
    return binary[position : position + size].decode("utf-8", "replace"), position + size


def _read_leb(binary: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = binary[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _leb(value: int) -> bytes:
    encoded = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if value == 0:
            encoded.append(byte)
            return bytes(encoded)
        encoded.append(byte | 0x80)
