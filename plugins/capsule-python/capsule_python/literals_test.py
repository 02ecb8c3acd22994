import ast
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_python.literals import MAX_SIZE, NotLiteral, evaluate, find_constants


def value_of(text: str, module: str = "") -> Any:
    return evaluate(ast.parse(text, mode="eval").body, find_constants(ast.parse(module)))


literals = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(literals)
def test_every_literal_is_read_as_python_reads_it(value: Any) -> None:
    assert value_of(repr(value)) == value


@given(literals)
def test_a_constant_is_read_as_the_literal_that_it_is_bound_to(value: Any) -> None:
    assert value_of("X", f"X = {value!r}") == value


@given(st.text())
def test_any_expression_is_read_or_refused(text: str) -> None:
    try:
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return
    with contextlib.suppress(NotLiteral):
        evaluate(node, find_constants(ast.parse("")))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("60 * 1024", 61440),
        ("2 ** 30", 2**30),
        ("1 << 20", 1 << 20),
        ("-5", -5),
        ("7 // 2 + 7 % 4 - 1", 5),
        ("3 / 2", 1.5),
        ("'a' 'b'", "ab"),
        ("'512' + 'MB'", "512MB"),
        ("['a'] + ['b']", ["a", "b"]),
        ("f'{512}MB'", "512MB"),
        ("f'{N}MB'", "64MB"),
        ("f'{UNIT}x'", "MBx"),
        ("BOTH", "64MB"),
        ("{'path': './x', 'mode': MODE}", {"path": "./x", "mode": "ro"}),
    ],
)
def test_arithmetic_joined_text_and_constants_are_read(text: str, value: object) -> None:
    module = "N = 64\nUNIT = 'MB'\nMODE: str = 'ro'\nBOTH = f'{N}' + UNIT"
    assert value_of(text, module) == value


@pytest.mark.parametrize(
    "text",
    [
        "'a' * 10 ** 9",
        "9 ** 9 ** 9",
        "1 << 10 ** 9",
        "1 / 0",
        "2 ** 64 ** 64",
        "-'a'",
        "'a' % 'b'",
        "1e308 ** 64",
    ],
)
def test_an_expression_that_would_grow_or_fail_is_refused(text: str) -> None:
    with pytest.raises(NotLiteral):
        value_of(text)


def test_a_value_that_grows_by_doubling_constants_is_refused() -> None:
    lines = [f"A0 = '{'x' * 1000}'", *(f"A{n} = A{n - 1} + A{n - 1}" for n in range(1, 25))]
    with pytest.raises(NotLiteral, match="too large"):
        value_of("A24", "\n".join(lines))
    assert len(value_of("A9", "\n".join(lines))) <= MAX_SIZE


@pytest.mark.parametrize(
    "text",
    [
        "size()",
        "os.environ['X']",
        "a.b",
        "x if y else z",
        "[a for a in b]",
        "lambda: 1",
        "b'x'",
        "{**a}",
        "{1: 2}",
        "f'{1:>5}'",
        "f'{1!r}'",
        "missing",
        "...",
        "1j",
        "not 1",
    ],
)
def test_what_has_to_be_run_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(NotLiteral) as caught:
        value_of(text)
    assert caught.value.reason


@pytest.mark.parametrize(
    "module",
    [
        "X = 1\nX = 2",
        "X = 1\nX += 1",
        "X = 1\ndel X",
        "X = 1\nfor X in []: pass",
        "X = 1\nif y:\n    X = 2",
        "X = 1\ndef X(): pass",
        "X = 1\nimport X",
        "X = 1\nfrom a import b as X",
        "X = 1\nfrom a import *",
        "X = 1\ndef f():\n    global X\n    X = 2",
        "X = 1\nwith a as X: pass",
        "X = 1\ntry: pass\nexcept E as X: pass",
        "X = 1\n[(X := 2) for _ in y]",
        "X = 1\nmatch y:\n    case X: pass",
        "if y:\n    X = 1",
        "def f():\n    X = 1",
        "X = X",
        "X = [1]\nX.append(2)",
        "X = [1]\nX[0] = 2",
        "X = {'a': 1}\ndel X['a']",
        "X = Y = 1",
    ],
)
def test_a_name_that_may_have_another_value_is_no_constant(module: str) -> None:
    with pytest.raises(NotLiteral):
        value_of("X", module)


def test_a_name_of_another_scope_does_not_spoil_a_constant() -> None:
    assert (
        value_of("X", "X = 'a'\ndef f(X):\n    X = 2\n    return [X for X in y]\nclass C:\n    X = 3") == "a"
    )
