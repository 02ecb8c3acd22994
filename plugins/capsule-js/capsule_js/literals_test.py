from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.policy.options import OPTIONS
from capsule_js.literals import UNDEFINED, Constants, NotLiteral, Reader, plain_options
from capsule_js.npm_package import sdk_folder
from capsule_js.syntax import parse


def value(expression: str, before: str = "", after: str = "") -> Any:
    """The value of an expression, between other statements of its module."""
    program = parse("a.ts", f"{before}\nthe_value({{ v: {expression} }});\n{after}".encode())
    call: Any
    (call,) = [node for node in program.named_children if (node.text or b"").startswith(b"the_value")]
    pair = call.named_child(0).child_by_field_name("arguments").named_child(0).named_child(0)
    return Reader(Constants(program)).value(pair.child_by_field_name("value"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('"a"', "a"),
        (r"'a\n\x41\u{1F600}\u0042\''", "a\nA\U0001f600B'"),
        ("`a b`", "a b"),
        ("`${50 + 14}MB`", "64MB"),
        ("5 * 60 * 1000", 300_000),
        ("1_000_000", 1_000_000),
        ("1e9", 1_000_000_000),
        ("0xFF", 255),
        ("1.5", 1.5),
        ("10 / 4", 2.5),
        ("2 ** 10", 1024),
        ("-3", -3),
        ("true", True),
        ("null", None),
        ("undefined", UNDEFINED),
        ('["a", ["b"],]', ["a", ["b"]]),
        ('{a: 1, "b": 2, [`c`]: 3, d: undefined, /* no */ }', {"a": 1, "b": 2, "c": 3}),
        ('{path: "./d", mode: "ro"} as const', {"path": "./d", "mode": "ro"}),
        ("({a: 1}) satisfies Options", {"a": 1}),
        ("['a']!", ["a"]),
        ('"a" + "b"', "ab"),
    ],
)
def test_literals_have_their_javascript_value(expression: str, expected: object) -> None:
    assert value(expression) == expected
    assert type(value(expression)) is type(expected)


def test_constants_of_the_module_stand_for_their_values() -> None:
    before = 'export const SIZE = `${8 * 8}MB`; const base = { ram: SIZE, hosts: ["a"] } as const;'
    assert value("{ ...base, name: SIZE }", before) == {"ram": "64MB", "hosts": ["a"], "name": "64MB"}
    assert value("[...base.hosts, base.ram]", before) == ["a", "64MB"]


@pytest.mark.parametrize(
    "expression",
    [
        "f()",
        "process.env.X",
        "x ? 1 : 2",
        "10n",
        "`${f()}`",
        "{ get a() { return 1 } }",
        "missing",
        "017",
        "1 / 0",
        "10 ** 400",
        '"a" * 2',
        "-'a'",
        "a.b",
        "Infinity",
        "[...1]",
        "!x",
        "typeof 1",
    ],
)
def test_what_has_to_run_is_no_literal(expression: str) -> None:
    with pytest.raises(NotLiteral):
        value(expression)


@pytest.mark.parametrize(
    "change",
    [
        "hosts.push('b')",
        "hosts[0] = 'b'",
        "hosts.length = 0",
        "Object.assign(hosts, [])",
        "const alias = hosts",
        "delete hosts[0]",
    ],
)
def test_an_array_that_the_module_may_change_is_no_constant(change: str) -> None:
    with pytest.raises(NotLiteral, match="may change"):
        value("hosts", "const hosts = ['a'];", change)


def test_reading_an_array_does_not_change_it() -> None:
    after = "console.log(hosts[0] + 1, [...hosts], `${hosts}`); function f(hosts) { hosts.push(1) }"
    assert value("hosts", "const hosts = ['a'];", after) == ["a"]


def test_let_is_no_constant() -> None:
    with pytest.raises(NotLiteral):
        value("size", "let size = 1;")


def test_constants_that_mean_each_other_end() -> None:
    with pytest.raises(NotLiteral):
        value("a", "const a = b; const b = a;")


def test_a_bomb_of_constants_is_refused() -> None:
    bomb = "const a0 = ['x','x','x','x'];" + "".join(
        f"const a{n} = [...a{n - 1}, ...a{n - 1}];" for n in range(1, 40)
    )
    with pytest.raises(NotLiteral):
        value("a39", bomb)
    texts = 'const a0 = "xxxxxxxxxx";' + "".join(f"const a{n} = a{n - 1} + a{n - 1};" for n in range(1, 40))
    with pytest.raises(NotLiteral):
        value("a39", texts)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8")),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3)
        ),
        max_leaves=10,
    )
)
def test_any_json_is_a_literal(expected: object) -> None:
    assert value(json.dumps(expected)) == expected


def test_options_get_the_guides_names() -> None:
    assert [*plain_options({"name": "a", **{camel(option): 1 for option in OPTIONS}})] == [*OPTIONS]


def test_the_types_have_every_option() -> None:
    types = (sdk_folder() / "index.d.ts").read_text("utf-8")
    body = types.partition("interface TaskOptions {")[2].partition("\n}")[0]
    assert re.findall(r"^  (\w+)\??:", body, re.MULTILINE) == ["name", *map(camel, OPTIONS)]


def camel(option: str) -> str:
    first, *rest = option.split("_")
    return first + "".join(map(str.capitalize, rest))
