"""The compiler: where it is, what it is started with, and the runtime that it makes once per machine."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from capsule.errors import BuildError
from capsule.frontend.confined import Confinement
from capsule.frontend.folders import locked
from capsule.frontend.installing import install_line
from capsule.frontend.process import Finished, TookTooMuchError, ToolLimits, run_tool
from capsule.frontend.spec import Host

COMPILE_SECONDS = 120.0
FIRST_SECONDS = 1200.0
"""The first program of a machine waits for the C library: some 30 s on two cores, C++'s another minute."""

LIMITS = ToolLimits(memory=2 << 30, file=256 << 20)
"""For each process of the compiler. A program that uses much of C++'s library took 0.25 GB; a few lines of
templates or macros can ask for any amount. A larger component wouldn't be compiled for the machine."""

ROOM = 8 << 30
FILES = 500_000
PROCESSES = 200
"""Bytes and files of its cache and of what it makes, and processes at one time."""

STACK = 1 << 20
"""Bytes of the program's own stack. It is at the bottom of memory, so that an overflow traps."""

RECIPE = "1"
"""Changes when this package compiles differently from the same sources."""

MACHINE = ("-target", "wasm32-wasi", "-mexec-model=reactor", "-mcpu=generic+simd128")

TARGET = (*MACHINE, "-O2", "-g0", "-s", "-UNDEBUG")
"""How everything is compiled; Zig would take assertions out of optimised code."""

SAFE = ("-fno-gnu-inline-asm",)
"""Inline assembly has directives that read files of the machine into a program."""

C_STANDARD = "-std=gnu23"
CPP_STANDARD = ("-std=gnu++23", "-fno-exceptions")

RUNTIME = (
    "end",
    "landing",
    "wasi_streams",
    "memory",
    "wasi_files",
    "json_powers",
    "json_number",
    "json_text",
    "json_read",
    "json_real",
    "json_write",
    "json_value",
    "json_access",
    "program",
    "calls",
    "http",
)
"""The runtime's parts, in the order in which they are linked: `sdk/src/end.c` says why."""

_LARGEST_STATUS = 128
"""Beyond it are the signals of which the compiler's own children died."""

_SMALLER = "look for templates, constant expressions, macros and arrays that grow without bounds"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The compiler of the ``ziglang`` package, with its cache."""

    program: Path
    library: Path
    cache: Path

    def run(
        self,
        arguments: list[str],
        *,
        cwd: Path,
        scratch: Path,
        timeout: float,
        made: Path | None = None,
        objects: Sequence[Path] = (),
    ) -> Finished:
        """Runs the compiler, within limits, and without anything of the environment.

        It reads ``cwd``, ``objects``, the SDK and its own library, and writes ``scratch``, its cache, and
        ``made``, the folder of what it makes, if that is another one. Raises `BuildError` when it takes too
        long, too much memory, or writes too much.
        """
        environment = {
            "ZIG_GLOBAL_CACHE_DIR": str(self.cache),
            "ZIG_LOCAL_CACHE_DIR": str(scratch),
            "ZIG_LIB_DIR": str(self.library),
            "TMPDIR": str(scratch),
            "HOME": str(scratch),
            "PATH": "",
            # What __DATE__ and __TIME__ say: the same inputs give the same bytes.
            "SOURCE_DATE_EPOCH": "0",
        }
        try:
            done = run_tool(
                [str(self.program), *arguments],
                cwd=cwd,
                environment=environment,
                timeout=timeout,
                limits=LIMITS,
                confinement=Confinement(
                    reads=(self.library, sdk_folder(), cwd, *objects),
                    writes=(self.cache, scratch, *(() if made is None else (made,))),
                    programs=(self.program.parent,),
                    room=ROOM,
                    files=FILES,
                    processes=PROCESSES,
                ),
            )
        except TookTooMuchError as error:
            raise BuildError(f"the compiler was stopped: {error.strerror}", hint=_SMALLER) from None
        except TimeoutError:
            raise BuildError(f"the compiler took longer than {timeout:g} seconds", hint=_SMALLER) from None
        except OSError as error:
            raise BuildError(f"the compiler did not start: {error}", hint="capsule doctor") from None
        if not 0 <= done.status <= _LARGEST_STATUS:
            raise BuildError(
                f"the compiler took more than {LIMITS.memory >> 30} GiB of memory, or wrote more than "
                f"{LIMITS.file >> 20} MiB, or broke down",
                hint=_SMALLER,
            )
        return done


def sdk_folder() -> Path:
    """The runtime's sources and headers: package data, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / "sdk"
    return installed if installed.is_dir() else package.parent / "sdk"


