"""Starts a resident host for the commands that come next, when one has been done without."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from capsule.resident import place
from capsule.workers.arenas import ARENAS, VARIABLE

# -P: the working folder is not where a module is looked for. The rest of the path is the command's own.
BOOT = (
    "import sys, time; began = time.time_ns(); sys.path[:] = sys.argv[3:]; "
    "from capsule.cli import main; from capsule.cli.resident import serve; "
    "serve(sys.argv[1], sys.argv[2], began, main)"
)


def starter(arguments: Sequence[str], paths: Sequence[str]) -> Callable[[int], None]:
    """What starts a host when a command has ended, unless its project says no."""
    paths = list(paths)
    key = place.key(paths)

    def start(code: int) -> None:
        from capsule.resident.settings import turned_off

        with suppress(OSError):
            if code < 128 and not turned_off(arguments, Path.cwd()):
                start_host(key, paths)

    return start


def start_host(key: str, paths: Sequence[str]) -> None:
    """Starts a host that outlives this process, and ends if there is one already. Raises `OSError`."""
    folder = place.folder()
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)  # noqa: PTH102
    if not place.private(folder):
        return
    subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT, folder, key, *paths],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=place.startup_variables() | {VARIABLE: str(ARENAS)},
        cwd="/",
        start_new_session=True,
    )
