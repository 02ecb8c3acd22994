"""``capsule resident status|stop``, and what a resident host runs."""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from capsule.cli.common.exits import EXIT_OK, EXIT_USAGE, before_the_end
from capsule.cli.common.render import write_line

if TYPE_CHECKING:
    from collections.abc import Callable

NOT_FOR_COMMANDS = (
    "capsule.testing",
    "capsule.templates",
    "capsule.build.remote",
    "capsule.build.compiling.child",
    "capsule.mcp",
)
"""What is imported when it is needed: other packages come with it, or the import is an act."""


def serve(folder: str, key: str, began: int, main: Callable[[], NoReturn]) -> NoReturn:
    """Loads what commands need, and serves them. ``began`` is when this process did, in ns of the clock."""
    from capsule.resident.freshness import Freshness

    freshness = Freshness(began, ("capsule", "capsule_cache"))
    import capsule
    from capsule.frontend.manager import ENTRY_POINT_GROUP, plugins
    from capsule.workers import zygote

    for module in pkgutil.walk_packages(capsule.__path__, "capsule."):
        if not module.name.startswith(NOT_FOR_COMMANDS) and not module.name.endswith("_test"):
            with suppress(ImportError):
                importlib.import_module(module.name)
    from importlib.metadata import entry_points

    for point in entry_points(group=ENTRY_POINT_GROUP):
        freshness.packages.add(point.value.partition(":")[0].partition(".")[0])
    if plugins().broken:  # said by the commands that look at plugins, and by no others
        plugins.cache_clear()
    zygote.warm_up()
    freshness.note()

    from capsule.resident.command import CommandLine
    from capsule.resident.host import serve as keep

    keep(folder, key, freshness, CommandLine(main, before_the_end))


def status(*, as_json: bool) -> int:
    """Lists the resident hosts."""
    from capsule.resident import control

    found = list(control.running())
    if as_json:
        rows = [
            {
                "pid": host.pid,
                "socket": str(host.path),
                "seconds": round(host.seconds),
                "commands": host.commands,
                "memory": host.memory,
            }
            for host in found
        ]
        sys.stdout.write(json.dumps({"resident": rows}) + "\n")
        return EXIT_OK
    for host in found:
        did = f"{host.commands} command{'' if host.commands == 1 else 's'}"
        write_line(
            f"process {host.pid}, for {_time(host.seconds)}, {did}, {host.memory >> 20} MB, {host.path}"
        )
    if not found:
        write_line("no resident host is running")
    return EXIT_OK


def stop() -> int:
    """Ends the resident hosts, each when the commands that it does are done."""
    from capsule.resident import control

    code = EXIT_OK
    for host in control.running():
        if control.stop(host):
            write_line(f"process {host.pid} takes no more commands")
        else:
            sys.stderr.write(f"error: process {host.pid} does not stop\nhint: kill {host.pid}\n")
            code = EXIT_USAGE
    return code


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
