"""``capsule mcp``, spoken to by the official client over both transports."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time

import pytest
from mcp_clients import http_servers, over_http, stdio_servers, text_of  # noqa: F401 - fixtures


async def work_in_a_session(client):
    opened = (await client.call_tool("session_open", {})).structured_content
    session = opened["session"]
    await client.call_tool("session_write_file", {"session": session, "name": "d.csv", "content": "1,2"})
    first = await client.call_tool(
        "session_run",
        {"session": session, "code": "x = open('d.csv').read()\nprint('read')\nopen('o', 'w').close()"},
    )
    fork = (await client.call_tool("session_fork", {"session": session})).structured_content["session"]
    await client.call_tool("session_run", {"session": session, "code": "x = 'changed'"})
    value = await client.call_tool("session_run", {"session": fork, "code": "x"})
    files = (await client.call_tool("session_list_files", {"session": fork})).structured_content["files"]
    read = (
        await client.call_tool("session_read_file", {"session": fork, "name": "d.csv"})
    ).structured_content
    await client.call_tool("session_close", {"session": session})
    gone = await client.call_tool("session_run", {"session": session, "code": "1"})
    return first, value, files, read, gone


def check_the_session(first, value, files, read, gone):
    assert first.structured_content["output"] == "read\n"
    assert first.structured_content["files"]["created"] == ["o"]
    assert value.structured_content["result"] == "1,2"
    assert files == ["d.csv", "o"]
    assert read["text"] == "1,2"
    assert gone.is_error
    assert "session_open" in text_of(gone)


def test_code_and_sessions_over_stdio(stdio):
    async def use():
        async with stdio() as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            result = await client.call_tool("run_python", {"code": "print('hello')\n6 * 7"})
            failed = await client.call_tool("run_python", {"code": "x = 1\n1 / 0"})
            return names, result, failed, await work_in_a_session(client)

    names, result, failed, session = asyncio.run(use())
    assert names[0] == "run_python"
    assert "session_open" in names
    assert "run_file" not in names
    assert text_of(result) == "hello\n\n42"
    assert result.structured_content == {"success": True, "result": 42, "error": None, "output": "hello\n"}
    assert failed.is_error
    assert "ZeroDivisionError" in text_of(failed)
    assert 'File "<code>", line 2' in text_of(failed)
    check_the_session(*session)


def test_code_and_sessions_over_http_by_several_clients_at_once(http):
    address = http()

    async def use():
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(over_http(address)) for _ in range(3)]
            results = await asyncio.gather(
                *(client.call_tool("run_python", {"code": str(n)}) for n, client in enumerate(clients))
            )
            return [each.structured_content["result"] for each in results], await work_in_a_session(
                clients[0]
            )

    results, session = asyncio.run(use())
    assert results == [0, 1, 2]
    check_the_session(*session)


def test_pictures_are_pictures(stdio):
    png = base64.b64encode(b"\x89PNG...").decode()
    code = f"import base64\nclass P:\n    def _repr_png_(self): return base64.b64decode('{png}')\nP()"

    async def use():
        async with stdio() as client:
            session = (await client.call_tool("session_open", {})).structured_content["session"]
            return await client.call_tool("session_run", {"session": session, "code": code})

    [image] = [block for block in asyncio.run(use()).content if block.type == "image"]
    assert (image.data, image.mime_type) == (png, "image/png")


def test_the_operator_s_flags_are_the_policy(stdio, project):
    project.write("data/in.txt", "granted")
    read = "open('data/in.txt').read()"

    async def use(*arguments):
        async with stdio(*arguments) as client:
            return await client.call_tool("run_python", {"code": read})

    assert asyncio.run(use()).is_error
    assert asyncio.run(use("--option", "allowed_files=data")).structured_content["result"] == "granted"
    denied = asyncio.run(use("--option", "allowed_files=data", "--limit", "allowed_files="))
    assert denied.is_error


def test_files_of_the_root_can_be_run_and_no_others(stdio, project):
    project.write("jobs/main.py", "def main(n): return n + 1")
    project.write("secret.py", "def main(): return 'secret'")
    (project.root / "jobs/link.py").symlink_to(project.root / "secret.py")

    async def use():
        async with stdio("--root", "jobs") as client:
            good = await client.call_tool("run_file", {"path": "main.py", "args": [41]})
            names = ("../secret.py", str(project.root / "secret.py"), "link.py", "nothing.py", "")
            return good, [await client.call_tool("run_file", {"path": name}) for name in names]

    good, bad = asyncio.run(use())
    assert good.structured_content["result"] == 42
    for each in bad:
        assert each.is_error
        assert each.structured_content is None


def test_tools_can_be_narrowed(stdio, cli):
    async def use():
        async with stdio("--tool", "run_python") as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    assert asyncio.run(use()) == ["run_python"]
    done = cli("mcp", "--tool", "nothing")
    assert done.status == 2
    assert "there is no tool 'nothing'" in done.stderr


def test_progress_and_cancellation(stdio, project):
    heard = []

    async def use():
        async with stdio("--option", "timeout=50s") as client:

            async def told(progress, total, message):
                heard.append(message)

            started = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(3):
                    await client.call_tool(
                        "run_python", {"code": "import time\ntime.sleep(40)"}, progress_callback=told
                    )
            await client.call_tool("run_python", {"code": "1"})
            return time.monotonic() - started

    assert asyncio.run(use()) < 30
    assert heard
    assert "running for" in heard[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--option", "colour=1"], "colour"),
        (["--limit", "ram=much"], "ram"),
        (["--http", "nowhere"], "no address"),
        (["--root", "nowhere"], "not a folder"),
    ],
)
def test_what_is_wrong_with_the_flags_is_said(cli, said, arguments, words):
    said(cli("mcp", *arguments), words, status=2)


def test_a_record_is_kept(stdio, project, cli):
    project.write("capsule.toml", "")

    async def use():
        async with stdio() as client:
            await client.call_tool("run_python", {"code": "1"})

    asyncio.run(use())
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert run["task"] == "main"
