import pytest
import wasmtime
from wasmtime.component import Component

from capsule.build.exports import check_exports
from capsule.errors import ArtifactError
from capsule.runtime.engine import engine
from capsule.runtime.export_types import describe

LIFTED = """
(component
  (core module $m
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
    (func (export "f") {core} {body}))
  (core instance $i (instantiate $m))
  (func $f {kind} (canon lift (core func $i "f")
    (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (export "{name}" (func $f)))
"""


def exporting(name, kind, core, result=True):
    text = LIFTED.format(name=name, kind=kind, core=core, body="i32.const 0" if result else "")
    return Component(engine(), wasmtime.wat2wasm(text))


def test_the_type_of_the_contract_is_right_whatever_its_parameter_is_called():
    component = exporting("run", '(param "x" string) (result string)', "(param i32 i32) (result i32)")
    check_exports(component, "x.wasm", needs_load=False)


@pytest.mark.parametrize(
    ("kind", "core", "said"),
    [
        ("(result string)", "(result i32)", "func() -> string"),
        ('(param "x" string)', "(param i32 i32)", "func(string)"),
        ('(param "x" u32) (result u32)', "(param i32) (result i32)", "func(u32) -> u32"),
        (
            '(param "x" (list u8)) (result (list string))',
            "(param i32 i32) (result i32)",
            "func(list<u8>) -> list<string>",
        ),
        (
            '(param "x" (option string)) (result (result string (error (tuple u8 char))))',
            "(param i32 i32 i32) (result i32)",
            "func(option<string>) -> result<string, tuple<u8, char>>",
        ),
        (
            '(param "x" string) (param "y" string) (result string)',
            "(param i32 i32 i32 i32) (result i32)",
            "func(string, string) -> string",
        ),
        (
            '(param "x" (list (list (list (list (list u8)))))) (result string)',
            "(param i32 i32) (result i32)",
            "func(list<list<list<list<list<...>>>>>) -> string",
        ),
    ],
)
def test_a_run_of_another_type_is_refused_by_its_type(kind, core, said):
    component = exporting("run", kind, core, "(result" in core)
    with pytest.raises(ArtifactError) as refused:
        check_exports(component, "x.wasm", needs_load=False)
    assert f"exports 'run' as {said}, and the contract has func(string) -> string" in refused.value.message


def test_a_load_of_another_type_is_refused_too():
    text = LIFTED.format(
        name="load", kind='(param "x" string) (result string)', core="(param i32 i32) (result i32)",
        body="i32.const 0",
    )  # fmt: skip
    text = text.replace('(export "load" (func $f))', '(export "load" (func $f)) (export "run" (func $f))')
    with pytest.raises(ArtifactError, match=r"exports 'load' as func\(string\) -> string"):
        check_exports(Component(engine(), wasmtime.wat2wasm(text)), "x.wasm", needs_load=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('(component (core module $m) (export "run" (core module $m)))', "a core module"),
        ('(component (instance $i) (export "run" (instance $i)))', "an instance"),
        ('(component (type $t (record (field "a" u8))) (export "run" (type $t)))', "a type"),
    ],
)
def test_a_run_that_is_no_function_is_refused(text, said):
    with pytest.raises(ArtifactError, match=f"exports 'run' as {said}"):
        check_exports(Component(engine(), wasmtime.wat2wasm(text)), "x.wasm", needs_load=False)


def test_a_type_that_shares_its_parts_is_described_without_following_all_of_them():
    """A tuple of twenty tuples of twenty, four deep: 160,000 parts, in a few hundred bytes."""
    types = ["(type $t0 (tuple " + "u8 " * 20 + "))"]
    types += [f"(type $t{level} (tuple " + f"$t{level - 1} " * 20 + "))" for level in range(1, 4)]
    source = f"""(component {" ".join(types)} (import "f" (func (param "a" $t3))))"""
    component = Component(engine(), wasmtime.wat2wasm(source))
    shown = describe(component.type.imports(engine())["f"].ty)
    assert "..." in shown
    assert shown.count("u8") == 8**4
