"""Host tools: functions of the caller's that sandboxes call by name."""

from __future__ import annotations

import asyncio
import enum
import json
import threading
import time
from dataclasses import dataclass

import pytest

from capsule import CapsuleError, Session, SyncSession, ToolError, run, run_sync, stubs

IMPORT = "from capsule import tools\n"


class Unit(enum.Enum):
    CELSIUS = "C"
    FAHRENHEIT = "F"


@dataclass
class Place:
    name: str
    height: float = 0.0


def search(query: str, limit: int = 3) -> list[str]:
    """Finds pages.

    The best one comes first.
    """
    return [f"{query} {number}" for number in range(limit)]


def weather(place: Place, unit: Unit = Unit.CELSIUS) -> dict[str, object]:
    assert isinstance(place, Place)
    assert isinstance(unit, Unit)
    return {"place": place, "unit": unit}


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return threading.current_thread().name


def broken(kind: str) -> None:
    if kind == "told":
        raise ToolError("the index is being built")
    raise ValueError("a password: hunter2")


PROGRAM = """
from capsule import task, tools

@task(name="helper", tools=["search"])
def helper(query):
    return tools.search(query, limit=1)

@task(name="main", tools=["weather"])
def main():
    allowed = tools.weather({"name": "Bern"})
    try:
        denied = tools.search("x")
    except PermissionError as error:
        denied = str(error)
    return [allowed, denied, helper("y").unwrap()]
"""


def test_a_task_calls_the_tools_that_it_declares_and_no_others(project):
    path = project.write("main.py", PROGRAM)
    outcome = run_sync(path, tools=[search, weather])
    allowed, denied, helped = outcome.unwrap()
    assert allowed == {"place": {"name": "Bern", "height": 0.0}, "unit": "C"}
    assert helped == ["y 0"]
    assert "the tool 'search' is not among the tools of task main (main.py:7)" in denied
    assert "declare tools=['search']" in denied


def test_a_tool_that_nobody_handed_over_is_an_error_in_the_task(project):
    path = project.write("main.py", PROGRAM)
    outcome = run_sync(path)
    assert outcome.error["error_type"] == "permission_denied"
    assert "handed over no tool 'weather'" in outcome.error["message"]


def test_a_ceiling_takes_tools_away(project):
    path = project.write("main.py", PROGRAM)
    outcome = run_sync(path, tools=[search, weather], limits={"tools": ["search"]})
    assert "'weather' is not among the tools" in outcome.error["message"]
    project.write("capsule.toml", '[limits]\ntools = ["search"]\n')
    assert "'weather' is not among the tools" in run_sync(path, tools=[search, weather]).error["message"]


def test_explain_names_the_tools_of_a_task(project, cli):
    project.write("main.py", PROGRAM)
    found = json.loads(cli("explain", "main.py", "--json").stdout)
    tools = {task["name"]: task["policy"]["tools"]["effective"] for task in found["tasks"]}
    assert tools == {"helper": ["search"], "main": ["weather"]}


def test_code_without_a_file_may_call_what_the_call_hands_over():
    outcome = run_sync(code=IMPORT + "tools.search('x', limit=2)", tools=[search])
    assert outcome.unwrap() == ["x 0", "x 1"]
    outcome = run_sync(code=IMPORT + "tools.search('x')")
    assert outcome.error["error_type"] == "permission_denied"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("search(3)", "search(): query: 3 is not of type string"),
        ("search('x', limit='2')", "search(): limit: '2' is not of type integer"),
        ("search()", "search(): missing a required argument: 'query'"),
        ("search('x', page=2)", "search(): got an unexpected keyword argument 'page'"),
        (
            "weather({'name': 'Bern', 'height': 'tall'})",
            "weather(): place.height: 'tall' is not of type number",
        ),
        ("weather({'name': 'Bern'}, unit='K')", "weather(): unit: 'K' is none of"),
    ],
)
def test_wrong_arguments_are_an_error_at_the_user_s_line(call, words):
    called = []

    def watched(query: str, limit: int = 3) -> list[str]:
        called.append(query)
        return []

    watched.__name__ = "search"
    outcome = run_sync(code=f"{IMPORT}x = 1\ntools.{call}", tools=[watched, weather])
    assert f"TypeError: {words}" in outcome.error["message"]
    assert 'File "<code>", line 3' in outcome.error["traceback"]
    assert called == []