def include_folders() -> tuple[Path, ...]:
    """Where ``<capsule.h>`` is."""
    return (sdk_folder() / "include",)


def ziglang_folder() -> Path | None:
    """The folder of the ``ziglang`` package, None when it isn't installed."""
    try:
        spec = importlib.util.find_spec("ziglang")
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent


def find_toolchain(host: Host) -> Toolchain:
    """The compiler. Raises `BuildError` when its package isn't there."""
    folder = ziglang_folder()
    if folder is None or not (folder / "zig").is_file():
        raise BuildError(
            "the C compiler is not installed (the package ziglang)", hint=install_line("capsule-c")
        )
    return Toolchain(folder / "zig", folder / "lib", host.cache_folder("zig"))


@lru_cache(maxsize=1)
def toolchain_versions() -> Mapping[str, str]:
    """What decides a program's bytes besides its files."""
    versions = {"runtime": runtime_digest()}
    for package in ("capsule-c", "ziglang", "wasmtime"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "missing"
    return versions


@lru_cache(maxsize=1)
def runtime_digest() -> str:
    """A digest of the runtime's sources, the wrapper, and the flags."""
    digest = hashlib.sha256()
    parts = (RECIPE, *TARGET, *SAFE, C_STANDARD, *CPP_STANDARD, *RUNTIME, str(STACK))
    digest.update("\0".join(parts).encode())
    folder = sdk_folder()
    for path in [*sorted(folder.rglob("*.[ch]")), Path(__file__).parent / "world.wat"]:
        content = path.read_bytes()
        digest.update(f"\0{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def runtime_objects(toolchain: Toolchain, host: Host) -> list[Path]:
    """The compiled runtime, made on first use. Raises `BuildError`."""
    versions = toolchain_versions()
    name = hashlib.sha256(f"{versions['ziglang']} {versions['runtime']}".encode()).hexdigest()[:32]
    folder = host.cache_folder("runtime") / name
    if not folder.is_dir():
        waiting = "waiting for the C library and runtime, which are being built"
        with locked(folder.with_suffix(".lock"), host.progress, waiting):
            if not folder.is_dir():
                host.progress("building the C library and runtime (once per machine, half a minute)")
                _build_runtime(toolchain, folder)
    return [folder / f"{part}.o" for part in RUNTIME]


def _build_runtime(toolchain: Toolchain, folder: Path) -> None:
    sdk = sdk_folder()
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".runtime."))
    try:
        made = scratch / "made"
        made.mkdir()
        for part in RUNTIME:
            source = sdk / "src" / f"{part}.c"
            command = ["cc", *TARGET, *SAFE, C_STANDARD]
            for path in (*include_folders(), sdk / "src"):
                command += ["-isystem", str(path)]
            command += ["-c", source.name, "-o", str(made / f"{part}.o")]
            done = toolchain.run(command, cwd=source.parent, scratch=scratch, timeout=FIRST_SECONDS)
            if done.status != 0:
                raise BuildError(
                    "the C runtime could not be compiled",
                    hint="capsule doctor",
                    traceback=done.output[-20_000:],
                )
        _build_library(toolchain, made, scratch)
        made.replace(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _build_library(toolchain: Toolchain, made: Path, scratch: Path) -> None:
    """Links a program without tasks: the compiler builds its C library when it is first asked for it."""
    table = scratch / "tasks.c"
    table.write_text("#include <program.h>\nconst capsule_task capsule_tasks[] = {{0}};\n")
    command = ["cc", *TARGET, C_STANDARD, *(str(made / f"{part}.o") for part in RUNTIME)]
    for path in (*include_folders(), sdk_folder() / "src"):
        command += ["-isystem", str(path)]
    command += [table.name, "-o", str(scratch / "empty.wasm")]
    done = toolchain.run(command, cwd=scratch, scratch=scratch, timeout=FIRST_SECONDS)
    if done.status != 0:
        raise BuildError(
            "the C library could not be built", hint="capsule doctor", traceback=done.output[-20_000:]
        )
