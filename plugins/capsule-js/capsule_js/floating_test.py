"""Calls whose promise a statement drops are marked, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_js.floating import MARK, mark_floating

M = MARK.decode()


@pytest.mark.parametrize(
    ("source", "marked"),
    [
        ("f();", f"f(){M};"),
        ("f()\ng()", f"f(){M}\ng(){M}"),
        ("void f();", f"void f(){M};"),
        ("a.b.c(1);", f"a.b.c(1){M};"),
        ("a?.b();", f"a?.b(){M};"),
        ("p.then(x => { g(); });", f"p.then(x => {{ g(){M}; }}){M};"),
        ("ok && f();", f"ok && f(){M};"),
        ("f() || g();", f"f() || g(){M};"),
        ("ok ? f() : g();", f"ok ? f(){M} : g(){M};"),
        ("(f());", f"(f(){M});"),
        ("f(), g();", f"f(){M}, g(){M};"),
        ("(async () => { await f(); })();", f"(async () => {{ await f(); }})(){M};"),
        ("if (x) f();", f"if (x) f(){M};"),
    ],
)
def test_a_dropped_call_is_marked(source, marked):
    assert mark_floating("a.ts", source.encode()).decode() == marked


@pytest.mark.parametrize(
    "source",
    [
        "await f();",
        "const p = f();",
        "x = f();",
        "export const g = () => f();",
        "function g() { return f(); }",
        "console.log(f());",
        "items.push(f());",
        "class A extends B { constructor() { super(); } }",
        "new A();",
        "'use strict';",
        "i++;",
        "while (f()) {}",
        "f(;",
    ],
)
def test_what_is_used_or_awaited_stays_as_it_is(source):
    assert mark_floating("a.ts", source.encode()) == source.encode()


def test_data_stays_as_it_is():
    assert mark_floating("data.json", b'{"a": 1}') == b'{"a": 1}'


@given(st.text(alphabet="fg().;{}=>&|?: \nawaitsync,", max_size=60))
def test_marks_are_all_that_is_ever_added(source):
    text = source.encode()
    assert mark_floating("a.js", text).replace(MARK, b"") == text
