"""``capsule doctor``: is everything there, and if not, what to do."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.cli.common.exits import EXIT_OK, EXIT_TASK_FAILED
from capsule.cli.common.render import write_columns
from capsule.errors import CapsuleError
from capsule.frontend.installing import RECOMMENDED, install_line
from capsule.frontend.spec import Check, Frontend

if TYPE_CHECKING:
    from capsule.confinement.worker import Offered


def diagnose(*, as_json: bool) -> int:
    """Runs every check. Returns 1 when something is missing or broken."""
    found = list(_checks())
    if as_json:
        print(
            json.dumps(
                [
                    {"name": check.name, "state": check.state, "detail": check.detail, "hint": check.hint}
                    for check in found
                ]
            )
        )
    else:
        rows: list[tuple[str, str]] = []
        for check in found:
            rows.append((f"{check.state:>8}", f"{check.name}: {check.detail}"))
            if check.hint:
                rows.append(("", f"hint: {check.hint}"))
        write_columns(rows)
    return EXIT_TASK_FAILED if any(check.state in ("missing", "broken") for check in found) else EXIT_OK


def _checks() -> Iterator[Check]:
    from capsule.confinement.worker import offered
    from capsule.frontend.manager import plugins

    here = offered()  # first: it forks, and wasmtime starts threads
    yield Check("python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield _wasmtime()
    yield from _workers(here)
    yield _tools(here)
    yield _resident()
    yield _user_cache()
    yield _project_state()
    for plugin in plugins().all:
        if plugin.problem is not None:
            yield Check(plugin.name, "broken", plugin.problem, plugin.hint)
            continue
        for frontend in plugin.frontends:
            try:
                yield from frontend.doctor()
                yield from _engine(frontend)
            except Exception as error:
                yield Check(frontend.name, "broken", f"its own check failed: {error}")
    yield _stored()
    if not plugins().all:
        yield Check("frontends", "missing", "none is installed", install_line(*RECOMMENDED))


def _engine(frontend: Frontend) -> Iterator[Check]:
    """Whether the frontend's engine is there already, and how large it is."""
    from capsule.build.engines import engine_state
    from capsule.frontend.spec import Source

    here = Path.cwd()
    engine = frontend.engine(Source(here / f"main{frontend.suffixes[0]}", here))
    if engine is None:
        return
    state = engine_state(engine)
    name = f"{frontend.name} engine"
    if state.built is None:
        yield Check(name, "info", "not built yet: the first run does that, once per machine")
    elif state.compiled is None:
        yield Check(name, "info", f"built ({_size(state.built)}); the first run compiles it for this machine")
    else:
        yield Check(name, "ok", f"built ({_size(state.built)}) and compiled ({_size(state.compiled)})")


def _resident() -> Check:
    """Whether commands find one that has everything loaded."""
    from capsule.resident import control, place

    if not place.wanted(["run"]):
        return Check("resident host", "info", "off for commands that are started as this one was")
    found = len(list(control.running()))
    return Check("resident host", "ok", f"{found} running" if found else "none is running; a run starts one")


def _stored() -> Check:
    """How much of the disk the user's cache takes."""
    from capsule.project.user_cache import user_store

    said = []
    try:
        for name, what in (("engines", "engines"), ("compiled", "compiled components")):
            found = user_store(name).stat()
            said.append(f"{found.entries} {what} of {_size(found.bytes)}")
    except (OSError, CapsuleError) as error:
        return Check("stored", "broken", str(error))
    return Check("stored", "info", f"{', '.join(said)}; capsule cache prune --max-age 720h removes old ones")


def _size(size: int) -> str:
    return f"{size / (1 << 20):,.1f} MiB"


def _wasmtime() -> Check:
    from capsule.runtime.engine import engine, wasmtime_version

    try:
        engine()
    except CapsuleError as error:
        return Check("wasmtime", "broken", error.message, error.hint)
    except (ImportError, OSError) as error:
        return Check("wasmtime", "broken", str(error), install_line("wasmtime", again=True))
    return Check("wasmtime", "ok", wasmtime_version())


def _workers(here: Offered) -> Iterator[Check]:
    """What confines a worker process on this machine, one line for each means."""
    from capsule.confinement.landlock import OLDEST_ABI

    linux = "only Linux has it"
    namespaces = (
        "the system lets this user make none: in a container, allow them (a seccomp profile, CAP_SYS_ADMIN); "
        "on Ubuntu, sysctl kernel.apparmor_restrict_unprivileged_userns=0"
    )
    yield _means(
        "no new privileges", here.no_new_privileges, "workers run no set-user-id file with its rights", linux
    )
    files = here.landlock >= OLDEST_ABI
    scopes = ["files"]
    if here.landlock >= 4:
        scopes.append("TCP")
    if here.landlock >= 6:
        scopes.append("abstract sockets and signals")
    yield _means(
        "Landlock",
        files,
        f"ABI {here.landlock}: {', '.join(scopes)}"
        if files
        else "workers open the folders they were granted only",
        "Linux 5.19 or later has it, with Landlock among its security modules",
    )
    yield _means(
        "seccomp", here.seccomp, "workers have a list of system calls", "Linux on x86-64 or ARM64 has it"
    )
    yield _means("mount namespace", here.mounts, "workers don't see that there are other files", namespaces)
    yield _means(
        "IPC and network namespaces",
        here.networks,
        "workers have no network, and nothing that others share",
        namespaces,
    )
    yield _means("memory limits", here.memory, "a worker that takes more than ram and 1 GiB ends", linux)


def _means(name: str, holds: bool, what: str, hint: str) -> Check:
    if holds:
        return Check(name, "ok", what)
    return Check(name, "info", f"not here, so it doesn't hold that {what}", hint)


def _tools(here: Offered) -> Check:
    """What confines compilers and installers on this machine."""
    from capsule.confinement.landlock import OLDEST_ABI

    files = here.landlock >= OLDEST_ABI
    always = "an environment of their own, bounded time, memory, files and processes"
    if files and here.seccomp:
        return Check(
            "tools",
            "ok",
            f"with {always}; no sockets but the network's; all but esbuild and git see only files they need",
        )
    left = " and ".join(
        said
        for said, there in (
            ("other files of yours (no Landlock)", files),
            ("other system calls (no seccomp)", here.seccomp),
        )
        if not there
    )
    return Check(
        "tools", "info", f"with {always}; not kept from {left}", "the same as for workers has it all"
    )


def _user_cache() -> Check:
    from capsule.project.user_cache import CACHE_VARIABLE, secret, user_cache_folder

    folder = user_cache_folder()
    try:
        secret()
    except (OSError, CapsuleError) as error:
        return Check("user cache", "broken", str(error), f"set {CACHE_VARIABLE} to a folder of your own")
    return Check("user cache", "ok", str(folder))


def _project_state() -> Check:
    from capsule.project.config import find_root

    here = Path.cwd()
    try:
        root, file = find_root(here, here)
    except CapsuleError as error:
        return Check("project", "broken", error.message)
    settings = "no capsule.toml" if file is None else file.name
    return Check("project", "info", f"{root} ({settings}), Python at {sys.prefix}")
