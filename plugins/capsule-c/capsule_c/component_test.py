import re

import pytest
import wasmtime
from wasmtime.component import Component

from capsule.frontend.wit import wit_folder
from capsule.runtime.engine import engine
from capsule_c.component import NotAProgram, imported_functions, make_component, world_functions

MODULE = """(module
  {imports}
  (memory (export "memory") 1)
  (global $top (mut i32) (i32.const 1024))
  (func (export "_initialize"))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $top (i32.add (global.get $top) (i32.const 4096))) (global.get $top))
  (func (export "run") (param i32 i32) (result i32)
    (i32.store (i32.const 0) (local.get 0)) (i32.store (i32.const 4) (local.get 1)) (i32.const 0)))"""


def module(imports=""):
    return bytes(wasmtime.wat2wasm(MODULE.format(imports=imports)))


def test_a_module_without_imports_becomes_a_component():
    Component(engine(), make_component(module()))


def test_every_function_of_the_world_can_be_imported():
    """Lowered signatures are checked by wasmtime: what is missing or spelt wrongly doesn't compile."""
    known = world_functions()
    assert len(known) > 10
    assert "[resource-drop]descriptor" in known["wasi:filesystem/types@0.2.12"]
    assert "[method]output-stream.blocking-write-and-flush" in known["wasi:io/streams@0.2.12"]


def test_the_world_asks_for_nothing_that_the_contract_lacks():
    contract = "\n".join(path.read_text() for path in wit_folder().rglob("*.wit"))
    for interface, functions in world_functions().items():
        package, _, version = interface.partition("/")[0], "", interface.partition("@")[2]
        assert f"package {package}@{version}" in contract, interface
        for function in functions:
            name = re.sub(r"\[.*\]", "", function).rpartition(".")[2]
            assert re.search(rf"(^|\s)(resource )?%?{re.escape(name)}\b", contract), (interface, function)


def test_the_same_module_gives_the_same_bytes():
    core = module('(import "capsule:runtime/clock@1.0.0" "sleep" (func (param i64)))')
    assert make_component(core) == make_component(core)


@pytest.mark.parametrize(
    "imports",
    [
        '(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))',
        '(import "wasi:sockets/tcp@0.2.12" "[method]tcp-socket.start-bind" (func))',
        '(import "capsule:runtime/clock@1.0.0" "now" (func))',
        '(import "env" "x)) (import \\22y" (func))',
    ],
)
def test_a_module_that_imports_something_else_is_refused_by_name(imports):
    with pytest.raises(NotAProgram, match=re.escape(imports.split('"')[1])):
        make_component(module(imports))


@pytest.mark.parametrize(
    "imports", ['(import "env" "memory" (memory $m 1))', '(import "env" "g" (global i32))']
)
def test_a_module_that_imports_no_function_is_refused(imports):
    with pytest.raises(NotAProgram, match="no function"):
        imported_functions(bytes(wasmtime.wat2wasm(f"(module {imports})")))


def test_imports_are_read_with_their_signatures():
    [sleep] = imported_functions(module('(import "m" "n" (func (param i64 f32) (result i32)))'))
    assert (sleep.module, sleep.name, sleep.parameters, sleep.results) == ("m", "n", ("i64", "f32"), ("i32",))
