"""``capsule mcp``: a server of tools that run code, for agents that speak the Model Context Protocol."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from capsule.cli.common.code import named_values
from capsule.cli.common.exits import EXIT_OK
from capsule.errors import UsageError
from capsule.policy.limits import Limits
from capsule.telemetry.switch import is_on

TOKEN_VARIABLE = "CAPSULE_MCP_TOKEN"  # noqa: S105 - a name


def serve_mcp(
    *,
    options: tuple[str, ...],
    limits: tuple[str, ...],
    root: Path | None,
    tools: tuple[str, ...],
    packages: bool,
    http: str | None,
) -> int:
    """Serves over stdio, or with ``http`` (``[HOST:]PORT``) over HTTP. Raises `UsageError`."""
    try:
        from capsule.mcp.server import make_server
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise UsageError(
            "the package mcp is not installed",
            hint='pip install "mcp>=2.3,<3", into the environment of capsule',
        ) from None
    from capsule.frontend.manager import plugins
    from capsule.launch.code import Code, languages
    from capsule.mcp.settings import McpSettings

    Limits.parse_arguments(limits)  # what is wrong with them is said at once
    ceilings, may_use = named_values("--limit", limits), named_values("--option", options)
    known = languages(plugins())
    Code("", "python", (), may_use).ceilings()
    if root is not None and not root.is_dir():
        raise UsageError(f"--root {root} is not a folder")
    settings = McpSettings(
        cwd=Path.cwd(),
        options=may_use,
        limits=ceilings,
        root=None if root is None else root.resolve(),
        names=tools,
        packages=packages,
    )
    if is_on():
        from capsule.telemetry.providers import make_global

        make_global()
    server = make_server(settings, known)
    if http is None:
        server.run("stdio")
        return EXIT_OK
    from capsule.mcp.http import serve

    host, port = _address(http)
    token = os.environ.get(TOKEN_VARIABLE) or secrets.token_urlsafe(32)
    if TOKEN_VARIABLE not in os.environ:
        sys.stderr.write(f"token: {token}\n")
    sys.stderr.write(f"serving on http://{host}:{port}/mcp\n")
    serve(server, host, port, token)
    return EXIT_OK


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise UsageError(f"--http {text!r:.60} is no address", hint="--http 8765, or --http 127.0.0.1:8765")
    return host or "127.0.0.1", int(port)
