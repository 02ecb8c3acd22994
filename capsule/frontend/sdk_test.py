"""What the Python engine is built with of the host's SDK."""

from __future__ import annotations

import ast
import sys

import pytest

from capsule.frontend.sdk import sdk_modules

BESIDE = {name.removesuffix(".py") for name in sdk_modules()} | {"transport"}


@pytest.mark.parametrize("name", sdk_modules())
def test_a_shared_module_imports_what_is_there_on_both_sides(name: str) -> None:
    tree = ast.parse(sdk_modules()[name].read_text("utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1
            assert node.module in BESIDE
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] in sys.stdlib_module_names
        elif isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= sys.stdlib_module_names
