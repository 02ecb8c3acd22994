"""Sources: what the readers of declarations make of text that wants to break them."""

from __future__ import annotations

import json
from typing import NoReturn

from capsule_c.discovery import discover_tasks as discover_c
from capsule_js.discovery import Module
from capsule_js.discovery import discover_tasks as discover_javascript
from capsule_js.esbuild import decode_packet, encode_packet
from capsule_js.frametable import frame_table
from capsule_python.dependencies import named_dependencies
from capsule_python.discovery import discover_tasks as discover_python
from capsule_python.modules import find_modules
from capsule_python.tree import FilesTree
from capsule_wat.frontend import _declarations

from capsule.errors import BuildError, PolicyError
from capsule.frontend.spec import Source, TaskDeclaration
from capsule.policy.resolve import declared_policy
from fuzzing.target import scratch, target, text

DIGITS = (b"1e999", b"9" * 5000, b"-", b"0x", b"1_0")


class Asked(Exception):
    """The text doesn't tell: the sealed sandbox would be asked, and it is not here."""


def _asked() -> NoReturn:
    raise Asked


def _usable(tasks: tuple[TaskDeclaration, ...]) -> None:
    """Options are JSON, and make a policy or an error of the host's."""
    for task in tasks:
        assert task.name
        assert task.location.line is None or task.location.line > 0
        json.dumps(dict(task.options))
        try:
            declared_policy(task.options, task.location, {})
        except PolicyError as error:
            if error.location is None:
                raise AssertionError("an error without a place") from error


@target(
    BuildError,
    Asked,
    tokens=(
        b"from capsule import task\n",
        b"@task(",
        b"name=",
        b"ram=",
        b"allowed_files=[",
        b"def main():\n    pass\n",
        b"lambda: ",
        b"f'{",
        b"(" * 300,
        b"[" * 300,
        b"-" * 3000,
        b"\\\n",
        b"# -*- coding: rot13 -*-\n",
        b"# /// script\n# dependencies = [",
        b"# ///\n",
        b"\0",
        b"\x0c",
        "ｍａｉｎ".encode(),
        *DIGITS,
    ),
)
def python_source(data: bytes) -> None:
    """A Python source declares tasks, or is wrong somewhere."""
    tree = FilesTree({"main.py": data})
    with scratch(data, "main.py") as file:
        named_dependencies(Source(file, file.parent, {}), data, tree)
    _usable(discover_python(find_modules("main.py", tree, ("",)), _asked))


@target(
    BuildError,
    Asked,
    tokens=(
        b'import { task } from "@capsule-run/sdk";\n',
        b"export const main = task(",
        b'{ name: "main" }',
        b'ram: "64MB"',
        b"allowedFiles: [",
        b"...",
        b"`${",
        b"(" * 300,
        b"[" * 300,
        b"/*",
        b"*/",
        b"//",
        b"as const",
        b"\\u{110000}",
        b"\\x",
        b"\0",
        b"=> ",
        *DIGITS,
    ),
)
def typescript_source(data: bytes) -> None:
    """A TypeScript source declares tasks, or is wrong somewhere."""
    _usable(discover_javascript(Module("main.ts", data), (), (), _asked))


@target(
    BuildError,
    tokens=(
        b"CAPSULE_TASK(",
        b'CAPSULE_TASK(main, "ram=64MB") {',
        b"#define ",
        b"#include ",
        b'"allowed_files=a:ro"',
        b"/*",
        b"*/",
        b"//",
        b"\\\n",
        b"??/",
        b"'",
        b'"',
        b'R"x(',
        b")",
        b"\0",
        *DIGITS,
    ),
)
def c_source(data: bytes) -> None:
    """A C source declares tasks, or is wrong somewhere."""
    _usable(tuple(found.declaration for found in discover_c({"main.c": data})))


@target(
    BuildError,
    tokens=(b";; @task main ", b" ram=64MB", b'allowed_hosts=["a"] ', b"[", b'"', b"=", b"\n", *DIGITS),
)
def wat_source(data: bytes) -> None:
    """A WAT source declares tasks in comments, or is wrong somewhere."""
    _usable(tuple(_declarations("main.wat", text(data))))


@target(
    ValueError,
    RecursionError,
    tokens=(b'"version":3', b'"sources":["a"]', b'"mappings":"', b"AAAA", b";", b","),
)
def source_map(data: bytes) -> None:
    """A source map, which packages may bring along, gives a table of frames."""
    assert frame_table(data)


@target(
    ValueError,
    tokens=(
        b"\x00",
        b"\x01",
        b"\x02\xff\xff\xff\x7f",
        b"\x03",
        b"\x04",
        b"\x05\xff\xff\xff\xff",
        b"\x06\x01\0\0\0",
    ),
)
def bundler_packet(data: bytes) -> None:
    """The bundler's channel: what is taken can be written and read again."""
    number, is_answer, value = decode_packet(data)
    again = encode_packet(number, is_answer, value)
    assert decode_packet(again[4:]) == (number, is_answer, value)
