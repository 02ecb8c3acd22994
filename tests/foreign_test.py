"""Components that capsule did not make: of the reference implementation, and plain WASI commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import foreign_wat as wat
import pytest

from capsule import CapsuleError, Envelope, run_sync

Run = Callable[..., Envelope]


@pytest.fixture
def isolation() -> str:
    return "process"


wherever = pytest.mark.parametrize("isolation", ["process", "thread"])


@pytest.fixture
def run(project, isolation) -> Run:
    """Runs the bytes of a component as ``tool.wasm`` of the project."""

    def go(data: bytes, *args: object, name: str = "tool.wasm", **options) -> Envelope:
        path = project.root / name
        path.write_bytes(data)
        return run_sync(path, args, cwd=project.root, isolation=isolation, **options)

    return go


# The reference implementation's contract


@wherever
def test_a_component_of_the_reference_implementation_returns_its_result(run):
    envelope = run(wat.answering('{"result": {"a": [1, null]}}'))
    assert envelope.unwrap() == {"a": [1, None]}
    assert envelope.execution["task_name"] == "main"


@pytest.mark.parametrize(
    ("said", "tag", "message"),
    [
        ('{"error_type": "task_error", "message": "no good"}', 0, "no good"),
        ('{"error": "No tasks found"}', 0, "No tasks found"),
        ("it broke", 1, "it broke"),
    ],
)
def test_every_way_in_which_it_tells_of_a_failure_is_an_outcome(run, said, tag, message):
    envelope = run(wat.answering(said, tag=tag))
    assert envelope.error == {"error_type": "task_error", "message": message}


def test_it_is_called_with_the_task_and_its_arguments(run):
    envelope = run(wat.scheduling("main"), 1, "two", kwargs={"three": [3]}, task="child")
    assert envelope.unwrap() == {"task_name": "child", "args": [1, "two"], "kwargs": {"three": [3]}}


@wherever
@pytest.mark.parametrize(
    ("arguments", "args", "kwargs"),
    [('[1, "a"]', [1, "a"], {}), ('{"args": [2], "kwargs": {"b": 3}}', [2], {"b": 3}), ("[]", [], {})],
)
def test_a_scheduled_task_gets_an_envelope_of_its_own(run, arguments, args, kwargs):
    envelope = Envelope(run(wat.scheduling("child", arguments)).unwrap())
    assert envelope.success
    assert envelope.error is None
    assert envelope.result == {"task_name": "child", "args": args, "kwargs": kwargs}
    assert envelope.execution["task_name"] == "child"
    assert {"duration_ms", "retries", "fuel_consumed"} <= envelope.execution.keys()


@pytest.mark.parametrize(
    ("name", "arguments", "config", "error"),
    [
        ("", "[]", "{}", 0),
        ("x" * 201, "[]", "{}", 0),
        ("a\nb", "[]", "{}", 0),
        ("child", "[]", "x", 1),
        ("child", "[]", "[]", 1),
        ("child", "7", "{}", 2),
        ("child", "[", "{}", 2),
        ("child", '{"args": 1}', "{}", 2),
        ("child", '{"args": [], "kwargs": {}, "task_name": "main"}', "{}", 2),
    ],
)
def test_what_can_not_be_scheduled_is_the_contracts_error(run, name, arguments, config, error):
    assert run(wat.scheduling(name, arguments, config)).unwrap()[0] == error


def test_tasks_that_schedule_themselves_end_at_the_depth_limit(run):
    result = run(wat.scheduling("main"), limits={"depth": 3}).unwrap()
    for _ in range(3):
        result = Envelope(result).unwrap()
    assert result == [3, "tasks may start tasks 3 deep (limits= depth)"]


def test_the_number_of_scheduled_tasks_is_bounded(run):
    assert run(wat.scheduling("child"), limits={"tasks": 0}).unwrap()[0] == 3


@wherever
def test_requests_go_through_the_ceilings_of_the_run(run, server):
    page = f"{server.url}/page"
    assert run(wat.requesting(page)).unwrap() == [0]
    assert server.asked == []
    answer = run(wat.requesting(page, method="POST", body="tea"), limits={"allowed_hosts": ["127.0.0.1"]})
    assert answer.unwrap() == {"method": "POST", "path": "/page", "body": "tea"}
    assert run(wat.requesting(page), limits={"allowed_hosts": ["example.com"]}).unwrap() == [0]
    assert len(server.asked) == 1


def test_an_address_that_is_none_is_the_contracts_error(run):
    limits = {"allowed_hosts": ["*"]}
    assert run(wat.requesting("file:///etc/passwd"), limits=limits).unwrap() == [2]
    assert run(wat.requesting("http://127.0.0.1/", method="CONNECT"), limits=limits).unwrap() == [2]


def test_without_ceilings_it_gets_no_variables_and_no_folders(run, project):
    (project.root / "data").mkdir()
    assert run(wat.looking_around()).unwrap() == [0, 0]


@wherever
def test_ceilings_and_mounts_are_what_it_gets(run, project, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_GIVEN", "1")
    (project.root / "data").mkdir()
    limits = {"env_variables": ["CAPSULE_TEST_GIVEN"], "allowed_files": ["data"]}
    assert run(wat.looking_around(), limits=limits).unwrap() == [1, 1]
    assert run(wat.looking_around(), mounts=["data::/d:ro"]).unwrap() == [0, 1]


def test_ceilings_of_the_project_hold(run, project):
    project.write("capsule.toml", '[limits]\nallowed_files = []\ntimeout = "1s"\n')
    assert run(wat.looking_around(), limits={"allowed_files": ["data"]}).unwrap() == [0, 0]
    spinning = wat.answering("", before="(loop $again (br $again))")
    envelope = run(spinning, limits={"compute": 10**15})
    assert envelope.error["error_type"] == "timeout"
    assert "1s" in envelope.error["message"]


def test_what_it_asks_for_is_recorded_once_and_has_no_effect(project, cli):
    asked = '{"name": "child", "compute": "HIGH", "env_variables": ["HOME"], "allowed_files": ["."]}'
    (project.root / "tool.wasm").write_bytes(wat.scheduling("main", config=asked))
    done = cli("exec", "tool.wasm", "--verbose", "--json", "--limit", "depth=3")
    assert done.status == 0, done
    assert done.stderr.count("asks for compute, allowed_files, env_variables") == 1, done.stderr
    assert "foreign-policy" in cli("trace", json.loads(cli("trace", "--json").stdout)["runs"][0]["id"]).stdout


# Commands


def test_a_commands_output_is_its_result(run):
    assert run(wat.saying("hello\n")).unwrap() == "hello\n"


@wherever
def test_arguments_become_argv(run):
    assert run(wat.command(wat.ECHO), "one", "zwei ü", "").unwrap() == "tool.wasm\none\nzwei ü\n\n"


@wherever
def test_standard_input_is_empty_or_what_the_caller_gives(run):
    assert run(wat.command(wat.CAT)).unwrap() == ""
    text = "tee ☕\0" * 3000
    assert run(wat.command(wat.CAT), kwargs={"stdin": text}).unwrap() == text


@pytest.mark.parametrize("release", ["0.2.0", "0.2.6", "0.2.12"])
def test_every_release_of_wasi_0_2_will_do(run, release):
    assert run(wat.command(wat.ECHO, export=f"wasi:cli/run@{release}")).unwrap() == "tool.wasm\n"


@wherever
@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("i32.const 1", 1),
        ("(call $exit (i32.const 1)) unreachable", 1),
        ("(call $exit-with-code (i32.const 42)) unreachable", 42),
    ],
)
def test_a_command_that_fails_is_an_exit_and_what_it_wrote_is_output(run, ending, code):
    written = []
    envelope = run(
        wat.saying("so far\n", then=ending), on_output=lambda stream, text: written.append((stream, text))
    )
    assert envelope.error == {"error_type": "exit", "message": f"the command ended with exit code {code}"}
    assert written == [("stdout", "so far\n")]


def test_a_command_that_exits_with_0_has_succeeded(run):
    assert run(wat.saying("done", then="(call $exit (i32.const 0)) unreachable")).unwrap() == "done"


@wherever
def test_what_a_command_writes_to_stderr_is_output_even_if_it_ends_without_waiting_for_it(run):
    body = "(global.set $out (call $get-stderr)) (call $say (i32.const 2000) (i32.const 5)) i32.const 0"
    tool = wat.command(body, b"oops\n")
    for _ in range(20):  # it was lost once in some fifty runs
        written = []
        envelope = run(tool, on_output=lambda stream, text, to=written: to.append((stream, text)))
        assert envelope.unwrap() == ""
        assert written == [("stderr", "oops\n")]


@wherever
def test_output_that_is_not_text_is_an_error_that_says_so(run):
    error = run(wat.saying(b"ab\xffcd")).error
    assert error["error_type"] == "task_error"
    assert "not UTF-8 text (byte 2 of 5)" in error["message"]


def test_a_command_gets_nothing_but_what_it_is_given(run, project, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_GIVEN", "1")
    (project.root / "data").mkdir()
    assert run(wat.command(wat.COUNT_GRANTS)).unwrap() == "00"
    given = run(
        wat.command(wat.COUNT_GRANTS), mounts=["data"], limits={"env_variables": ["CAPSULE_TEST_GIVEN"]}
    )
    assert given.unwrap() == "11"


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ([5], {}, "argument 1 is int"),
        (["a\0b"], {}, "NUL"),
        (["\ud800"], {}, "UTF-8"),
        ([], {"stdin": 5}, "stdin is int"),
        ([], {"name": "x"}, "no named argument 'name'"),
        (["x" * 2_000_000], {}, "too long"),
    ],
)
def test_arguments_that_are_not_text_are_refused_before_it_runs(project, args, kwargs, words):
    path = project.root / "tool.wasm"
    path.write_bytes(wat.command(wat.ECHO))
    with pytest.raises(CapsuleError, match=words):
        run_sync(path, args, kwargs, cwd=project.root)


def test_the_command_line_runs_commands(project, cli):
    (project.root / "echo.wasm").write_bytes(wat.command(wat.ECHO))
    (project.root / "cat.wasm").write_bytes(wat.command(wat.CAT))
    assert cli("exec", "echo.wasm", "a", "--deny-all").stdout == "echo.wasm\na\n\n"
    assert cli("run", "cat.wasm", "--stdin", "-", input="from ours").stdout == "from ours\n"
    project.write("in.txt", "from a file")
    assert cli("exec", "cat.wasm", "--stdin", "in.txt").stdout == "from a file\n"
    assert cli("exec", "cat.wasm", input="not asked for").stdout == "\n"


# What it is, and what it is not


def test_it_is_said_once_what_to_type_to_grant_something(project, cli):
    (project.root / "tool.wasm").write_bytes(wat.saying("x"))
    said = cli("exec", "tool.wasm").stderr
    assert "--limit allowed_hosts=" in said
    assert "--mount" in said
    assert cli("exec", "tool.wasm", "--deny-all").stderr == ""
    assert cli("exec", "tool.wasm", "--limit", "allowed_hosts=example.com").stderr == ""


def test_tasks_and_explain_say_what_it_gets(project, cli):
    (project.root / "tool.wasm").write_bytes(wat.looking_around())
    [task] = json.loads(cli("tasks", "tool.wasm", "--json").stdout)
    assert task["name"] == "main"
    assert task["effective"]["allowed_hosts"] == []
    assert task["effective"]["timeout"] == 60.0
    text = cli("tasks", "tool.wasm", "--limit", "allowed_hosts=a.example", "--limit", "ram=1GB").stdout
    assert "capsule:host/task-runner" in text
    assert "a.example" in text
    assert "1,073,741,824" in text or "1 GiB" in text or "1GB" in text
    assert "--limit allowed_hosts" in cli("explain", "tool.wasm", "--limit", "allowed_hosts=a.example").stdout


IMPORTS = [
    ("wasi:http/outgoing-handler@0.2.0", "wasi:http/outgoing-handler@0.2.0 (it knows of no allow-list)"),
    ("wasi:cli/environment@0.3.0", "wasi:cli/environment@0.3.0 (WASI 0.3 is not supported yet)"),
    ("wasi:cli/nothing@0.2.0", "wasi:cli/nothing@0.2.0"),
    ("wasi:nn/tensor@0.2.0-rc", "wasi:nn/tensor@0.2.0-rc"),
    ("capsule:runtime/tasks@1.0.0", "capsule:runtime/tasks@1.0.0"),
    ("capsule:host/api", "capsule:host/api"),
]


def test_every_import_that_is_not_offered_is_named_before_anything_runs(run):
    lines = "".join(f'(import "{name}" (instance))' for name, _ in IMPORTS)
    body = f"""(component {lines}
      (core module $m (func (export "run") (result i32) unreachable))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $r (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $r)))"""
    with pytest.raises(CapsuleError) as caught:
        run(wat.component(body))
    for _, words in IMPORTS:
        assert words in caught.value.message
    assert "WASI 0.2 without wasi:http" in caught.value.hint


@wherever
def test_a_function_that_an_interface_does_not_have_is_named(run):
    body = """(component
      (import "wasi:cli/environment@0.2.0" (instance (export "read-all-secrets" (func (result string)))))
      (core module $m (func (export "run") (result i32) unreachable))
      (core instance $i (instantiate $m))
      (func $run (result (result)) (canon lift (core func $i "run")))
      (instance $r (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $r)))"""
    error = run(wat.component(body)).error
    assert "read-all-secrets of wasi:cli/environment@0.2.0" in error["message"]


@pytest.mark.parametrize(
    ("api", "words"),
    [
        (wat.API.replace('"schedule-task"', '"schedule-all"'), "schedule-all of capsule:host/api"),
        (wat.API.replace('"status" u16', '"status" u32'), "status: u32"),
        (wat.API.replace('(case "timeout" string)', '(case "timeout" u32)'), "timeout(u32)"),
        (wat.API.replace('"config-json" string', '"config-json" (list u8)'), "list<u8>"),
    ],
)
def test_an_interface_of_the_same_name_and_other_types_is_refused(run, api, words):
    core = """(core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
        (func (export "run") (param i32 i32) (result i32) unreachable))
      (core instance $i (instantiate $m))
      (func $run (param "args-json" string) (result (result string (error string))) (canon lift
        (core func $i "run") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
      (instance $r (export "run" (func $run)))
      (export "capsule:host/task-runner" (instance $r))"""
    imported = api[: api.index("(core func")]
    with pytest.raises(CapsuleError, match="does not offer") as caught:
        run(wat.component(f"(component {imported} {core})"))
    assert words in caught.value.message


def test_a_component_that_exports_something_else_is_refused_by_what_it_exports(run):
    body = """(component
      (core module $m (func (export "f")))
      (core instance $i (instantiate $m))
      (func $f (canon lift (core func $i "f")))
      (instance $one (export "handle" (func $f)))
      (export "wasi:http/incoming-handler@0.2.0" (instance $one))
      (export "go" (func $f)))"""
    with pytest.raises(CapsuleError, match=r"go, wasi:http/incoming-handler@0\.2\.0") as caught:
        run(wat.component(body))
    assert "wasi:cli/run" in caught.value.hint
    assert "capsule build --export" in caught.value.hint


def test_a_command_of_wasi_0_3_is_refused_as_such(run):
    with pytest.raises(CapsuleError) as caught:
        run(wat.command(wat.ECHO, export="wasi:cli/run@0.3.0"))
    assert "WASI 0.3 is not supported" in caught.value.hint


def test_an_export_run_of_another_type_is_refused_by_its_type(run):
    body = """(component
      (core module $m (func (export "run") (result i32) i32.const 7))
      (core instance $i (instantiate $m))
      (func $run (result u32) (canon lift (core func $i "run")))
      (instance $r (export "run" (func $run)))
      (export "wasi:cli/run@0.2.0" (instance $r)))"""
    with pytest.raises(CapsuleError, match=r"func\(\) -> u32"):
        run(wat.component(body))


def test_a_core_module_is_told_what_to_do(run):
    module = wat.component(
        '(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))) (func (export "_start")))'
    )
    with pytest.raises(CapsuleError, match="wasm32-wasip1") as caught:
        run(module)
    assert "wasm-tools component new tool.wasm" in caught.value.hint


def test_export_does_not_overwrite_a_component_of_others(project, cli, said):
    project.write("main.py", "from capsule import task\n@task()\ndef main():\n    return 1\n")
    (project.root / "main.wasm").write_bytes(wat.saying("x"))
    said(cli("build", "main.py", "--export"), "was not made by capsule", status=2)


# The reference implementation itself


REFERENCE = """
import os
from capsule import task
from capsule.http import get

@task(name="add", compute="LOW")
def add(a, b):
    return a + b

@task(name="peek", env_variables=["HOME"], allowed_files=["."], compute="HIGH")
def peek():
    return [dict(os.environ), os.path.exists("main.py")]

@task(name="fetch", allowed_hosts=["*"])
def fetch(url):
    return get(url).status_code

@task(name="main", compute="HIGH", env_variables=["HOME"], allowed_files=["."], allowed_hosts=["*"])
def main(what, *rest):
    if what == "raise":
        raise ValueError("no good")
    if what == "spin":
        while True:
            pass
    return {"add": add, "peek": peek, "fetch": fetch}[what](*rest)
"""


def test_what_the_reference_implementation_builds_runs_here(request, project, cli, server):
    command = request.config.getoption("--reference")
    if command is None:
        pytest.skip("--reference COMMAND makes a component with another runtime, and runs it with ours")
    found = shutil.which(command)
    assert found is not None, command
    project.write("main.py", REFERENCE)
    # It looks for its own packages beside the command.
    path = f"{Path(found).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        [found, "build", "main.py", "--export"],
        cwd=project.root,
        env={**os.environ, "PATH": path},
        check=True,
        timeout=240,
        capture_output=True,
    )

    def call(*args: str, options: tuple[str, ...] = ()) -> Envelope:
        return cli("exec", "main.wasm", *options, "--json", "--", *args, timeout=300).envelope

    added = Envelope(json.loads(cli("exec", "main.wasm", "--json", "--args-json", '["add", 2, 3]').stdout))
    assert Envelope(added.unwrap()).unwrap() == 5
    assert call("raise").error["message"] == "no good"
    assert call("spin", options=("--limit", "timeout=1s")).error["error_type"] == "timeout"
    assert Envelope(call("peek").unwrap()).unwrap() == [{}, False]
    assert not Envelope(call("fetch", server.url).unwrap()).success
    allowed = call("fetch", server.url, options=("--limit", "allowed_hosts=127.0.0.1"))
    assert Envelope(allowed.unwrap()).unwrap() == 200
    assert len(server.asked) == 1
