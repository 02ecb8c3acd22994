"""Runs npm so that it installs a lock file of ours, runs no script, and sees neither a project nor secrets.

It runs confined, in a folder of ours, with the operator's own registry, proxies and certificates: those of
``~/.npmrc`` (or what ``NPM_CONFIG_USERCONFIG`` names) and of the variables ``npm_config_...``. A token in
them is for the registry that it names.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from capsule.frontend.confined import Confinement, private_environment
from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, read_input
from capsule.frontend.process import Finished, ToolLimits, run_tool
from capsule_js.node import Node, node_programs

TIMEOUT: Final = 900.0
LIMITS: Final = ToolLimits(memory=2 << 30, file=512 << 20)
ROOM: Final = 2 << 30

_KEPT: Final = re.compile(
    r"(?:@[\w.-]+:)?registry|cafile|ca(?:\[\])?|proxy|https[-_]proxy|no[-_]?proxy|strict[-_]ssl|maxsockets"
    r"|fetch[-_](?:retries|timeout|retry[-_](?:factor|mintimeout|maxtimeout))"
    r"|//[^\s=]+:(?:_authToken|_auth|username|_password|certfile|keyfile)",
    re.IGNORECASE,
)
_LINE: Final = re.compile(r"\s*([^\s=;#]+)\s*=(.*)")
_VARIABLE: Final = re.compile(r"\$\{(\w+)\??\}")
_FILE: Final = re.compile(r"(?:cafile|.*:certfile|.*:keyfile)", re.IGNORECASE)


def install(node: Node, npm: Path, folder: Path) -> Finished:
    """Installs the ``package-lock.json`` in ``folder`` there. Raises `OSError` and `TimeoutError`."""
    command = [str(node.program), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    command += ["--no-progress", "--no-update-notifier", "--omit=dev", "--loglevel=error"]
    with tempfile.TemporaryDirectory(prefix="capsule-npm-") as name:
        home = Path(name)
        environment = private_environment(home, network=True)
        settings = _settings()
        (home / ".npmrc").write_text("".join(f"{key}={value}\n" for key, value in settings.items()), "utf-8")
        named = {name for value in settings.values() for name in _VARIABLE.findall(value)}
        variables = {name: os.environ[name] for name in named if name in os.environ}
        reads = [Path(value.strip()) for key, value in settings.items() if _FILE.fullmatch(key)]
        return run_tool(
            command,
            cwd=folder,
            environment={
                **environment,
                **variables,
                "npm_config_userconfig": str(home / ".npmrc"),
                "npm_config_cache": str(home / "cache"),
            },
            timeout=TIMEOUT,
            limits=LIMITS,
            confinement=Confinement(
                reads=(npm.parent.parent, *reads),
                writes=(folder, home),
                programs=node_programs(node.program),
                network=True,
                room=ROOM,
            ),
        )


def _settings() -> Mapping[str, str]:
    """What of the operator's settings is for reaching a registry; variables win over the file."""
    variables = {name.lower(): value for name, value in os.environ.items()}
    file = Path(variables.get("npm_config_userconfig") or Path(os.environ.get("HOME") or "/") / ".npmrc")
    found: dict[str, str] = {}
    try:
        text = read_input(file, most=LARGEST_SETTINGS).decode()
    except (InputError, ValueError):
        text = ""
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None and _KEPT.fullmatch(match[1]):
            found[match[1]] = match[2].strip().strip("\"'")
    for name, value in os.environ.items():
        key = name[len("npm_config_") :]
        if name.lower().startswith("npm_config_") and _KEPT.fullmatch(key) and "\n" not in value:
            found[key if key.startswith("//") else key.lower().replace("_", "-")] = value
    return found
