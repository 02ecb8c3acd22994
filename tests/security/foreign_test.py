"""Attacks by components of others: what they ask for, what they take, what they say of themselves."""

from __future__ import annotations

import json
import time

import foreign_wat as wat
import pytest

from capsule import CapsuleError, Envelope, run_sync

GREEDY = json.dumps(
    {
        "name": "child",
        "compute": "CUSTOM",
        "ram": "64GB",
        "timeout": "9h",
        "max_retries": 1000,
        "allowed_hosts": ["*"],
        "allowed_files": ["/", "."],
        "env_variables": ["HOME", "PATH", "CAPSULE_TEST_SECRET"],
    }
)


@pytest.fixture
def run(project):
    def go(data: bytes, *args: str, **options) -> Envelope:
        path = project.root / "tool.wasm"
        path.write_bytes(data)
        return run_sync(path, args, cwd=project.root, on_output=lambda stream, text: None, **options)

    return go


def child_asks(body: str, data: str = "") -> bytes:
    """A task-runner whose main task schedules a child with a greedy policy; the child does ``body``."""
    schedule = wat.SCHEDULE_UNLESS_CHILD.format(name=5, arguments=2, config=len(GREEDY))
    kept = "(call $say (i32.const 8) (i32.const 10))\n        (call $say (local.get $call) (local.get $size))"
    assert kept in schedule
    told = schedule.replace(kept + "\n        (call $say-byte (i32.const 125))", body)
    texts = "".join(wat.segment(at, text) for at, text in ((2000, "child"), (3000, "[]"), (5000, GREEDY)))
    return wat.runner(told, data=texts + data)


def test_a_scheduled_task_gets_no_variable_and_no_folder_that_its_caller_asks_for(run, monkeypatch):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "s")
    child = Envelope(run(child_asks(wat.LOOK_AROUND)).unwrap())
    assert child.unwrap() == [0, 0]


def test_a_scheduled_task_gets_no_fuel_time_or_retries_that_its_caller_asks_for(run):
    limits = {"compute": 5_000_000, "timeout": "20s"}
    child = Envelope(run(child_asks("(loop $again (br $again))"), limits=limits).unwrap())
    assert child.error["error_type"] == "out_of_fuel"
    assert child.execution["retries"] == 0
    assert child.execution["fuel_consumed"] <= 5_000_000


def test_a_scheduled_task_reaches_no_host_that_its_caller_asks_for(run, server):
    url = f"{server.url}/secret"
    request = wat.REQUEST.format(method=3, url=len(url), headers=0, has_body=0, body=0)
    moved = request.replace("(i32.const 2000)", "(i32.const 6000)").replace(
        "(i32.const 3000)", "(i32.const 6100)"
    )
    child = Envelope(run(child_asks(moved, wat.segment(6000, "GET") + wat.segment(6100, url))).unwrap())
    assert child.unwrap() == [0]
    assert server.asked == []


def test_scheduling_without_end_is_bounded_by_fuel(run):
    schedule = wat.SCHEDULE_UNLESS_CHILD.format(name=0, arguments=2, config=2)
    envelope = run(wat.runner(f"(loop $again {schedule} (br $again))"), limits={"compute": 3_000_000})
    assert envelope.error["error_type"] == "out_of_fuel"


@pytest.mark.parametrize("headers", [101, 100_000, 2**28])
def test_headers_without_number_are_an_error_or_the_end_of_the_sandbox(run, headers):
    envelope = run(wat.requesting("http://127.0.0.1/", headers=headers), limits={"allowed_hosts": ["*"]})
    assert envelope.result == [2] or envelope.error["error_type"] in ("crash", "out_of_memory", "out_of_fuel")


def test_what_a_runner_says_of_itself_is_data(run):
    said = '{"result": {"success": false, "execution": {"fuel_consumed": -1}}, "execution": {"retries": 99}}'
    envelope = run(wat.answering(said))
    assert envelope.success
    assert envelope.execution["retries"] == 0
    assert envelope.execution["fuel_consumed"] > 0


def test_a_runner_that_says_too_much_is_a_failure(run):
    envelope = run(wat.answering('{"result": "' + "x" * 2000 + '"}'), limits={"result_bytes": 1000})
    assert envelope.error["error_type"] == "result_too_large"


