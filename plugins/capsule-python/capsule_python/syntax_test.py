import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_python.syntax import GUEST_PYTHON, Import, parse


def imports(source: str) -> list[str]:
    return ["." * found.level + found.module for found in parse(source.encode()).imports]


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_are_parsed_or_have_a_problem(source: bytes) -> None:
    parsed = parse(source)
    assert (parsed.tree is None) == (parsed.problem is not None)


def test_imports_are_found_wherever_they_stand_in_the_order_of_their_lines() -> None:
    source = """
import a, b.c as d
from e import f as g
def x():
    import h
    class Y:
        from . import i
try:
    import j
except ImportError:
    from ..k import l
importlib.import_module("m.n")
__import__("o")
if TYPE_CHECKING:
    import not_this
else:
    import p
importlib.import_module(name)
import_module("no module")
"""
    assert imports(source) == ["a", "b.c", "e", "h", ".", "j", "..k", "m.n", "o", "p"]
    found = {entry.module: entry for entry in parse(source.encode()).imports}
    assert found["e"].names == (("f", "g"),)
    assert found["b.c"].alias == "d"
    assert found["h"].lazy
    assert not found["j"].lazy


def test_a_problem_shows_the_line_and_a_caret() -> None:
    problem = parse(b"x = 1\nif x:\n    print('a'\n").problem
    assert problem is not None
    error = problem.error("main.py")
    assert str(error.location) == "main.py:3"
    assert error.message.splitlines()[1:] == ["    print('a'", "         ^"]


def test_sources_that_break_a_parser_have_a_problem() -> None:
    assert parse(b"(" * 100_000).problem is not None
    assert parse(b"x = 1\0").problem is not None
    assert parse(b"# coding: nonsense\n").problem is not None
    assert parse(b"\xff = 1").problem is not None


@pytest.mark.skipif(
    sys.version_info[:2] >= GUEST_PYTHON, reason="this Python parses everything that the guest does"
)
def test_imports_of_a_source_for_a_newer_python_are_read_line_by_line() -> None:
    source = b"""
import a, b.c as d
from .e import f as g, h
from i import (j,  # one
    k as l,
)
def x():
    from m import *
try:
    pass
except A, B:
    pass
"""
    parsed = parse(source)
    assert parsed.tree is None
    assert [(found.module, found.level) for found in parsed.imports] == [
        ("a", 0), ("b.c", 0), ("e", 1), ("i", 0), ("m", 0)
    ]  # fmt: skip
    assert parsed.imports[3] == Import("i", 0, 4, (("j", "j"), ("k", "l")))
    assert parsed.imports[4].names == (("*", "*"),)
