"""Builds in monorepos: how the time of ``capsule build`` grows with members, and with their size.

Generates workspaces of Python and TypeScript members that share a library, and prints the seconds of: a cold
build, a build in which nothing has changed (the best of three), one after a change to one member, and one
after a change to the shared library. Engines are built before, so that they aren't counted.

    uv run python bench/monorepo.py --members 50 100 200 --kilobytes 2 100

With ``--example``: `examples/monorepo` instead, from an empty user cache on, engines and C library included,
and then from a shared cache, with another empty user cache.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

_PYTHON = '''\
from capsule import task
from libs.shared.numbers import double


@task(name="main", compute="LOW")
def main(value: int = {number}) -> int:
    """Member {number}."""
    return double(value)
'''

_TYPESCRIPT = """\
import {{ task }} from "@capsule-run/sdk";
import {{ double }} from "../../libs/shared/numbers";

export const main = task({{ name: "main", compute: "LOW" }}, (value: number = {number}) => double(value));
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Seconds of one workspace's builds, the process's start included."""

    members: int
    kilobytes: int
    cold: float
    warm: float
    one_member: float
    shared: float


def generate(root: Path, members: int, kilobytes: int) -> None:
    """A workspace: every fourth member in TypeScript, each with ``kilobytes`` of its own code."""
    (root / "capsule.toml").write_text('[workspace]\nmembers = ["members/*"]\n')
    shared = root / "libs" / "shared"
    shared.mkdir(parents=True)
    (shared / "numbers.py").write_text("def double(value):\n    return 2 * value\n")
    (shared / "numbers.ts").write_text("export const double = (value: number) => 2 * value;\n")
    lines = kilobytes * 1024 // 32
    for number in range(members):
        folder = root / "members" / f"m{number:04}"
        folder.mkdir(parents=True)
        if number % 4 == 3:
            body = "".join(f"export const V{line:06} = {line + 10**9};\n" for line in range(lines))
            (folder / "main.ts").write_text(_TYPESCRIPT.format(number=number))
            (folder / "data.ts").write_text(body)
            with (folder / "main.ts").open("a") as file:
                file.write('\nexport * as data from "./data";\n')
        else:
            body = "".join(f"VALUE_{line:06} = {line + 10**9}\n" for line in range(lines))
            (folder / "data.py").write_text(body)
            (folder / "main.py").write_text("import data\n" + _PYTHON.format(number=number))


def build(root: Path, expected: dict[str, int], environment: dict[str, str] | None = None) -> float:
    """Builds a workspace in a process of its own, checks what came of it, and gives the seconds."""
    command = [str(Path(sys.executable).parent / "capsule"), "build", "--json"]
    started = time.perf_counter()
    variables = {**os.environ, **(environment or {})}
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    summary = json.loads(done.stdout.splitlines()[-1])["summary"]
    for state, count in expected.items():
        if summary[state] != count:
            raise SystemExit(f"expected {expected}, and it was {summary}")
    return seconds


def measure(members: int, kilobytes: int) -> Figures:
    """Generates a workspace and builds it in five states."""
    with tempfile.TemporaryDirectory(prefix="capsule-monorepo-") as folder:
        root = Path(folder)
        generate(root, members, kilobytes)
        cold = build(root, {"built": members})
        # The first build finds files that were only just written, and has to look at them once more.
        build(root, {"hit": members})
        warm = min(build(root, {"hit": members}) for _ in range(3))
        with (root / "members" / "m0000" / "main.py").open("a") as file:
            file.write("# changed\n")
        one_member = build(root, {"built": 1, "hit": members - 1})
        with (root / "libs" / "shared" / "numbers.py").open("a") as file:
            file.write("# changed\n")
        python = sum(number % 4 != 3 for number in range(members))
        shared = build(root, {"built": python, "hit": members - python})
    return Figures(members, kilobytes, cold, warm, one_member, shared)


def measure_example() -> None:
    """Builds the example in four states, and prints a line for each: seconds, and states of members."""
    example = Path(__file__).resolve().parent.parent / "examples" / "monorepo"
    with tempfile.TemporaryDirectory(prefix="capsule-monorepo-") as name:
        folder = Path(name)
        for checkout in ("first", "second"):
            shutil.copytree(example, folder / checkout, ignore=shutil.ignore_patterns(".capsule"))
        machine = {"CAPSULE_CACHE_DIR": str(folder / "machine"), "CAPSULE_CACHE_REMOTE": "off"}
        remote = {
            "CAPSULE_CACHE_REMOTE": (folder / "remote").as_uri(),
            "CAPSULE_CACHE_KEY": secrets.token_hex(32),
        }
        shared = folder / "first" / "libs" / "text" / "words.py"
        states: list[tuple[str, dict[str, int], Path, dict[str, str]]] = [
            ("cold, empty user cache", {"built": 13}, folder / "first", machine),
            ("nothing changed", {"hit": 13}, folder / "first", machine),
            ("a shared file changed", {"built": 5, "hit": 8}, folder / "first", machine),
            ("from the shared cache", {"fetched": 13}, folder / "second", {"CAPSULE_CACHE_MODE": "read"}),
        ]
        for number, (state, expected, root, environment) in enumerate(states):
            if number == 2:
                before = shared.read_text()
                shared.write_text(f"{before}# changed\n")
            if number == 3:
                shared.write_text(before)
                build(folder / "first", {"hit": 13}, machine)
                push = [str(Path(sys.executable).parent / "capsule"), "cache", "push"]
                subprocess.run(
                    push, cwd=folder / "first", env={**os.environ, **machine, **remote}, check=True, stdout=2
                )
                environment = {**remote, **environment, "CAPSULE_CACHE_DIR": str(folder / "another machine")}
            load = os.getloadavg()[0]
            seconds = build(root, expected, environment)
            said = ", ".join(f"{count} {what}" for what, count in expected.items())
            print(f"{state:<24}{seconds:>8.2f} s   {said:<16}   load {load:.1f}", flush=True)


def main() -> None:
    """Prints a line for each workspace."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--members", type=int, nargs="+", default=[50, 100, 200, 400])
    parser.add_argument("--kilobytes", type=int, nargs="+", default=[2, 100])
    parser.add_argument("--example", action="store_true", help="measure examples/monorepo instead")
    options = parser.parse_args()
    if options.example:
        measure_example()
        return
    with tempfile.TemporaryDirectory(prefix="capsule-monorepo-") as folder:
        generate(Path(folder), 4, 1)
        build(Path(folder), {"built": 4})
    print(f"{'members':>8}{'KB each':>9}{'cold':>9}{'warm':>9}{'1 changed':>11}{'library':>9}   seconds")
    for kilobytes in options.kilobytes:
        for members in options.members:
            found = measure(members, kilobytes)
            print(
                f"{found.members:>8}{found.kilobytes:>9}{found.cold:>9.2f}{found.warm:>9.2f}"
                f"{found.one_member:>11.2f}{found.shared:>9.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