@pytest.mark.parametrize("isolation", ["process", "thread"])
def test_a_flood_of_output_ends_with_the_time_and_is_bounded(run, isolation):
    limits = {"timeout": "1s", "result_bytes": "1MB", "output_bytes": 1000}
    envelope = run(wat.command(wat.FLOOD), limits=limits, isolation=isolation)
    assert envelope.error["error_type"] in ("timeout", "out_of_fuel")


def test_output_over_the_limit_is_no_result(run):
    again = (
        "(br_if $again (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 1))) (i32.const 100)))"
    )
    body = f"(loop $again (call $say (i32.const 2000) (i32.const 4096)) {again}) i32.const 0"
    error = run(wat.command(body), limits={"result_bytes": 100_000}).error
    assert error["error_type"] == "result_too_large"


def test_a_command_that_loops_is_ended_by_fuel_and_by_time(run):
    loop = wat.command("(loop $again (br $again)) unreachable")
    assert run(loop, limits={"compute": 1_000_000}).error["error_type"] == "out_of_fuel"
    assert run(loop, limits={"compute": 10**15, "timeout": "300ms"}).error["error_type"] == "timeout"


def test_a_command_that_blocks_in_a_poll_is_ended_on_time(run):
    started = time.monotonic()
    envelope = run(wat.command(wat.BLOCK), limits={"timeout": "500ms"})
    assert envelope.error["error_type"] == "timeout"
    assert time.monotonic() - started < 20  # it sleeps for 30


def test_a_command_that_grows_its_memory_stops_at_its_ram(run):
    grow = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) (memory.size)"
    body = f"(i32.store8 (i32.const 2000) (i32.gt_u (block (result i32) {grow}) (i32.const 1024)))"
    answer = "(call $say (i32.const 2000) (i32.const 1)) i32.const 0"
    assert run(wat.command(body + answer), limits={"ram": "64MB"}).unwrap() == "\0"


def test_a_command_finds_no_folder_of_its_project_or_its_operator(run, project):
    project.write("capsule.toml", "")
    assert run(wat.command(wat.COUNT_GRANTS)).unwrap() == "00"


def test_a_manifest_that_is_glued_to_a_foreign_component_makes_it_no_artifact(run):
    from capsule.artifact.manifest import Manifest, Task
    from capsule.artifact.sections import pack
    from capsule.errors import Location
    from capsule.policy.model import FileGrant, Policy, TaskPolicy

    policy = Policy(allowed_files=(FileGrant(".", False),), env_variables=("HOME",))
    task = Task("main", TaskPolicy(policy), Location("main.wat", 1))
    manifest = Manifest("main.wat", "0" * 32, "wat", "1", {"main": task}, {})
    for component in (wat.looking_around(), wat.command(wat.COUNT_GRANTS)):
        with pytest.raises(CapsuleError, match=r"does not|imports what"):
            run(pack(manifest, component=component))


def test_a_foreign_component_is_not_what_a_required_signature_is_about(project, cli, said):
    (project.root / "tool.wasm").write_bytes(wat.saying("x"))
    assert cli("keys", "new", "release").status == 0
    done = cli("exec", "tool.wasm", "--require-signature", "release.pub")
    said(done, "refused", status=done.status)
    assert done.status != 0
    assert done.stdout == ""


@pytest.mark.parametrize("cut", [9, 100, 1000])
def test_a_foreign_component_that_is_cut_short_is_refused(run, cut):
    with pytest.raises(CapsuleError):
        run(wat.saying("x")[:cut])


def test_a_sub_tasks_arguments_can_not_name_another_task(project):
    """Of our own contract: a second "task" in the arguments would have run under the first one's policy."""
    envelope = project.run(
        """
        from capsule import task
        import json

        @task()
        def weak():
            return "weak"

        @task(env_variables=["HOME"])
        def strong(*args, **kwargs):
            return "strong"

        @task()
        def main():
            from wit_world.imports import tasks
            handle = tasks.start("strong", json.dumps({"args": [], "kwargs": {}, "task": "weak"}))
            return json.loads(tasks.outcome(handle))["result"]
        """
    )
    assert envelope.unwrap() == "strong"