def test_only_a_tool_error_tells_the_sandbox_what_it_says(project, cli):
    outcome = run_sync(code=IMPORT + "tools.broken('told')", tools=[broken])
    assert outcome.error["message"] == "ToolError: the index is being built"
    project.write("capsule.toml", "")
    outcome = run_sync(code=IMPORT + "tools.broken('other')", tools=[broken], cwd=project.root)
    assert outcome.error["message"] == "ToolError: the tool 'broken' failed"
    assert "hunter2" not in str(outcome)
    [recorded] = json.loads(cli("trace", "--json").stdout)["runs"]
    record = cli("trace", recorded["id"], "--json").stdout
    assert "hunter2" in record
    assert "tools.broken" in record


def test_a_guest_can_handle_the_error_of_a_tool():
    code = (
        IMPORT
        + "from capsule import ToolError\n"
        + "try:\n    tools.broken('told')\nexcept ToolError as e:\n    r = str(e)\nr"
    )
    assert run_sync(code=code, tools=[broken]).unwrap() == "the index is being built"


def test_coroutines_are_awaited_side_by_side_on_the_caller_s_loop():
    code = IMPORT + "import asyncio\nawait asyncio.gather(*(tools.slow(0.4) for _ in range(8)))"

    async def use():
        started = time.monotonic()
        outcome = await run(code=code, tools=[slow], timeout="20s")
        return outcome.unwrap(), time.monotonic() - started

    threads, seconds = asyncio.run(use())
    assert set(threads) == {threading.main_thread().name}
    assert seconds < 8 * 0.4


def test_functions_are_started_side_by_side_too():
    def wait(seconds: float) -> int:
        time.sleep(seconds)
        return 1

    code = IMPORT + "calls = [tools.wait.start(0.4) for _ in range(8)]\nsum(call.result() for call in calls)"
    started = time.monotonic()
    assert run_sync(code=code, tools=[wait], timeout="20s").unwrap() == 8
    assert time.monotonic() - started < 8 * 0.4


def test_coroutines_work_without_a_loop_of_the_caller_s():
    assert run_sync(code=IMPORT + "bool(await tools.slow(0))", tools=[slow]).unwrap() is True


def test_help_and_dir_tell_what_there_is():
    code = IMPORT + "[dir(tools), tools.search.__doc__, tools.search.schema, tools.missing.__doc__]"
    names, text, schema, missing = run_sync(code=code, tools=[search, slow]).unwrap()
    assert names == ["search", "slow"]
    assert text.startswith("search(query: str, limit: int = 3) -> list[str]\n\nFinds pages.")
    assert schema["required"] == ["query"]
    assert schema["properties"]["limit"] == {"type": "integer"}
    assert "no such tool" in missing
    shown = []
    run_sync(code=IMPORT + "help(tools.search)", tools=[search], on_output=lambda _, text: shown.append(text))
    assert "The best one comes first." in "".join(shown)


def test_approve_sees_each_call_and_decides():
    asked = []

    def approve(call):
        asked.append((call.tool, call.arguments))
        match call.arguments["query"]:
            case "change":
                return {"query": "changed", "limit": 1}
            case "no":
                return False
            case "why":
                return "not on a Sunday"
        return True

    code = """
found = []
for query in ("yes", "change", "no", "why"):
    try:
        found.append(tools.search(query, limit=1))
    except PermissionError as error:
        found.append(str(error))
found
"""
    outcome = run_sync(code=IMPORT + code, tools=[search], approve=approve)
    refused = ["search(): the call was not approved", "search(): not on a Sunday"]
    assert outcome.unwrap() == [["yes 0"], ["changed 0"], *refused]
    assert asked[0] == ("search", {"query": "yes", "limit": 1})

    async def later(call):
        await asyncio.sleep(0.01)
        return call.arguments["query"] != "no"

    assert run_sync(code=IMPORT + "tools.search('x', limit=1)", tools=[search], approve=later).unwrap() == [
        "x 0"
    ]
    outcome = run_sync(code=IMPORT + "tools.search('no')", tools=[search], approve=later)
    assert outcome.error["error_type"] == "permission_denied"


