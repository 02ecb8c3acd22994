"""SECURITY.md promises nothing that no test attacks, and names no test, module or page that is not there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SECURITY = (ROOT / "SECURITY.md").read_text()
PAGE = (ROOT / "docs/promises.md").read_text()
SECTION = SECURITY.split("## What is promised")[1].split("\n### Where the layout differs")[0]
PROMISES = re.findall(
    r"^### (.+?)\n\nDefended in (.+?)\. Attacked by:\n\n(.+?)\n$", PAGE, re.MULTILINE | re.DOTALL
)
"""Of each promise its name, what defends it, and the tests that attack it."""
NAMED = re.compile(r"`([\w/]+_test\.py)::(test_\w+)`")


@cache
def known() -> set[tuple[str, str]]:
    """Every test of the repository: the name of its file, and its own."""
    found = set()
    for folder in ("capsule", "cache", "plugins", "tests"):
        for file in (ROOT / folder).rglob("*_test.py"):
            if "node_modules" in file.parts:
                continue
            functions = ast.walk(ast.parse(file.read_bytes()))
            found |= {(file.name, node.name) for node in functions if isinstance(node, ast.FunctionDef)}
    return found


def test_there_are_promises():
    assert len(PROMISES) > 20


def test_each_promise_has_its_place_on_the_page_of_tests():
    made = re.findall(r"^- \*\*(.+?)\.\*\* ", SECTION, re.MULTILINE)
    assert made == [name for name, _, _ in PROMISES]
    linked = re.findall(r"\[tests\]\(docs/promises\.md#([\w-]+)\)", SECTION)
    assert linked == [re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-") for name in made]


@pytest.mark.parametrize(
    ("promise", "attacked_by"), [(row[0], row[2]) for row in PROMISES], ids=lambda text: text[:40]
)
def test_every_promise_names_the_tests_that_attack_it(promise, attacked_by):
    assert NAMED.findall(attacked_by), promise


def test_every_test_that_is_named_exists():
    assert not [
        name for name in NAMED.findall(PAGE + SECURITY) if (Path(name[0]).name, name[1]) not in known()
    ]


@pytest.mark.parametrize("defence", [row[1] for row in PROMISES], ids=lambda text: text[:40])
def test_every_module_that_is_named_exists(defence):
    folder = ROOT
    for name in re.findall(r"`([\w./-]+)`", defence):
        if not name.endswith(("/", ".py", ".wit", ".md")):
            continue  # a function, not a file
        place = ROOT / name if (ROOT / name).exists() else folder / name
        assert place.exists(), name
        folder = place if place.is_dir() else place.parent
