"""Servers of ``capsule mcp``, and the official client's connections to them."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import time

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

TOKEN = "a-token-of-the-test"


def environment(user_cache):
    return {**os.environ, "CAPSULE_CACHE_DIR": str(user_cache), "CAPSULE_MCP_TOKEN": TOKEN}


@pytest.fixture(name="stdio")
def stdio_servers(project, user_cache, command):
    """Connects over stdio."""

    def connect(*arguments):
        started = StdioServerParameters(
            command=command,
            args=["mcp", *arguments],
            env=environment(user_cache),
            cwd=project.root,
        )
        return Client(started, read_timeout_seconds=120)

    return connect


@pytest.fixture(name="http")
def http_servers(project, user_cache, command):
    """Starts a server over HTTP, and gives its address."""
    started = []

    def start(*arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [command, "mcp", "--http", str(port), *arguments],
            cwd=project.root,
            env=environment(user_cache),
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        line = process.stderr.readline()
        address = re.search(r"http://\S+", line)
        assert address, line
        end = time.monotonic() + 30
        while time.monotonic() < end:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(address[0])
                break
            time.sleep(0.05)
        return address[0]

    yield start
    for process in started:
        process.terminate()
        process.wait(20)
        process.stderr.close()


def over_http(address, token=TOKEN):
    client = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120)
    return Client(streamable_http_client(address, http_client=client), read_timeout_seconds=120)


def text_of(result):
    return "\n".join(block.text for block in result.content if block.type == "text")
