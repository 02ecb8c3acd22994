"""Measures this capsule against the reference implementation, in interleaved pairs.

    python bench/compare.py --reference VENV

VENV is a virtual environment that holds the reference implementation; nothing is installed. What is
measured here is the capsule of the Python that runs this script. Each pair is one measurement of ours
and one of theirs, directly after each other, so that a busy machine slows both: trust the ratios.
Everything happens in a temporary folder, with a user cache of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from driving import driver

TASKS_ON_DISK = 20
AT_ONCE = 200

SOURCE = """from capsule import task


@task(name="main", compute="LOW", ram="64MB")
def main() -> str:
    return "{word}"
"""


@dataclass(frozen=True)
class Side:
    """One implementation: its command, its Python, and the folder for its user cache."""

    name: str
    command: Path
    python: Path
    cache: Path

    def environment(self) -> dict[str, str]:
        """The environment of its processes; byte code is kept, as it is for users."""
        hindering = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
        kept = {name: value for name, value in os.environ.items() if name not in hindering}
        path = f"{self.command.parent}{os.pathsep}{kept.get('PATH', '')}"
        return kept | {
            "CAPSULE_CACHE_DIR": str(self.cache / "capsule"),
            "XDG_CACHE_HOME": str(self.cache),
            "PATH": path,
        }

    def run(self, project: Path, word: str) -> float:
        """Runs the project's ``main.py`` with the command line, and gives the seconds it took."""
        started = time.perf_counter()
        done = subprocess.run(
            [self.command, "run", "main.py", "--json"],
            cwd=project,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        answer = done.stdout.strip().rpartition("\n")[2]
        if done.returncode != 0 or json.loads(answer)["result"] != word:
            raise SystemExit(f"{self.name}: the run failed\n{done.stdout}{done.stderr}")
        return seconds


@dataclass
class Measured:
    """What was measured: one number of ours and one of theirs for each pair."""

    what: str
    unit: str
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of ours over the median of theirs."""
        return statistics.median(self.ours) / statistics.median(self.theirs)


class Comparison:
    """Both sides, and a folder to work in."""

    def __init__(self, ours: Side, theirs: Side, folder: Path) -> None:
        self.sides = (ours, theirs)
        self._folder = folder
        self._count = 0

    def project(self, word: str) -> Path:
        """A new project with a ``main.py`` that returns ``word``."""
        self._count += 1
        project = self._folder / f"project-{self._count}"
        project.mkdir()
        (project / "main.py").write_text(SOURCE.format(word=word))
        return project

    def word(self) -> str:
        """A text that no source had before."""
        self._count += 1
        return f"word {self._count}"

    def first_run_ever(self, pairs: int) -> Measured:
        """A machine on which nothing of capsule was ever run."""
        measured = Measured("first run ever", "s")
        for _ in range(pairs):
            for side, numbers in self._each(measured):
                shutil.rmtree(side.cache, ignore_errors=True)
                word = self.word()
                numbers.append(side.run(self.project(word), word))
        return measured

    def new_project(self, pairs: int) -> Measured:
        """Another project, on a machine that has run capsule before."""
        measured = Measured("first run in a new project", "s")
        for _ in range(pairs):
            for side, numbers in self._each(measured):
                word = self.word()
                numbers.append(side.run(self.project(word), word))
        return measured

    def edit_then_run(self, pairs: int) -> Measured:
        """One changed line in a program that has run before."""
        measured = Measured("edit, then run", "s")
        projects = self._warm_projects()
        for _ in range(pairs):
            for side, numbers in self._each(measured):
                word = self.word()
                (projects[side.name] / "main.py").write_text(SOURCE.format(word=word))
                numbers.append(side.run(projects[side.name], word))
        return measured

    def warm_command(self, pairs: int) -> Measured:
        """`capsule run` of a program that has run before."""
        measured = Measured("warm `capsule run`", "s")
        projects = self._warm_projects()
        for _ in range(pairs):
            for side, numbers in self._each(measured):
                numbers.append(side.run(projects[side.name], "warm"))
        return measured

    def warm_call(self, pairs: int) -> Measured:
        """`await run()` in a process that has called it before."""
        return self._driven("warm `await run()`", 1, pairs)

    def at_once(self, pairs: int) -> Measured:
        """Many runs in one `asyncio.gather`."""
        return self._driven(f"{AT_ONCE} concurrent `run()`", AT_ONCE, pairs)

    def disk(self, theirs_measured: int) -> Measured:
        """Bytes allocated for small programs, user cache included."""
        note = f"theirs measured with {theirs_measured} programs, times {TASKS_ON_DISK / theirs_measured:g}"
        measured = Measured(f"disk for {TASKS_ON_DISK} small programs", "MB", note=note)
        for side, numbers in self._each(measured):
            programs = TASKS_ON_DISK if side is self.sides[0] else theirs_measured
            total = 0
            for _ in range(programs):
                word = self.word()
                project = self.project(word)
                side.run(project, word)
                total += _allocated(project)
            numbers.append((total * TASKS_ON_DISK / programs + _allocated(side.cache)) / 1e6)
        return measured

    def _each(self, measured: Measured) -> Iterator[tuple[Side, list[float]]]:
        """Ours and theirs, now the one first and now the other."""
        pairs = list(zip(self.sides, (measured.ours, measured.theirs), strict=True))
        return iter(pairs if len(measured.ours) % 2 == 0 else pairs[::-1])

    def _warm_projects(self) -> dict[str, Path]:
        projects = {}
        for side in self.sides:
            projects[side.name] = self.project("warm")
            for _ in range(2):
                side.run(projects[side.name], "warm")
        return projects

    def _driven(self, what: str, count: int, pairs: int) -> Measured:
        measured = Measured(what, "s")
        projects = self._warm_projects()
        with ExitStack() as stack:
            children = {
                side.name: stack.enter_context(
                    driver(side.python, projects[side.name] / "main.py", side.environment(), side.name)
                )
                for side in self.sides
            }
            for _ in range(pairs):
                for side, numbers in self._each(measured):
                    numbers.append(children[side.name](count))
        return measured


def _allocated(folder: Path) -> int:
    """Bytes that the files of a folder occupy, each file once."""
    files = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            facts = path.stat()
            files[facts.st_dev, facts.st_ino] = facts.st_blocks * 512
    return sum(files.values())


def _show(measured: Measured) -> str:
    def numbers(values: Sequence[float]) -> str:
        scale, unit = (1000, "ms") if measured.unit == "s" else (1, measured.unit)
        return f"{statistics.median(values) * scale:,.1f} {unit} (min {min(values) * scale:,.1f})"

    ratio = measured.ratio
    said = f"1/{1 / ratio:.1f}" if ratio < 0.5 else f"{ratio:.2f}"
    note = f"; {measured.note}" if measured.note else ""
    return (
        f"| {measured.what} | {numbers(measured.ours)} | {numbers(measured.theirs)} | {said} "
        f"| {len(measured.ours)}{note} |"
    )


def main() -> None:
    """Measures what was asked for and prints a Markdown table, row by row."""
    names = ("ever", "project", "edit", "command", "call", "many", "disk")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--reference", type=Path, required=True, metavar="VENV")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=str(names))
    parser.add_argument("--pairs", type=int, default=None, help="pairs for each measurement")
    parser.add_argument("--json", type=Path, default=None, help="where to write every number")
    options = parser.parse_args()
    scripts = options.reference.absolute() / "bin"
    if not (scripts / "capsule").is_file():
        parser.error(f"{options.reference} is not a virtual environment with a capsule command")

    results = []
    with tempfile.TemporaryDirectory(prefix="capsule-bench-") as temporary:
        folder = Path(temporary)
        ours = Side(
            "capsule",
            Path(sysconfig.get_path("scripts")) / "capsule",
            Path(sys.executable),
            folder / "cache-ours",
        )
        theirs = Side("reference", scripts / "capsule", scripts / "python", folder / "cache-theirs")
        comparison = Comparison(ours, theirs, folder)
        measurements = {
            "ever": (comparison.first_run_ever, 1),
            "project": (comparison.new_project, 3),
            "edit": (comparison.edit_then_run, 3),
            "command": (comparison.warm_command, 21),
            "call": (comparison.warm_call, 201),
            "many": (comparison.at_once, 5),
            "disk": (comparison.disk, 2),
        }
        if "ever" not in options.only:
            for side in comparison.sides[:1]:  # only ours keeps anything between projects
                side.run(comparison.project("warm"), "warm")
        print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {sys.version.split()[0]}")
        print("| | capsule | reference | ratio | pairs |\n|---|---|---|---|---|", flush=True)
        for name in options.only:
            measure, pairs = measurements[name]
            measured = measure(options.pairs if options.pairs and name != "disk" else pairs)
            results.append(measured)
            print(_show(measured), flush=True)
    if options.json:
        options.json.write_text(json.dumps([vars(measured) for measured in results], indent=1))


if __name__ == "__main__":
    main()
