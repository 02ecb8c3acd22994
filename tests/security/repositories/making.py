"""What a trap is, and what repositories are made of."""

from __future__ import annotations

import os
import subprocess
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from repositories.operators import Operator

COMMANDS: dict[str, tuple[str, ...]] = {
    "tasks": ("tasks", "{file}"),
    "explain": ("explain", "{file}", "--deny-all"),
    "build": ("build", "{file}"),
    "affected": ("build", "--typecheck", "--affected", "--check"),
    "snapshot": ("build", "{file}", "--snapshot"),
    "everything": ("build", "--typecheck", "--affected", "--check", "--snapshot"),
    "run": ("run", "{file}", "--deny-all"),
    "trace": ("trace",),
    "stat": ("cache", "stat"),
}

PYTHON = """\
from capsule import task

@task(name="main")
def main():
    return 1
"""
TYPESCRIPT = """\
import { task } from "@capsule-run/sdk"
export const main = task({ name: "main" }, async (): Promise<number> => 1)
"""
C = """\
#include <capsule.h>
CAPSULE_TASK(main, "compute=LOW", "allowed_hosts=") { return capsule_return("hello"); }
"""
WAT = ";; @task main\n(component)\n"
SCRIPT = "#!/bin/sh\necho ran >> {outside}/ran\nexec cat\n"


@dataclass(frozen=True)
class Repository:
    """A repository that is being made, and the operator who will look at it."""

    root: Path
    operator: Operator

    def write(self, name: str, text: str | bytes = "") -> Path:
        """Writes a file, its text without the indentation of the trap."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return path

    def script(self, name: str) -> Path:
        """A program that leaves a trace when it runs."""
        path = self.write(name, SCRIPT.format(outside=self.operator.outside))
        path.chmod(0o755)
        return path

    def python(self, name: str) -> Path:
        """A module that leaves a trace when it is imported, and takes the environment along."""
        return self.write(name, python_payload(self.operator))

    def link(self, name: str, target: Path | str) -> None:
        """A symbolic link."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(target)

    def pipe(self, name: str) -> None:
        """A FIFO in the place of a file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        os.mkfifo(path)

    def git(self, *arguments: str, cwd: Path | None = None) -> None:
        """git, with no settings but the repository's own."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "a",
            "GIT_AUTHOR_EMAIL": "a@example.com",
            "GIT_COMMITTER_NAME": "a",
            "GIT_COMMITTER_EMAIL": "a@example.com",
        }
        subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, env=environment, capture_output=True, check=True
        )

    def workspace(self) -> None:
        """A committed workspace of two components, one of which has changed since."""
        self.write("capsule.toml", '[workspace]\nmembers = ["*/main.wat"]\n')
        for name in ("one", "two"):
            self.write(f"{name}/main.wat", WAT)
        self.commit()
        self.write("two/main.wat", WAT + "\n;; changed\n")

    def commit(self) -> None:
        """Everything that is there, in a repository of git's."""
        self.git("init", "-q", "-b", "main")
        self.git("add", "-A")
        self.git("commit", "-qm", "first")


def python_payload(operator: Operator) -> str:
    """Python that leaves a trace outside of the repository."""
    return (
        "import os\n"
        f"with open({str(operator.outside / 'ran')!r}, 'a') as file:\n"
        "    file.write(repr(dict(os.environ)))\n"
    )


@dataclass(frozen=True)
class Trap:
    """A repository that tries something, and the commands that are tried on it."""

    name: str
    about: str
    make: Callable[[Repository], None]
    commands: tuple[str, ...]
    file: str
    looks: tuple[str, ...] = ()
    """Folders of the home that may be opened, to look for a name in them."""

    def arguments(self, command: str) -> list[str]:
        """A command's words."""
        return [word.format(file=self.file) for word in COMMANDS[command]]


TRAPS: list[Trap] = []
"""All traps, as their modules are imported."""


def trap(
    *commands: str, file: str = "main.py", looks: tuple[str, ...] = ()
) -> Callable[[Callable[[Repository], None]], None]:
    """Makes a function that fills a repository a trap, on which these commands are tried."""

    def add(make: Callable[[Repository], None]) -> None:
        assert set(commands) <= COMMANDS.keys(), commands
        about = (make.__doc__ or "").strip()
        assert about, f"{make.__name__} says nothing"
        TRAPS.append(Trap(make.__name__.strip("_"), about, make, commands, file, looks))

    return add