def test_what_approve_changes_may_be_what_it_was_shown():
    def approve(call):
        return {**call.arguments, "unit": Unit.FAHRENHEIT}

    code = IMPORT + "tools.weather({'name': 'Bern'})"
    outcome = run_sync(code=code, tools=[weather], approve=approve)
    assert outcome.unwrap() == {"place": {"name": "Bern", "height": 0.0}, "unit": "F"}


def test_sessions_and_their_forks_have_tools():
    async def use():
        async with Session(tools=[search, slow]) as session:
            await session.run(IMPORT)
            first = (await session.run("tools.search('a', limit=1)")).unwrap()
            await session.run("await tools.slow(0)")
            fork = await session.fork()
            second = (await fork.run("tools.search('b', limit=1)")).unwrap()
            await fork.close()
            return first, second

    assert asyncio.run(use()) == (["a 0"], ["b 0"])


def test_the_deadline_holds_while_a_tool_is_called():
    stop = threading.Event()

    def hang() -> None:
        stop.wait(30)

    started = time.monotonic()
    outcome = run_sync(code=IMPORT + "tools.hang()", tools=[hang], timeout="500ms")
    stop.set()
    assert outcome.error["error_type"] == "timeout"
    assert time.monotonic() - started < 10


def test_a_call_that_nobody_waits_for_any_more_is_cancelled():
    ended = []

    async def hang() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def use():
        outcome = await run(code=IMPORT + "await tools.hang()", tools=[hang], timeout="500ms")
        await asyncio.sleep(0.2)
        return outcome.error["error_type"]

    assert asyncio.run(use()) == "timeout"
    assert ended == ["cancelled"]


def test_typescript_calls_tools(project):
    path = project.write(
        "main.ts",
        """
import { task, tools, ToolError } from "@capsule-run/sdk";
export const main = task({ name: "main", tools: ["search", "broken"] }, async () => {
  const both = await Promise.all([tools.search({ query: "x", limit: 1 }), tools.search("y", 1)]);
  const failures = [];
  const calls = [() => tools.search({ query: 3 }), () => tools.broken("told"), () => tools.weather({})];
  for (const call of calls) {
    await call().catch((error) => failures.push(`${error instanceof ToolError} ${error}`));
  }
  return [both, failures];
});
""",
    )
    both, failures = run_sync(path, tools=[search, broken, weather]).unwrap()
    assert both == [["x 0"], ["y 0"]]
    assert failures[:2] == [
        "false TypeError: search(): query: 3 is not of type string",
        "true ToolError: the index is being built",
    ]
    assert "the tool 'weather' is not among the tools of task main (main.ts:2)" in failures[2]


def test_stubs_are_what_a_model_needs_to_know():
    text = stubs([search, weather, slow])
    assert text.startswith("from capsule import tools\n")
    assert "def tools.search(query: str, limit: int = 3) -> list[str]:\n" in text
    assert "async def tools.slow(seconds: float) -> str: ..." in text
    typescript = stubs([search, weather], "typescript")
    assert "tools.search: (args: { query: string; limit?: number }) => Promise<string[]>" in typescript
    assert 'unit?: "C" | "F"' in typescript
    assert "place: { name: string; height?: number }" in typescript


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        ("search", "a list of functions"),
        ([3], "tools are functions"),
        ([lambda x: x], "not a public name"),
        ([search, search], "two tools are named 'search'"),
    ],
)
def test_what_can_t_be_a_tool_is_said_at_once(tools, words):
    with pytest.raises(CapsuleError, match=words):
        run_sync(code="1", tools=tools)
    with pytest.raises(CapsuleError, match=words):
        SyncSession(tools=tools)


def test_outside_of_a_sandbox_there_are_none():
    from capsule import tools

    with pytest.raises(AttributeError, match="outside of a sandbox"):
        tools.search("x")
