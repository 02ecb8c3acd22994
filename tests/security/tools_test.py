"""Attacks on host tools: names, arguments, floods, and what comes back of errors."""

from __future__ import annotations

import json
import threading

import pytest

from capsule import run_sync
from capsule.tools import toolbox

START = """
from capsule._engine import host, started
import json

def call(name, arguments='{"args":[],"kwargs":{}}'):
    try:
        envelope = json.loads(started.take(started.task(name, arguments)))
    except host.Refused as refused:
        return f"{refused.reason}: {refused.message}"
    return envelope["result"] if envelope["success"] else envelope["error"]
"""


def public(x: int = 0) -> int:
    return x


def other() -> str:
    return "reached"


@pytest.mark.parametrize(
    "name",
    [
        "\0tool:other",
        "\0tool:__init__",
        "\0tool:public.__globals__",
        "\0tool:_private",
        "\0tool:",
        "\0tool:public\0",
        "\0tool:\0tool:public",
        "\0tools ",
        "\0",
        "\0tool",
        "tool:public",
        "public",
    ],
)
def test_a_forged_name_reaches_no_function(name):
    code = f"{START}call({name!r})"
    outcome = run_sync(code=code, tools=[public])
    assert str(outcome.unwrap()).startswith("unknown-task")


def test_a_tool_that_the_task_does_not_declare_is_denied_and_recorded(project, cli):
    path = project.write(
        "main.py",
        "from capsule import task\n"
        + START
        + '@task(tools=["public"])\ndef main():\n    return call("\\0tool:other")\n',
    )
    outcome = run_sync(path, tools=[public, other])
    assert "not among the tools of task main" in outcome.unwrap()
    [recorded] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert "the tool 'other' is not among" in cli("trace", recorded["id"], "--json").stdout


def test_a_program_can_t_declare_a_task_in_the_place_of_a_tool(project):
    path = project.write(
        "main.py", 'from capsule import task\n@task(name="\\0tool:public")\ndef main():\n    return 1\n'
    )
    with pytest.raises(Exception, match="name"):
        run_sync(path, tools=[public])


@pytest.mark.parametrize(
    "arguments",
    [
        "{}",
        "[]",
        "nonsense",
        '{"args":{},"kwargs":[]}',
        '{"args":[],"kwargs":{"x":1,"self":2}}',
        '{"args":[1,2,3],"kwargs":{}}',
        '{"args":[],"kwargs":{"__class__":1}}',
        '{"args":[{"__class__":"x"}],"kwargs":{}}',
        "[" * 100_000,
    ],
)
def test_forged_arguments_never_reach_the_function(arguments):
    reached = []

    def watched(x: int = 0) -> int:
        reached.append(x)
        return x

    watched.__name__ = "public"
    outcome = run_sync(code=f"{START}call('\\0tool:public', {arguments!r})", tools=[watched])
    assert outcome.success, outcome
    assert reached == []


def test_a_flood_of_calls_has_so_many_threads_and_ends_at_the_limit():
    most, under_way = 0, 0
    lock = threading.Lock()

    def public(x: int = 0) -> int:
        nonlocal most, under_way
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        return x

    code = """
from capsule import tools, ToolError
calls, refused = [], 0
for number in range(400):
    try:
        calls.append(tools.public.start(number))
    except ToolError:
        refused += 1
[sum(call.result() for call in calls), refused]
"""
    outcome = run_sync(code=code, tools=[public], limits={"tasks": 300})
    assert outcome.unwrap() == [sum(range(300)), 100]
    assert most <= toolbox.MOST_AT_ONCE


def test_a_result_that_is_too_large_is_an_error_in_the_task():
    def large() -> str:
        return "x" * 2_000_000

    code = "from capsule import tools\nlen(tools.large())"
    outcome = run_sync(code=code, tools=[large], limits={"result_bytes": "1MB"})
    assert "larger than" in outcome.error["message"]


def test_a_result_can_t_pose_as_an_error_or_an_outcome():
    pose = {"success": False, "error": {"error_type": "timeout", "message": "x"}, "result": 1}

    def public() -> dict[str, object]:
        return pose

    outcome = run_sync(code="from capsule import tools\ntools.public()", tools=[public])
    assert outcome.unwrap() == pose


@pytest.mark.parametrize(
    "error", [ValueError("/etc/path"), SystemExit(3), KeyboardInterrupt(), RecursionError()]
)
def test_an_exception_of_a_tool_tells_nothing_and_ends_nothing(error):
    def public() -> None:
        raise error

    outcome = run_sync(
        code="from capsule import tools\ntry:\n    tools.public()\nexcept Exception as e:\n    r = str(e)\nr",
        tools=[public],
    )
    assert outcome.unwrap() == "the tool 'public' failed"


def test_no_tool_is_called_while_a_program_is_loaded(project):
    reached = []

    def public() -> None:
        reached.append(1)

    path = project.write(
        "main.py",
        "from capsule import task, tools\n"
        "try:\n    tools.public()\nexcept Exception as e:\n    said = type(e).__name__\n"
        '@task(tools=["public"])\ndef main():\n    return said\n',
    )
    assert run_sync(path, tools=[public]).unwrap() == "RuntimeError"
    assert reached == []


def test_deny_all_takes_tools_away(project, cli):
    project.write("main.py", 'from capsule import task\n@task(tools=["public"])\ndef main():\n    return 1\n')
    found = json.loads(cli("explain", "--deny-all", "main.py", "--json").stdout)
    assert found["tasks"][0]["policy"]["tools"]["effective"] == []
