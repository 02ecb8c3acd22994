"""Checks a program's types with the TypeScript compiler. Type errors never stop a run.

The compiler is ours, not the project's: what a project brings doesn't run on the host. The project's
``tsconfig.json`` counts, but for what goes in and comes out.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from capsule.errors import BuildError, Location
from capsule.frontend.process import run_tool
from capsule.frontend.spec import Source
from capsule_js.bundle import SDK
from capsule_js.esbuild import Message
from capsule_js.install import Progress
from capsule_js.node import node_environment
from capsule_js.npm_package import sdk_folder
from capsule_js.toolchain import ManagedToolchain, machine

TIMEOUT = 300.0
SUFFIXES = (".ts", ".mts", ".cts", ".tsx")
"""Sources that have types."""

_SHOWN = 2000
_PROBLEM = re.compile(r"(?:(?P<file>[^\n]+?)\((?P<line>\d+),(?P<column>\d+)\): )?error (?P<text>TS\d+: .*)")

_DEFAULTS = {
    "strict": True,
    "target": "es2023",
    "lib": ["es2023", "dom", "dom.iterable"],
    "module": "preserve",
    "jsx": "preserve",
    "allowImportingTsExtensions": True,
}
"""What holds in a project without a ``tsconfig.json``."""


@dataclass(frozen=True, slots=True)
class _Project:
    """A project's own configuration, as the compiler understands it."""

    file: Path
    options: Mapping[str, Any]


def typecheck(source: Source, toolchain: ManagedToolchain, progress: Progress) -> tuple[Message, ...]:
    """What the compiler finds wrong with a source and all that it imports; nothing for JavaScript.

    Files are named from the project root. Raises `BuildError` when the compiler can't be had or run.
    """
    if source.path.suffix.lower() not in SUFFIXES:
        return ()
    modules = toolchain.typescript(progress)
    compiler = modules / f"@typescript/typescript-{machine()}" / "lib" / "tsc"
    progress(f"checking the types of {source.name}")
    found = _find_project(source)
    project = None if found is None else _Project(found, _options(compiler, found))
    with tempfile.TemporaryDirectory(prefix="capsule-types-") as folder:
        config = Path(folder) / "tsconfig.json"
        config.write_text(json.dumps(_configuration(source, project, modules)), "utf-8")
        status, output = _run(compiler, ["-p", str(config), "--pretty", "false"], source.root)
        problems = tuple(read_problems(output, config, source.name))
    if status != 0 and not problems:
        raise BuildError(
            "the TypeScript compiler broke down", traceback=output[-_SHOWN:], hint="capsule doctor"
        )
    return problems


def read_problems(output: str, config: Path, name: str) -> Iterator[Message]:
    """The problems in what the compiler printed; those of our own configuration are the source's."""
    for line in output.splitlines():
        match = _PROBLEM.fullmatch(line)
        if match is None:
            continue
        file = match["file"]
        if file is None or (file.endswith(config.name) and config.parent.name in file):
            yield Message(match["text"], name)
        else:
            yield Message(match["text"], file, int(match["line"]), int(match["column"]) - 1)


def _find_project(source: Source) -> Path | None:
    for folder in source.path.parents:
        file = folder / "tsconfig.json"
        if file.is_file():
            return file
        if folder == source.root:
            return None
    return None


def _options(compiler: Path, file: Path) -> Mapping[str, Any]:
    status, output = _run(compiler, ["-p", str(file), "--showConfig"], file.parent)
    try:
        options = json.loads(output)["compilerOptions"]
    except (ValueError, KeyError, TypeError):
        if status == 0:
            return {}
        problem = next(iter(read_problems(output, file, file.name)), None)
        raise BuildError(
            problem.text if problem is not None else "the compiler can't read it",
            hint="correct tsconfig.json, and check again",
            location=Location(file.name, problem.line if problem is not None else None),
        ) from None
    return options if isinstance(options, dict) else {}


def _configuration(source: Source, project: _Project | None, modules: Path) -> dict[str, Any]:
    own = {} if project is None else project.options
    start = source.path.parent if project is None else project.file.parent
    folders = [folder / "node_modules" for folder in (source.path.parent, *source.path.parent.parents)]
    options: dict[str, Any] = {} if project is not None else dict(_DEFAULTS)
    options |= {"noEmit": True, "incremental": False, "composite": False, "skipLibCheck": True}
    if "typeRoots" not in own:
        roots = [str(folder / "@types") for folder in folders if (folder / "@types").is_dir()]
        options["typeRoots"] = [*roots, str(modules / "@types")]
    if "types" not in own:
        options["types"] = ["node"]
    if not any((folder / SDK).is_dir() for folder in folders):
        paths = own.get("paths")
        options["paths"] = _absolute(paths if isinstance(paths, dict) else {}, start) | {
            SDK: [str(sdk_folder() / "index.d.ts")],
            f"{SDK}/runner": [str(sdk_folder() / "runner.d.ts")],
        }
    configuration = {"compilerOptions": options, "files": [str(source.path)], "include": [], "references": []}
    return configuration if project is None else {"extends": str(project.file), **configuration}


def _absolute(paths: Mapping[str, Any], start: Path) -> dict[str, list[str]]:
    return {
        name: [os.path.normpath(start / place) for place in places if isinstance(place, str)]
        for name, places in paths.items()
        if isinstance(places, list)
    }


def _run(compiler: Path, arguments: list[str], folder: Path) -> tuple[int, str]:
    try:
        done = run_tool(
            [str(compiler), *arguments], cwd=folder, environment=node_environment(), timeout=TIMEOUT
        )
    except (OSError, TimeoutError) as error:
        raise BuildError(f"the TypeScript compiler can't be run: {error}", hint="capsule doctor") from None
    return done.status, done.output
