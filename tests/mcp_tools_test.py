"""The tools of other MCP servers as host tools: a server from the registry, and one of our own."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest
from mcp_clients import http_servers  # noqa: F401 - a fixture

from capsule import CapsuleError, SyncSession, mcp_server, run_sync, stubs
from capsule.cli.common.mcp_servers import started
from capsule.errors import UsageError

HERE = Path(__file__).parent
TIME = [sys.executable, "-m", "mcp_server_time", "--local-timezone", "UTC"]
OURS = [sys.executable, str(HERE / "mcp_server_of_tests.py")]
IMPORT = "from capsule import tools\n"


@pytest.fixture(scope="module")
def ours():
    with mcp_server(OURS, timeout="20s") as server:
        yield server


def test_a_server_of_the_registry_gives_a_sandbox_its_tools():
    with mcp_server(TIME, name="time") as server:
        code = IMPORT + "[dir(tools), tools.time_convert_time('UTC', '12:30', target_timezone='Asia/Tokyo')]"
        names, converted = run_sync(code=code, tools=server).unwrap()
        wrong = run_sync(code=IMPORT + "tools.time_get_current_time('Nowhere/X')", tools=server)
        text = stubs(server)
    assert names == ["time_convert_time", "time_get_current_time"]
    assert converted["target"]["datetime"].endswith("T21:30:00+09:00")
    assert wrong.error["message"].startswith("ToolError: ")
    assert "Nowhere/X" in wrong.error["message"]
    assert "def tools.time_get_current_time(timezone: str) -> dict[str, Any]:" in text
    assert "IANA" in text
    closed = run_sync(code=IMPORT + "tools.time_get_current_time('UTC')", tools=server)
    assert "has been closed" in closed.error["message"]


def test_what_the_tools_of_a_server_give(ours):
    code = IMPORT + (
        "[tools.add(2), tools.add(a=2, b=3), tools.say_it(['a', 'b']), tools.paint(colour='red'),\n"
        " [call.result() for call in [tools.add.start(n) for n in range(3)]]]"
    )
    one, five, words, painted, several = run_sync(code=code, tools=ours).unwrap()
    assert (one, five, words) == ({"sum": 3}, {"sum": 5}, "a b")
    assert painted == [
        {"type": "text", "text": "red"},
        {"type": "image", "data": "aGk=", "mimeType": "image/png"},
    ]
    assert several == [{"sum": 1}, {"sum": 2}, {"sum": 3}]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("add('2')", "TypeError: add().a: '2' is not of type 'integer'"),
        ("add()", "TypeError: add(): missing a required argument: 'a'"),
        ("add(1, c=2)", "TypeError: add(): got an unexpected keyword argument 'c'"),
        ("paint('blue')", "TypeError: paint().colour: 'blue' is not one of ['red', 'green']"),
        ("say_it([1])", "TypeError: say_it().words[0]: 1 is not of type 'string'"),
        ("fail('the index is old')", "the index is old"),
    ],
)
def test_wrong_calls_and_failures_are_errors_at_the_user_s_line(ours, call, words):
    outcome = run_sync(code=f"{IMPORT}\ntools.{call}", tools=ours)
    assert words in outcome.error["message"]
    assert 'File "<code>", line 3' in outcome.error["traceback"]


def test_a_call_has_a_time_out_and_a_server_that_ends_is_told():
    with mcp_server(OURS, only=["sleep", "leave"], timeout="500ms") as server:
        assert [tool.name for tool in server] == ["sleep", "leave"]
        outcome = run_sync(code=IMPORT + "tools.sleep(2)", tools=server)
        assert "did not answer within 0.5 s" in outcome.error["message"]
        outcome = run_sync(code=IMPORT + "tools.leave()", tools=server)
        assert "ToolError" in outcome.error["message"]


def test_a_session_uses_them_beside_functions(ours):
    def double(x: int) -> int:
        return 2 * x

    asked = []

    def approve(call):
        asked.append((call.tool, dict(call.arguments)))
        return call.tool != "fail"

    with SyncSession(tools=[*ours, double], approve=approve) as session:
        session.run(IMPORT + "x = tools.add(1)")
        assert session.run("tools.double(x['sum'])").unwrap() == 4
        assert "not approved" in session.run("tools.fail('x')").error["message"]
    assert asked == [("add", {"a": 1}), ("double", {"x": 2}), ("fail", {"why": "x"})]


def test_a_server_that_can_t_be_used_says_why(tmp_path):
    with pytest.raises(UsageError, match="has no tool 'multiply'"):
        mcp_server(OURS, only=["multiply"])
    with pytest.raises(CapsuleError, match=r"does not start: .*No module named nothing_of_that_name"):
        mcp_server([sys.executable, "-m", "nothing_of_that_name"])
    with pytest.raises(CapsuleError, match="does not start: FileNotFoundError"):
        mcp_server(str(tmp_path / "missing"))
    with pytest.raises(CapsuleError, match="does not start"):
        mcp_server("http://127.0.0.1:9/mcp")
    for wrong in ("", "a 'b", []):
        with pytest.raises(UsageError):
            mcp_server(wrong)
    with pytest.raises(UsageError, match="'NO_SUCH_VARIABLE'"):
        mcp_server(OURS, env=["NO_SUCH_VARIABLE"])


def test_a_server_over_http_gives_its_tools(http):
    with mcp_server(http(), headers={"Authorization": "Bearer a-token-of-the-test"}, name="far") as server:
        code = IMPORT + "tools.far_run_python(code='6 * 7')['result']"
        assert run_sync(code=code, tools=server).unwrap() == 42


PROGRAM = """
from capsule import task, tools

@task(name="main", tools=["ours_add"])
def main():
    return tools.ours_add(1)
"""


def test_the_command_line_starts_servers(project, cli):
    given = ["--mcp-server", f"ours={shlex.join(OURS)}"]
    done = cli("run", "-c", IMPORT + "tools.ours_add(1, b=1)", "--json", *given)
    assert json.loads(done.stdout)["result"] == {"sum": 2}, done.stderr
    project.write("main.py", PROGRAM)
    assert json.loads(cli("run", "main.py", "--json", *given).stdout)["result"] == {"sum": 2}
    denied = cli("run", "main.py", "--deny-all", *given)
    assert "'ours_add' is not among the tools" in denied.stderr
    refused = cli("run", "main.py", "--mcp-server", "ours")
    assert (refused.status, refused.stderr[:24]) == (2, "error: --mcp-server 'our"), refused.stderr


@pytest.mark.parametrize(
    ("servers", "variables", "words"),
    [
        (("a-b=x",), (), "it is not NAME=COMMAND"),
        (("a= ",), (), "it is not NAME=COMMAND"),
        (("a=x", "a=y"), (), "there are two of that name"),
        ((), ("PATH",), "none is named"),
    ],
)
def test_options_of_servers_that_can_t_be_meant(servers, variables, words):
    with pytest.raises(UsageError, match=words), started(servers, variables):
        raise AssertionError("it was started")


def test_calls_are_in_the_record_like_those_of_functions(project, cli):
    project.write("main.py", PROGRAM)
    cli("run", "main.py", "--mcp-server", f"ours={shlex.join(OURS)}")
    shown = cli("trace", json.loads(cli("trace", "--json").stdout)["runs"][0]["id"]).stdout
    assert "tools.ours_add" in shown
