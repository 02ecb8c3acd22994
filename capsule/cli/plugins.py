"""``capsule plugins``: the frontends that are installed, and the ones that are broken."""

from __future__ import annotations

import json

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line
from capsule.frontend.installing import RECOMMENDED, install_line


def list_plugins(*, as_json: bool) -> int:
    """Lists plugins with their versions, suffixes and state."""
    from capsule.frontend.manager import plugins

    rows = [
        {
            "plugin": plugin.name,
            "distribution": plugin.distribution,
            "version": plugin.version,
            "contract": plugin.contract,
            "frontends": [
                {"name": frontend.name, "version": frontend.version, "suffixes": list(frontend.suffixes)}
                for frontend in plugin.frontends
            ],
            "state": "ok" if plugin.problem is None else "broken",
            "problem": plugin.problem,
            "hint": plugin.hint,
        }
        for plugin in plugins().all
    ]
    if as_json:
        print(json.dumps(rows))
        return EXIT_OK
    if not rows:
        write_line("no frontends are installed")
        write_line(f"hint: {install_line(*RECOMMENDED)}")
    for plugin in plugins().all:
        state = "ok" if plugin.problem is None else f"broken: {plugin.problem}"
        write_line(f"{plugin.name} ({plugin.distribution} {plugin.version}): {state}")
        if plugin.hint is not None:
            write_line(f"  hint: {plugin.hint}")
        for frontend in plugin.frontends:
            write_line(f"  {frontend.name} {frontend.version}: {' '.join(frontend.suffixes)}")
    return EXIT_OK
