"""Components that no frontend of ours has made: written by hand, some of them hostile."""

from __future__ import annotations

import json
import time

import pytest
import wasmtime

from capsule import CapsuleError, run_sync
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack
from capsule.errors import Location
from capsule.policy.model import Policy, TaskPolicy

ANSWER = """
(component
  (core module $m
    (memory (export "memory") 4)
    (data (i32.const 16) "{text}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
    (func (export "run") (param i32 i32) (result i32)
      {body}
      (i32.store (i32.const 0) (i32.const {start}))
      (i32.store (i32.const 4) (i32.const {size}))
      i32.const 0))
  (core instance $i (instantiate $m))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (export "{export}" (func $run)))
"""

BLOCKED = """
(component
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $p (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $p))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:clocks/monotonic-clock@0.2.0" (instance $clock
    (alias outer 1 $pollable (type $outer))
    (export "pollable" (type $q (eq $outer)))
    (export "subscribe-duration" (func (param "when" u64) (result (own $q))))))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $subscribe (canon lower (func $clock "subscribe-duration")))
  (core module $m
    (import "host" "block" (func $block (param i32)))
    (import "host" "subscribe" (func $subscribe (param i64) (result i32)))
    (memory (export "memory") 2)
    (data (i32.const 16) "{\\"result\\": 1}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
    (func (export "run") (param i32 i32) (result i32)
      (call $block (call $subscribe (i64.const 8000000000)))
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 13))
      i32.const 0))
  (core instance $i (instantiate $m (with "host" (instance
    (export "block" (func $block)) (export "subscribe" (func $subscribe))))))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (export "run" (func $run)))
"""


def answering(text, *, body="", export="run", size=None, start=16):
    """A component whose ``run`` returns a text, whatever it is asked."""
    raw = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    escaped = "".join(f"\\{byte:02x}" for byte in raw)
    return ANSWER.format(
        text=escaped, size=len(raw) if size is None else size, start=start, body=body, export=export
    )


@pytest.fixture
def artifact(project):
    """Writes a component as an artifact whose main task has a policy."""

    def write(text, **policy):
        task = Task("main", TaskPolicy(Policy(**policy)), Location("main.wat", 1))
        manifest = Manifest("main.wat", "0" * 32, "wat", "1", {"main": task}, {})
        path = project / "main.wasm"
        path.write_bytes(pack(manifest, component=bytes(wasmtime.wat2wasm(text))))
        return path

    return write


def test_a_component_that_exports_the_world_runs(artifact, project):
    path = artifact(answering('{"result": {"a": [1, 2]}}'))
    assert run_sync(path, cwd=project.root).unwrap() == {"a": [1, 2]}


@pytest.mark.parametrize(
    ("answer", "error_type"),
    [
        ("", "task_error"),
        ("not json", "task_error"),
        ("[" * 60_000, "task_error"),
        ("[1]", "crash"),
        ("{}", "crash"),
        ('{"error": 1}', "crash"),
        ('{"error": {"error_type": "timeout", "message": "a lie"}}', "task_error"),
        ('{"error": {"error_type": "no such", "message": ["x"]}}', "task_error"),
        ('{"error": {"error_type": "exit", "message": "ended"}}', "exit"),
    ],
)
def test_an_answer_that_is_not_the_contracts_is_an_outcome(artifact, project, answer, error_type):
    envelope = run_sync(artifact(answering(answer)), cwd=project.root)
    assert envelope.error["error_type"] == error_type
    assert isinstance(envelope.error["message"], str)


@pytest.mark.parametrize(
    "wat",
    [
        answering("x", size=2**31 - 1),
        answering("x", start=2**31 - 8),
        answering(b"\xff\xfe"),
        answering("x", body="unreachable"),
    ],
    ids=["too long", "outside memory", "not UTF-8", "trap"],
)
def test_a_component_that_breaks_down_is_a_crash_and_the_host_goes_on(artifact, project, wat):
    path = artifact(wat)
    assert run_sync(path, cwd=project.root).error["error_type"] == "crash"
    assert run_sync(artifact(answering('{"result": 1}')), cwd=project.root).result == 1


def test_endless_recursion_in_a_component_is_a_stack_overflow(artifact, project):
    wat = answering('{"result": 1}', body="(drop (call $deep))").replace(
        '(func (export "run")', '(func $deep (result i32) call $deep)\n    (func (export "run")'
    )
    assert run_sync(artifact(wat), cwd=project.root).error["error_type"] == "stack_overflow"


def test_a_component_runs_under_the_policy_of_its_manifest(artifact, project):
    loop = answering('{"result": 1}', body="(loop br 0)")
    assert run_sync(artifact(loop, compute=5_000_000), cwd=project.root).error["error_type"] == "out_of_fuel"
    envelope = run_sync(artifact(loop, compute=10**12, timeout=0.3), cwd=project.root)
    assert envelope.error["error_type"] == "timeout"
    assert envelope.execution["duration_ms"] < 800


def test_a_guest_that_blocks_in_wasi_is_ended_on_time_by_the_watchdog(artifact, project):
    path = artifact(BLOCKED, timeout=0.3)
    started = time.monotonic()
    envelope = run_sync(path, cwd=project.root)
    assert envelope.error["error_type"] == "timeout"
    assert time.monotonic() - started < 2
    assert envelope.execution["duration_ms"] < 1300


def test_a_blocked_guest_does_not_keep_the_command_alive(artifact, cli):
    artifact(BLOCKED, timeout=0.3)
    started = time.monotonic()
    done = cli("exec", "main.wasm", "--json", timeout=60)
    assert time.monotonic() - started < 5
    assert done.status == 1
    assert done.envelope.error["error_type"] == "timeout"


def test_a_blocked_guest_does_not_keep_a_program_alive(artifact, python):
    artifact(BLOCKED, timeout=0.3)
    started = time.monotonic()
    done = python("from capsule import run_sync; print(run_sync('main.wasm').error['error_type'])")
    assert done.stdout == "timeout\n", done
    assert time.monotonic() - started < 5


def test_unknown_imports_are_named(artifact, project):
    wat = '(component (import "evil:corp/backdoor@1.0.0" (func)))'
    with pytest.raises(CapsuleError, match="evil:corp/backdoor") as caught:
        run_sync(artifact(wat), cwd=project.root)
    assert "capsule:runtime@1.0.0" in caught.value.hint


def test_wasi_http_is_not_offered(artifact, project):
    wat = '(component (import "wasi:http/outgoing-handler@0.2.0" (instance)))'
    with pytest.raises(CapsuleError, match="wasi:http"):
        run_sync(artifact(wat), cwd=project.root)


def test_a_component_without_run_is_refused(artifact, project):
    with pytest.raises(CapsuleError, match="does not export run"):
        run_sync(artifact(answering("x", export="start")), cwd=project.root)


def test_an_export_run_of_another_type_is_refused_by_its_type(artifact, project):
    wat = """(component
      (core module $m (func (export "run") (result i32) i32.const 7))
      (core instance $i (instantiate $m))
      (func $run (result u32) (canon lift (core func $i "run")))
      (export "run" (func $run)))"""
    with pytest.raises(CapsuleError, match=r"exports 'run' as func\(\) -> u32"):
        run_sync(artifact(wat), cwd=project.root)


def test_the_command_line_takes_components_and_shows_their_tasks(artifact, cli):
    artifact(answering('{"result": "hi"}'), timeout=2.0)
    assert cli("exec", "main.wasm").stdout == "hi\n"
    [task] = json.loads(cli("tasks", "main.wasm", "--json").stdout)
    assert task["effective"]["timeout"] == 2.0
