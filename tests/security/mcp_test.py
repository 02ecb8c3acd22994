"""Attacks on ``capsule mcp``: by models, by pages in a browser, by other clients, by other users."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from mcp_clients import TOKEN, http_servers, over_http, stdio_servers, text_of  # noqa: F401 - fixtures

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "run_python", "arguments": {"code": "1"}},
}
ACCEPT = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}


@pytest.mark.parametrize(
    "token", [None, "", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"bearer {TOKEN}x"]
)
def test_a_request_without_the_token(http, token):
    address = http()
    headers = ACCEPT if token is None else {**ACCEPT, "Authorization": token}
    assert httpx.post(address, json=CALL, headers=headers).status_code == 401
    assert httpx.get(address, headers=headers).status_code == 401


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Host": "evil.example"}, {"Origin": "null"}]
)
def test_a_page_of_a_browser_that_even_has_the_token(http, headers):
    address = http()
    given = {**ACCEPT, "Authorization": f"Bearer {TOKEN}", **headers}
    assert httpx.post(address, json=CALL, headers=given).status_code in (403, 421)


def test_text_of_a_model_widens_no_policy(stdio, project):
    project.write("data/in.txt", "secret")
    widened = {
        "code": "open('data/in.txt').read()",
        "allowed_files": ["data"],
        "options": {"allowed_files": ["data"]},
        "limits": {},
        "timeout": "1h",
    }
    program = (
        "from capsule import task\n@task(allowed_files=['data'], allowed_hosts=['*'])\n"
        "def main():\n    return open('data/in.txt').read()\n"
    )

    async def use():
        async with stdio() as client:
            return [
                await client.call_tool("run_python", widened),
                await client.call_tool("run_python", {"code": program}),
                await client.call_tool("run_python", {"code": "1", "packages": ["idna"]}),
            ]

    for result in asyncio.run(use()):
        assert result.is_error
        assert "secret" not in text_of(result)


def test_a_session_of_another_client_can_t_be_named(http):
    address = http()

    async def use():
        async with over_http(address) as mine, over_http(address) as theirs:
            session = (await mine.call_tool("session_open", {})).structured_content["session"]
            assert len(session) >= 32
            guesses = (session[:-1], session.lower(), "", "1", "*", "../" + session)
            return [await theirs.call_tool("session_run", {"session": each, "code": "1"}) for each in guesses]

    assert all(result.is_error for result in asyncio.run(use()))
