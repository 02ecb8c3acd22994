"""Attacks around MCP servers whose tools a sandbox calls: by the sandbox, and by what servers say."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from mcp.types import CallToolResult, TextContent
from mcp.types import Tool as Offered

from capsule import mcp_server, run_sync
from capsule.errors import UsageError
from capsule.mcp import borrowed
from capsule.tools.shapes import Mismatch
from capsule.tools.tool import ToolError

OURS = [sys.executable, str(Path(__file__).parent.parent / "mcp_server_of_tests.py")]
IMPORT = "from capsule import tools\n"


def test_a_server_gets_the_named_variables_and_no_others(monkeypatch):
    monkeypatch.setenv("A_PASSWORD", "hunter2")
    monkeypatch.setenv("A_TOKEN", "handed over")
    with mcp_server(OURS, only=["environment"], env=["A_TOKEN"]) as server:
        names = run_sync(code=IMPORT + "tools.environment()['names']", tools=server).unwrap()
    assert "A_TOKEN" in names
    assert "A_PASSWORD" not in names
    assert not [name for name in names if name.startswith(("CAPSULE", "PYTEST", "UV"))]


def test_arguments_that_the_schema_refuses_never_reach_the_server():
    code = (
        IMPORT
        + """
refused = 0
for arguments in ({}, {"a": "1"}, {"a": None}, {"a": 1, "c": 1}, {"a": 1, "__class__": 1}, {"a": 1.5}):
    try:
        tools.add(**arguments)
    except TypeError:
        refused += 1
[refused, tools.calls()["calls"]]
"""
    )
    with mcp_server(OURS, only=["add", "calls"]) as server:
        assert run_sync(code=code, tools=server).unwrap() == [6, []]


def offered(schema, **more):
    return Offered(name="f", input_schema=schema, **more)


def taken(schema, **arguments):
    tool = borrowed.borrowed(offered(schema), None, lambda name, given: given)
    return tool.bound([], arguments).arguments


def test_a_schema_takes_no_time_that_a_sandbox_chooses_and_fetches_nothing(monkeypatch):
    def fetch(*_args, **_kwargs):
        raise AssertionError("something was fetched")

    monkeypatch.setattr("urllib.request.urlopen", fetch)
    slow = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}},
        "required": ["x"],
    }
    begin = time.monotonic()
    assert taken(slow, x="a" * 60 + "!") == {"x": "a" * 60 + "!"}
    assert time.monotonic() - begin < 5
    for reference in ("https://evil.example/schema", "file:///etc/passwd", "#/nowhere", "#/properties/x"):
        schema = {"type": "object", "properties": {"x": {"$ref": reference}}, "required": ["x"]}
        with pytest.raises(Mismatch, match="can't be checked"):
            taken(schema, x=1)
    nested = {}
    for _ in range(3000):
        nested = {"not": nested}
    for wrong in (
        {"type": "object", "properties": []},
        {"type": "object", "required": "x"},
        {"type": "object", "properties": {"x": nested}},
        {"type": "object", "description": "x" * borrowed.LARGEST_SCHEMA},
    ):
        with pytest.raises(UsageError, match="schema"):
            taken(wrong)


@pytest.mark.parametrize("name", ["__class__", "_hidden", "3d", "", "x" * 5000, "class.__globals__\0"])
def test_a_server_s_name_of_a_tool_becomes_a_public_one_or_none(name):
    try:
        tool = borrowed.borrowed(Offered(name=name, input_schema={"type": "object"}), None, lambda *_: None)
    except UsageError:
        return
    assert tool.name.isidentifier()
    assert not tool.name.startswith("_")


def test_names_of_parameters_that_python_has_words_for_are_only_names():
    names = ("self", "class", "more", "a-b", "__class__", "lambda", "é")
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}}
    tool = borrowed.borrowed(offered(schema), None, lambda name, given: given)
    given = dict.fromkeys(names, 1)
    bound = tool.bound([], given)
    assert tool.function(*bound.args, **bound.kwargs) == given
    with pytest.raises(Mismatch):
        tool.bound([], {"class": "text"})


def test_what_a_server_answers_is_data_of_a_bounded_size(monkeypatch):
    monkeypatch.setattr(borrowed, "LARGEST_RESULT", 100)
    for result in (
        CallToolResult(content=[TextContent(type="text", text="x" * 200)]),
        CallToolResult(content=[], structured_content={"x": ["y"] * 50}),
    ):
        with pytest.raises(ToolError, match="may have 100"):
            borrowed.result_of_call(result)
    posing = CallToolResult(content=[], structured_content={"success": False, "error": {"error_type": "x"}})
    assert borrowed.result_of_call(posing) == {"success": False, "error": {"error_type": "x"}}
