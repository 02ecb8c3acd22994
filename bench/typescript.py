"""Measures TypeScript: first runs, edits, warm calls, sizes, and four CPU-bound programs.

    python bench/typescript.py [--packages FOLDER] [--starlingmonkey FOLDER]

FOLDER is one in which ``npm install`` has put zod, lodash and cheerio, or
``@bytecodealliance/componentize-js``; without it, the rows that need it are left out. Nothing is installed
outside a temporary folder, which also holds the user's cache and npm's: "nothing cached" fetches everything.
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
from collections.abc import Mapping
from pathlib import Path

from driving import driver

from capsule import run_sync
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack
from capsule.errors import Location
from capsule.policy.model import HIGH_FUEL, Policy, TaskPolicy
from capsule.project.user_cache import CACHE_VARIABLE

HERE = Path(__file__).parent
WIT = HERE.parent / "wit"
COMMAND = Path(sysconfig.get_path("scripts")) / "capsule"
TASKS_ON_DISK = 20
NODE_PROGRAMS = ("node", "nodejs", "npm", "npx", "corepack")

SOURCE = """import { task } from "@capsule-run/sdk";

export const main = task({ name: "main", compute: "LOW", ram: "64MB" }, (): string => {
  return "%s";
});
"""

PACKAGES = {
    "zod": 'import { z } from "zod";\nconst use = () => z.object({ a: z.number() }).parse({ a: 1 });',
    "lodash": 'import _ from "lodash";\nconst use = () => _.chunk([1, 2, 3], 2);',
    "cheerio": 'import { load } from "cheerio";\nconst use = () => load("<p>text</p>")("p").text();',
}

KERNELS = {
    "fib": "recursive fib(24)",
    "sort": "sort 20,000 numbers",
    "json": "10 round trips of 500 objects through JSON",
    "text": "50,000 concatenations, split, join",
}

COMPONENTIZE = """
import { readFile, writeFile } from "node:fs/promises";
const [tool, wit, source, output] = process.argv.slice(2);
const { componentize } = await import(tool);
const disableFeatures = ["http", "fetch-event"];
const { component } = await componentize(await readFile(source, "utf8"), {
  witPath: wit, worldName: "task", disableFeatures,
});
await writeFile(output, component);
"""


class Bench:
    """A folder to work in, with a user cache of its own."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._rounds = rounds
        self._count = 0
        self.environment = _environment(folder / "cache", folder / "npm")

    def project(self, text: str, name: str = "main.ts") -> Path:
        """A new project with one source: the source."""
        self._count += 1
        source = self._folder / f"project-{self._count}" / name
        source.parent.mkdir()
        source.write_text(text)
        return source

    def word(self) -> str:
        """A text that no source had before."""
        self._count += 1
        return f"word {self._count}"

    def nothing_cached(self) -> None:
        """A machine on which capsule has never run, with a Node and without one."""
        _row("nothing cached, the system's Node", self._first_run(_environment(self._new(), self._new())))
        programs = self._new()
        for folder in os.environ["PATH"].split(os.pathsep):
            for program in Path(folder).glob("*"):
                if program.name not in NODE_PROGRAMS and not (programs / program.name).exists():
                    (programs / program.name).symlink_to(program)
        environment = _environment(self._new(), self._new())
        without = environment | {
            "PATH": str(programs),
            "UV_CACHE_DIR": str(self._new()),
            "PIP_NO_CACHE_DIR": "1",
        }
        _row("nothing cached, no Node either", self._first_run(without))

    def commands(self) -> None:
        """The command line: a new project, an edit, nothing new."""
        self._run(self.project(SOURCE % "warm"), "warm")
        new, edited, warm = [], [], []
        source = self.project(SOURCE % "warm")
        self._run(source, "warm")
        for _ in range(self._rounds):
            word = self.word()
            new.append(self._run(self.project(SOURCE % word), word))
            word = self.word()
            source.write_text(SOURCE % word)
            edited.append(self._run(source, word))
            warm.append(self._run(source, word))
        _row("first run in a new project", *new)
        _row("edit, then run", *edited)
        _row("warm `capsule run`", *warm)

    def calls(self, packages: Path | None) -> None:
        """`await run()`, with and without packages; with packages, also of a snapshot."""
        _row("warm `await run()`", *self._driven(self.project(SOURCE % "warm")))
        if packages is None:
            return
        folder = self._new()
        shutil.copytree(packages / "node_modules", folder / "node_modules")
        for name, use in PACKAGES.items():
            source = folder / f"{name}.ts"
            main = 'export const main = task({ name: "main" }, () => use());'
            source.write_text(f'import {{ task }} from "@capsule-run/sdk";\n{use}\n{main}\n')
            _row(f"warm `await run()` with {name}", *self._driven(source))
            built = [COMMAND, "build", source.name, "--snapshot", "--export"]
            seconds, _ = self._timed(built, source.parent)
            _row(f"build --snapshot with {name}", seconds)
            _row(f"warm `await run()` with {name}, snapshot", *self._driven(source.with_suffix(".wasm")))

    def sizes(self) -> None:
        """Bytes on disk."""
        cache = self._folder / "cache" / "capsule"
        shutil.rmtree(cache / "compiled", ignore_errors=True)  # snapshots of other rows
        artifacts = 0
        for _ in range(TASKS_ON_DISK):
            word = self.word()
            source = self.project(SOURCE % word)
            self._run(source, word)
            artifacts += _bytes(source.parent / ".capsule" / "wasm")
        _size("engine (.wasm)", _bytes(cache / "engines"))
        _size("engine, compiled", _bytes(cache / "compiled"))
        _size("toolchain: npm packages", _bytes(cache / "javascript-toolchain"))
        _size("one small program", artifacts // TASKS_ON_DISK)

    def kernels(self, starlingmonkey: Path | None) -> None:
        """CPU-bound programs, timed inside the sandbox."""
        main = 'task({ name: "main", compute: "HIGH" }, (name) => measure(name))'
        javascript = f'import {{ task }} from "@capsule-run/sdk";\n{_kernels("cpu.js")}\n{main};\n'
        sources = {
            "TypeScript": self.project(javascript, "main.js"),
            "Python": self.project(_kernels("cpu.py"), "main.py"),
        }
        if starlingmonkey is not None:
            sources["StarlingMonkey"] = self._reference_design(starlingmonkey)
        names = list(sources)
        print(
            "\n| milliseconds in the sandbox | "
            + " | ".join(names)
            + " | "
            + " | ".join(f"fuel, {name}" for name in names)
            + " |"
        )
        print("|---" * (2 * len(names) + 1) + "|")
        for kernel, what in KERNELS.items():
            times: dict[str, list[float]] = {name: [] for name in names}
            fuel: dict[str, int] = {}
            for _ in range(self._rounds):
                for name, source in sources.items():
                    outcome = run_sync(source, [kernel], cwd=source.parent)
                    times[name].append(outcome.unwrap())
                    fuel[name] = outcome.execution["fuel_consumed"]
            cells = [f"{statistics.median(values):.1f}" for values in times.values()]
            cells += [f"{fuel[name] / 1e6:,.0f} M" for name in names]
            print(f"| {what} | " + " | ".join(cells) + " |", flush=True)

    def _reference_design(self, folder: Path) -> Path:
        """Componentizes the kernels with StarlingMonkey, as an artifact; prints what that takes."""
        import wasmtime.component

        from capsule.runtime.engine import engine

        run = "export function run(call) {\n  const { args } = JSON.parse(call);\n"
        text = _kernels("cpu.js") + run + "  return JSON.stringify({ result: measure(args[0]) });\n}\n"
        source = self.project(text, "program.js")
        script = source.with_name("componentize.mjs")
        script.write_text(COMPONENTIZE)
        tool = folder.absolute() / "node_modules/@bytecodealliance/componentize-js/src/componentize.js"
        output = source.with_name("program.wasm")
        componentized, compiled = [], []
        for _ in range(2):
            seconds, _ = self._timed(["node", script, tool, WIT, source, output], source.parent)
            componentized.append(seconds)
            started = time.perf_counter()
            component = wasmtime.component.Component(engine(), output.read_bytes())
            compiled.append(time.perf_counter() - started)
        _row("StarlingMonkey: componentize", *componentized)
        _row("StarlingMonkey: compile", *compiled)
        _row("StarlingMonkey: both", *map(sum, zip(componentized, compiled, strict=True)))
        _size("StarlingMonkey: one program (.wasm)", output.stat().st_size)
        _size("StarlingMonkey: one program, compiled", len(component.serialize()))
        return _artifact(output)

    def _first_run(self, environment: Mapping[str, str]) -> float:
        word = self.word()
        return self._run(self.project(SOURCE % word), word, environment)

    def _run(self, source: Path, word: str, environment: Mapping[str, str] | None = None) -> float:
        command = [COMMAND, "run", source.name, "--json"]
        seconds, printed = self._timed(command, source.parent, environment)
        if json.loads(printed)["result"] != word:
            raise SystemExit(f"the run failed: {printed}")
        return seconds

    def _timed(
        self, command: list[object], folder: Path, environment: Mapping[str, str] | None = None
    ) -> tuple[float, str]:
        started = time.perf_counter()
        done = subprocess.run(
            [str(word) for word in command],
            cwd=folder,
            env=dict(environment or self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"{command} failed\n{done.stdout}{done.stderr}")
        return seconds, done.stdout

    def _driven(self, source: Path) -> list[float]:
        with driver(sys.executable, source, self.environment, str(source)) as call:
            return [call(1) for _ in range(self._rounds * 20)]

    def _new(self) -> Path:
        self._count += 1
        folder = self._folder / f"folder-{self._count}"
        folder.mkdir()
        return folder


def _environment(cache: Path, npm: Path) -> dict[str, str]:
    hindering = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if name not in hindering}
    return kept | {CACHE_VARIABLE: str(cache / "capsule"), "npm_config_cache": str(npm)}


def _artifact(component: Path) -> Path:
    """A component as an artifact that may use much fuel."""
    task = Task("main", TaskPolicy(Policy(compute=HIGH_FUEL)), Location("cpu.js", 1))
    manifest = Manifest("cpu.js", "0" * 32, "starlingmonkey", "0", {"main": task}, {})
    path = component.with_name("main.wasm")
    path.write_bytes(pack(manifest, component=component.read_bytes()))
    return path


def _kernels(name: str) -> str:
    return (HERE / name).read_text("utf-8")


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _row(what: str, *seconds: float) -> None:
    def shown(value: float) -> str:
        return f"{value * 1000:,.1f} ms" if value < 1 else f"{value:,.1f} s"

    print(
        f"| {what} | {shown(statistics.median(seconds))} | {shown(min(seconds))} | {len(seconds)} |",
        flush=True,
    )


def _size(what: str, size: int) -> None:
    shown = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} KB"
    print(f"| {what} | {shown} | | |", flush=True)


def main() -> None:
    """Measures what was asked for and prints Markdown tables, row by row."""
    names = ("nothing", "commands", "calls", "sizes", "kernels")
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--packages", type=Path, metavar="FOLDER")
    parser.add_argument("--starlingmonkey", type=Path, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help=str(names))
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capsule-bench-") as temporary:
        bench = Bench(Path(temporary), options.rounds)
        os.environ.update(bench.environment)
        print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {sys.version.split()[0]}")
        print("| | median | min | times |\n|---|---|---|---|", flush=True)
        for name in options.only:
            match name:
                case "nothing":
                    bench.nothing_cached()
                case "commands":
                    bench.commands()
                case "calls":
                    bench.calls(options.packages and options.packages.absolute())
                case "sizes":
                    bench.sizes()
                case "kernels":
                    bench.kernels(options.starlingmonkey and options.starlingmonkey.absolute())


if __name__ == "__main__":
    main()
