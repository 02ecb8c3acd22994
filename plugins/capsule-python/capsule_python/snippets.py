"""Python code that is in no file: as plain statements, or as a program with tasks of its own."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence

from capsule.errors import Location
from capsule.frontend.spec import Json
from capsule_python.dependencies import inline_dependencies
from capsule_python.modules import SDK
from capsule_python.requirements import wanted

INTERPRETER = "_capsule_code.py"
"""The file of the program around statements: the guest leaves its frames out of tracebacks."""

_PROGRAM = """\
{packages}from capsule import task
from capsule._engine.interpreter import Interpreter

interpreter = Interpreter()


@task({options})
def main(code):
    return interpreter.run(code)


@task({options})
def turn(code):
    return interpreter.turn(code)


@task
def reseed():
    interpreter.reseed()
"""


def interpreter_source(options: Mapping[str, Json], packages: Sequence[str]) -> bytes:
    """A program whose tasks ``main`` and ``turn`` take code as text, run it, and give its value.

    ``options`` are those of both tasks, ``packages`` what the code may import besides the standard library.
    Raises `BuildError` for what is no requirement.
    """
    wanted(tuple(packages), Location("packages"))
    block = ""
    if packages:
        # JSON's texts are TOML's, while they are ASCII.
        block = f"# /// script\n# dependencies = {json.dumps(list(packages))}\n# ///\n"
    written = ", ".join(f"{name}={value!r}" for name, value in options.items() if value is not None)
    return _PROGRAM.format(packages=block, options=written).encode()


def named_packages(code: str, name: str) -> tuple[str, ...]:
    """The requirements in the code's ``# /// script`` block. Raises `BuildError` for a bad one."""
    found = inline_dependencies(name, code.encode("utf-8", "replace"))
    return () if found is None else found.requirements


def declares_tasks(code: str) -> bool:
    """Whether the code decorates functions with the SDK's ``task``: then it is a program."""
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False  # the guest's Python may know better; if not, it says what is wrong
    names, modules = set[str](), set[str]()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == SDK and not node.level:
            names |= {each.asname or each.name for each in node.names if each.name == "task"}
        elif isinstance(node, ast.Import):
            modules |= {each.asname or each.name for each in node.names if each.name == SDK}
    return any(
        _is_task(decorator, names, modules)
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for decorator in node.decorator_list
    )


def _is_task(decorator: ast.expr, names: set[str], modules: set[str]) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    match called:
        case ast.Name(id=name):
            return name in names
        case ast.Attribute(value=ast.Name(id=name), attr="task"):
            return name in modules
    return False
