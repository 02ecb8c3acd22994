"""A resident host of a test's own, for the tests of it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 60.0

PROGRAM = """
    import sys, time
    from capsule import task

    @task(name="main", env_variables=["COLOUR"])
    def main(word: str = "nothing", times: int = 1):
        import os
        print("said", word, os.environ.get("COLOUR"))
        print("wrong", file=sys.stderr)
        return {"word": word * times, "é": 1}

    @task(name="failing")
    def failing():
        raise ValueError("no")

    @task(name="sleeping", timeout="60s")
    def sleeping():
        print("asleep", file=sys.stderr)
        time.sleep(60)
"""


@dataclass
class Resident:
    """A resident host of a test's own, and commands that may go to it."""

    command: str
    project: Path
    environment: dict[str, str]
    folder: Path

    def run(
        self, *words: str, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.CompletedProcess[bytes]:
        given = {"stdin": subprocess.DEVNULL, "cwd": self.project} | options
        environment = self.environment | dict(env or {})
        return subprocess.run(
            [self.command, *words], env=environment, capture_output=True, timeout=120, check=False, **given
        )

    def start(self, *words: str, **options: Any) -> subprocess.Popen[bytes]:
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen([self.command, *words], env=self.environment, cwd=self.project, **given)

    def hosts(self) -> list[dict[str, object]]:
        return json.loads(self.run("resident", "status", "--json").stdout)["resident"]

    def done(self) -> int:
        """How many commands the host has done, or is doing."""
        return sum(int(host["commands"]) for host in self.hosts())

    def begin(self) -> None:
        """Has a host started, as any command does that finds none, and waits for it."""
        self.run("trace")
        until(self.hosts)


def until(true: Callable[[], T]) -> T:
    end = time.monotonic() + PATIENCE
    while not (found := true()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


@contextmanager
def resident_host(command: str, root: Path) -> Iterator[Resident]:
    """A folder of its own for the sockets, and a program; what was started ends with it."""
    # A socket's path has at most 108 bytes.
    with tempfile.TemporaryDirectory(prefix="cr", dir="/tmp") as folder:
        ours = {
            name: value
            for name, value in os.environ.items()
            if name != "CI" and not name.startswith("PYTHON")
        }
        ours |= {"XDG_RUNTIME_DIR": folder, "CAPSULE_RESIDENT": "1", "COLOUR": "blue"}
        made = Resident(command, root, ours, Path(folder, "capsule"))
        yield made
        pids = [int(host["pid"]) for host in made.hosts()]
        made.run("resident", "stop")
        for pid in pids:
            until(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid))  # noqa: B023


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
