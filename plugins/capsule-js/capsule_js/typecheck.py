"""Checks a program's types with the TypeScript compiler. Type errors never stop a run.

The compiler is ours, not the project's: what a project brings doesn't run on the host. Of the project's
``tsconfig.json``, and of what that extends, the options that say how types are checked count, and no others:
some write files, under names of the project's choice. The compiler may read the project and its packages,
and write nothing.
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
from capsule.frontend.confined import looking_at
from capsule.frontend.process import ToolLimits, run_tool
from capsule.frontend.spec import Source
from capsule_js.bundle import SDK
from capsule_js.esbuild import Message
from capsule_js.install import Progress
from capsule_js.npm_package import sdk_folder
from capsule_js.reach import Reach
from capsule_js.surroundings import Surroundings, extended
from capsule_js.toolchain import ManagedToolchain, machine

TIMEOUT = 300.0
SUFFIXES = (".ts", ".mts", ".cts", ".tsx")
"""Sources that have types."""

_SHOWN = 2000
_PROBLEM = re.compile(r"(?:(?P<file>[^\n]+?)\((?P<line>\d+),(?P<column>\d+)\): )?error (?P<text>TS\d+: .*)")

MEMORY = 4 << 30

_OPTIONS = frozenset(
    (
        "allowArbitraryExtensions",
        "allowImportingTsExtensions",
        "allowJs",
        "allowSyntheticDefaultImports",
        "allowUmdGlobalAccess",
        "allowUnreachableCode",
        "allowUnusedLabels",
        "alwaysStrict",
        "baseUrl",
        "checkJs",
        "customConditions",
        "declaration",
        "deduplicatePackages",
        "downlevelIteration",
        "emitDecoratorMetadata",
        "erasableSyntaxOnly",
        "esModuleInterop",
        "exactOptionalPropertyTypes",
        "experimentalDecorators",
        "forceConsistentCasingInFileNames",
        "importHelpers",
        "isolatedDeclarations",
        "isolatedModules",
        "jsx",
        "jsxFactory",
        "jsxFragmentFactory",
        "jsxImportSource",
        "lib",
        "libReplacement",
        "maxNodeModuleJsDepth",
        "module",
        "moduleDetection",
        "moduleResolution",
        "moduleSuffixes",
        "noErrorTruncation",
        "noFallthroughCasesInSwitch",
        "noImplicitAny",
        "noImplicitOverride",
        "noImplicitReturns",
        "noImplicitThis",
        "noLib",
        "noPropertyAccessFromIndexSignature",
        "noResolve",
        "noUncheckedIndexedAccess",
        "noUncheckedSideEffectImports",
        "noUnusedLocals",
        "noUnusedParameters",
        "paths",
        "preserveConstEnums",
        "preserveSymlinks",
        "reactNamespace",
        "resolveJsonModule",
        "resolvePackageJsonExports",
        "resolvePackageJsonImports",
        "rewriteRelativeImportExtensions",
        "rootDirs",
        "stableTypeOrdering",
        "strict",
        "strictBindCallApply",
        "strictBuiltinIteratorReturn",
        "strictFunctionTypes",
        "strictNullChecks",
        "strictPropertyInitialization",
        "target",
        "typeRoots",
        "types",
        "useDefineForClassFields",
        "useUnknownInCatchVariables",
        "verbatimModuleSyntax",
    )
)
"""What is taken over of a project's options: how types are checked, and where modules are looked up."""

_WRITING = ("generateTrace", "generateCpuProfile", "tsBuildInfoFile", "incremental", "composite", "plugins")
"""What is taken away where a project's own settings are read to say what is wrong in them."""

_PATHS = ("baseUrl", "rootDirs", "typeRoots")
"""Options that are paths from the folder of the ``tsconfig.json``; ``paths`` are, too, in a table."""

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
    reach = Reach(source.root)
    Surroundings(source.root, reach).check(source.path.parent)
    found = _find_project(source)
    readable = [*reach.places, modules, sdk_folder(), *_settings_above(source, found)]
    project = None if found is None else _Project(found, _options(compiler, found, readable))
    with tempfile.TemporaryDirectory(prefix="capsule-types-") as folder:
        config = Path(folder) / "tsconfig.json"
        configuration = _configuration(source, project, modules, reach)
        config.write_text(json.dumps(configuration), "utf-8")
        arguments = ["-p", str(config), "--pretty", "false"]
        status, output = _run(compiler, arguments, source.root, [*readable, Path(folder)])
        problems = tuple(read_problems(output, config, source.name))
        if found is not None:
            wrong = _wrong_settings(compiler, found, Path(folder), source.root, readable)
            problems = (*read_problems(wrong, config, source.name), *problems)
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


