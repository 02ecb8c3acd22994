"""From a program's files to a core module.

The compiler works in a private folder that holds what was read as the program's inputs, and nothing
else of the project. What it read is checked afterwards against its own list: a header of the toolchain's,
or one of those files.
"""

from __future__ import annotations

import os
import posixpath
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from capsule.errors import BuildError, Location
from capsule.frontend.spec import Host
from capsule_c.discovery import Declared
from capsule_c.sources import CPP_SUFFIXES, Program
from capsule_c.toolchain import (
    C_STANDARD,
    COMPILE_SECONDS,
    CPP_STANDARD,
    FIRST_SECONDS,
    SAFE,
    STACK,
    TARGET,
    Toolchain,
    find_toolchain,
    include_folders,
    runtime_objects,
    sdk_folder,
)

_ERROR = re.compile(r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):\d+: (?:fatal )?error: (?P<message>.*)$", re.M)
_INCLUDED = re.compile(r"^In file included from (?P<file>[^\s:/][^:\n]*):(?P<line>\d+)", re.M)
_UNDEFINED = re.compile(r"undefined symbol: (?P<symbol>\S+)")
_DUPLICATE = re.compile(r"duplicate symbol: (?P<symbol>.+)")
_TASK = "capsule_task_"
_TAIL = 50_000
"""Characters of the compiler's output that an error keeps."""


@dataclass(frozen=True, slots=True)
class _Unit:
    """One run of the compiler: ``source`` is relative to the folder of the project's files."""

    source: str
    output: Path
    list: Path
    own: bool
    """Whether it is the user's file."""


def compile_program(program: Program, tasks: tuple[Declared, ...], host: Host) -> bytes:
    """A core module of the program and the runtime. Raises `BuildError`, with file and line."""
    toolchain = find_toolchain(host)
    runtime = runtime_objects(toolchain, host)
    with tempfile.TemporaryDirectory(prefix="capsule-c-") as name:
        folder = Path(os.path.realpath(name))
        project = folder / "project"
        for file, content in program.files.items():
            path = project / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        table = folder / "tasks.c"
        table.write_text(_table(tasks))
        units = [
            _Unit(source, folder / f"{index}.o", folder / f"{index}.d", True)
            for index, source in enumerate(program.sources)
        ]
        units.append(_Unit(str(table), folder / "tasks.o", folder / "tasks.d", False))
        with ThreadPoolExecutor(max_workers=min(len(units), os.cpu_count() or 1)) as pool:
            for done in [pool.submit(_compile, toolchain, program, unit, folder) for unit in units]:
                done.result()
        return _link(toolchain, program, tasks, [*runtime, *(unit.output for unit in units)], folder)


def _shown(output: str, folder: Path) -> str:
    """The end of the compiler's output, without the name of the private folder."""
    return output.replace(f"{folder}/project/", "").replace(f"{folder}/", "")[-_TAIL:]


def _table(tasks: tuple[Declared, ...]) -> str:
    """C text of the table that the runtime looks tasks up in."""
    lines = ["#include <program.h>"]
    lines += [f"capsule_outcome {_TASK}{task.function}(void);" for task in tasks]
    lines.append("const capsule_task capsule_tasks[] = {")
    lines += [f"    {{{_c_string(task.declaration.name)}, {_TASK}{task.function}}}," for task in tasks]
    return "\n".join([*lines, "    {0},", "};", ""])


def _c_string(text: str) -> str:
    """A string literal; octal escapes take three digits at most, so that nothing can follow into them."""
    return '"' + "".join(f"\\{byte:03o}" for byte in text.encode("utf-8", "surrogateescape")) + '"'


