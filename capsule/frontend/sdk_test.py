"""What the Python engine is built with of the host's SDK."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator

import pytest

from capsule.frontend.sdk import sdk_modules

BESIDE = {name.removesuffix(".py") for name in sdk_modules()} | {"transport"}


def executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node but those that are for type checkers only."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        children: Iterable[ast.AST] = tree.orelse
    else:
        yield tree
        children = ast.iter_child_nodes(tree)
    for child in children:
        yield from executed(child)


@pytest.mark.parametrize("name", sdk_modules())
def test_a_shared_module_imports_what_is_there_on_both_sides(name: str) -> None:
    for node in executed(ast.parse(sdk_modules()[name].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1
            assert node.module in BESIDE
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