def _settings_above(source: Source, project: Path | None) -> list[Path]:
    """Single files above the project that say how it is to be read."""
    manifests = [folder / "package.json" for folder in source.root.parents]
    extends = () if project is None else extended([str(project)])
    return [*manifests, *(Path(path) for path in extends if path.endswith(".json"))]


def _wrong_settings(compiler: Path, file: Path, folder: Path, root: Path, readable: list[Path]) -> str:
    """What the compiler says of a ``tsconfig.json`` itself, asked for an empty program."""
    (folder / "empty.ts").touch()
    config = folder / "settings" / "tsconfig.json"
    config.parent.mkdir()
    options = {"noLib": True, "types": [], "noEmit": True} | dict.fromkeys(_WRITING)
    asked = {"extends": str(file), "compilerOptions": options, "files": ["../empty.ts"], "include": []}
    config.write_text(json.dumps(asked), "utf-8")
    arguments = ["-p", str(config), "--pretty", "false", "--listFilesOnly"]
    return _run(compiler, arguments, root, [*readable, folder])[1]


def _options(compiler: Path, file: Path, readable: list[Path]) -> Mapping[str, Any]:
    """The options of a project that count, paths among them absolute."""
    status, output = _run(compiler, ["-p", str(file), "--showConfig"], file.parent, readable)
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
    return allowed_options(options, file.parent) if isinstance(options, dict) else {}


def allowed_options(options: Mapping[str, Any], start: Path) -> dict[str, Any]:
    """The options that count, of those of a ``tsconfig.json`` in the folder ``start``."""
    kept = {name: value for name, value in options.items() if name in _OPTIONS}
    base = start
    if isinstance(kept.get("baseUrl"), str):
        base = start / kept["baseUrl"]
    for name in _PATHS:
        value = kept.get(name)
        if isinstance(value, str):
            kept[name] = os.path.normpath(start / value)
        elif isinstance(value, list):
            kept[name] = [os.path.normpath(start / each) for each in value if isinstance(each, str)]
    if isinstance(kept.get("paths"), dict):
        kept["paths"] = _absolute(kept["paths"], base)
    return kept


def _configuration(source: Source, project: _Project | None, modules: Path, reach: Reach) -> dict[str, Any]:
    own = {} if project is None else project.options
    folders = [folder / "node_modules" for folder in (source.path.parent, *source.path.parent.parents)]
    options: dict[str, Any] = dict(_DEFAULTS) if project is None else dict(own)
    options |= {"noEmit": True, "incremental": False, "composite": False, "skipLibCheck": True}
    if "typeRoots" not in own:
        roots = [str(folder / "@types") for folder in folders if (folder / "@types").is_dir()]
        options["typeRoots"] = [*roots, str(modules / "@types")]
    if "types" not in own:
        options["types"] = ["node"]
    # One that lies elsewhere, as a link into a checkout does, can't be read.
    if not any((folder / SDK).is_dir() and reach.admits(str(folder / SDK)) for folder in folders):
        paths = own.get("paths")
        options["paths"] = (paths if isinstance(paths, dict) else {}) | {
            SDK: [str(sdk_folder() / "index.d.ts")],
            f"{SDK}/runner": [str(sdk_folder() / "runner.d.ts")],
        }
    return {"compilerOptions": options, "files": [str(source.path)], "include": [], "references": []}


def _absolute(paths: Mapping[str, Any], start: Path) -> dict[str, list[str]]:
    return {
        name: [os.path.normpath(start / place) for place in places if isinstance(place, str)]
        for name, places in paths.items()
        if isinstance(places, list)
    }


def _run(compiler: Path, arguments: list[str], folder: Path, readable: list[Path]) -> tuple[int, str]:
    try:
        done = run_tool(
            looking_at([str(compiler), *arguments], readable),
            cwd=folder,
            environment={"PATH": os.defpath},
            timeout=TIMEOUT,
            limits=ToolLimits(memory=MEMORY, file=0),
        )
    except (OSError, TimeoutError) as error:
        raise BuildError(f"the TypeScript compiler can't be run: {error}", hint="capsule doctor") from None
    return done.status, done.output