def _compile(toolchain: Toolchain, program: Program, unit: _Unit, folder: Path) -> None:
    cpp = PurePosixPath(unit.source).suffix.lower() in CPP_SUFFIXES
    command = ["c++", *TARGET, *SAFE, *CPP_STANDARD] if cpp else ["cc", *TARGET, *SAFE, C_STANDARD]
    # A compiler that breaks down would write the program out once more, for its authors.
    command += ["-Werror=return-type", "-fno-crash-diagnostics"]
    for folder_name in program.include:
        command += ["-I", folder_name]
    for path in include_folders():
        command += ["-isystem", str(path)]
    if not unit.own:
        command += ["-isystem", str(sdk_folder() / "src")]
    command += ["-MD", "-MF", str(unit.list), "-c", unit.source, "-o", str(unit.output)]
    try:
        done = toolchain.run(
            command,
            cwd=folder / "project",
            scratch=folder / "scratch",
            timeout=COMPILE_SECONDS,
            made=folder,
        )
    except BuildError as failure:
        # Its output is not told: what the compiler had read by then isn't known.
        raise BuildError(failure.message, hint=failure.hint, location=Location(unit.source)) from None
    listed = _check_read(toolchain, unit, folder)
    if done.status != 0:
        error = _compile_error(_shown(done.output, folder), unit)
        if listed:
            raise error
        # What the compiler read is not known, and its output quotes it: only a place in the program is told.
        if error.location is None or error.location.file not in program.files:
            error = BuildError("the program does not compile", location=Location(unit.source))
        raise BuildError(error.message, hint=error.hint, location=error.location)
    if not listed:
        raise BuildError("the compiler did not say what it read", hint="capsule doctor")


def _check_read(toolchain: Toolchain, unit: _Unit, folder: Path) -> bool:
    """Checks what the compiler read; False when it left no list, which it does for a missing header."""
    try:
        text = unit.list.read_text("utf-8", "surrogateescape")
    except OSError:
        return False
    allowed = (folder, Path(os.path.realpath(toolchain.library)), sdk_folder())
    for name in read_files(text):
        path = Path(os.path.realpath(folder / "project" / name))
        if not any(path.is_relative_to(place) for place in allowed):
            raise BuildError(
                f"the program includes {name}, which is not of its project",
                hint="copy the file into the project, and include it by a relative path",
                location=Location(unit.source),
            )
    return True


def read_files(text: str) -> Iterator[str]:
    """The files in a list of dependencies as ``make`` reads it."""
    _, _, rest = text.replace("\\\r\n", " ").replace("\\\n", " ").partition(": ")
    for name in re.findall(r"(?:\\.|[^\s\\])+", rest):
        yield re.sub(r"\\([\s#])", r"\1", name).replace("$$", "$")


def _compile_error(output: str, unit: _Unit) -> BuildError:
    found = _ERROR.search(output)
    if found is None:
        return BuildError("the program does not compile", location=Location(unit.source), traceback=output)
    message = found["message"]
    hint = None
    if "inline assembly is disabled" in message:
        hint = "inline assembly can read any file of the machine that compiles, so programs can't use it"
    # An error in a header of the toolchain's happened where the program includes it.
    place = found
    if found["file"].startswith("/"):
        place = [*_INCLUDED.finditer(output, 0, found.start()), found][-2:][0]
    location = Location(posixpath.normpath(place["file"]), int(place["line"]))
    count = len(_ERROR.findall(output))
    if count > 1:
        message += f" (and {count - 1} more)"
    return BuildError(message, hint=hint, location=location, traceback=output)


def _link(
    toolchain: Toolchain, program: Program, tasks: tuple[Declared, ...], objects: list[Path], folder: Path
) -> bytes:
    module = folder / "program.wasm"
    cpp = any(PurePosixPath(source).suffix.lower() in CPP_SUFFIXES for source in program.sources)
    command = ["c++" if cpp else "cc", *TARGET, *map(str, objects)]
    command += [f"-Wl,-z,stack-size={STACK}", "-o", str(module)]
    done = toolchain.run(
        command, cwd=folder, scratch=folder / "scratch", timeout=FIRST_SECONDS, made=folder, objects=objects
    )
    if done.status == 0:
        return module.read_bytes()
    raise _link_error(_shown(done.output, folder), program, tasks)


def _link_error(output: str, program: Program, tasks: tuple[Declared, ...]) -> BuildError:
    entry = Location(program.sources[0])
    undefined = _UNDEFINED.search(output)
    if undefined is not None:
        symbol = undefined["symbol"]
        for task in tasks:
            if symbol == _TASK + task.function:
                return BuildError(
                    f"the task {task.declaration.name!r} is declared but not compiled",
                    hint="is it in a file that is only included, or inside an #if that is false?",
                    location=task.declaration.location,
                )
        return BuildError(
            f"nothing defines {symbol}",
            hint='other files are compiled too when the source says so: // capsule: sources = ["lib/*.c"]',
            location=entry,
            traceback=output,
        )
    duplicate = _DUPLICATE.search(output)
    message = f"{duplicate['symbol']} is defined twice" if duplicate else "the program does not link"
    return BuildError(message, location=entry, traceback=output)
