from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest
import wasmtime
from wasmtime.component import Component

from capsule.build.compiling import process
from capsule.build.compiling.bounds import LARGEST, MEMORY_VARIABLE, TIMEOUT_VARIABLE, Bounds
from capsule.build.compiling.process import compile_component
from capsule.errors import ArtifactError, ConfigError
from capsule.runtime.engine import engine

T = TypeVar("T")

EMPTY = bytes(wasmtime.wat2wasm("(component)"))


def many_variables(rounds: int) -> bytes:
    """A component whose one function has a thousand variables that live through ``rounds`` loops."""
    variables = "(local" + " i32" * 1000 + ")"
    loops = "".join(
        f"loop local.get {n % 1000} local.get {n * 7 % 1000} i32.add local.set {n * 13 % 1000} "
        f"local.get {n % 1000} br_if 0 end "
        for n in range(rounds)
    )
    return bytes(wasmtime.wat2wasm(f"(component (core module (func {variables} {loops})))"))


def nested(depth: int, width: int) -> bytes:
    """A component of ``depth`` levels, each of which makes ``width`` instances of the one inside of it."""
    text = "(component $c (core module $m (func)) " + "(core instance (instantiate $m))" * width + ")"
    for _ in range(depth):
        text = f"(component $c {text} " + "(instance (instantiate $c))" * width + ")"
    return bytes(wasmtime.wat2wasm(text))


def test_the_code_is_what_this_process_would_have_made() -> None:
    Component.deserialize(engine(), compile_component(EMPTY, "empty"))


@pytest.mark.parametrize("wasm", [b"", b"junk", EMPTY[:5], EMPTY + b"\x01\x05", b"\0asm\1\0\0\0"])
def test_what_is_no_component_is_refused_with_the_reason(wasm: bytes) -> None:
    with pytest.raises(ArtifactError, match=r"x\.wasm is not a component that can be compiled: .+"):
        compile_component(wasm, "x.wasm")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit of memory")
def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "200MB")
    with pytest.raises(ArtifactError, match="more memory to compile than 200 MiB") as raised:
        compile_component(many_variables(4000), "x.wasm")
    assert MEMORY_VARIABLE in str(raised.value.hint)


def test_time_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MEMORY_VARIABLE, "8GB")
    monkeypatch.setenv(TIMEOUT_VARIABLE, "500ms")
    started = time.monotonic()
    with pytest.raises(ArtifactError, match=r"longer to compile than 0\.5 seconds") as raised:
        compile_component(many_variables(8000), "x.wasm")
    assert TIMEOUT_VARIABLE in str(raised.value.hint)
    assert time.monotonic() - started < 10


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps the limit of memory")
def test_instances_that_double_at_every_level_are_bounded() -> None:
    """Two to the power of thirty instances in a few hundred bytes."""
    with pytest.raises(ArtifactError):
        compile_component(nested(30, 2), "x.wasm")


def test_a_component_that_is_too_large_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capsule.build.compiling.bounds.LARGEST", 100)
    with pytest.raises(ArtifactError, match="101 bytes; at most 100"):
        compile_component(bytes(101), "x.wasm")


def test_bounds_grow_with_the_component_and_leave_the_engines_room() -> None:
    small, large = Bounds.of(1000, "x"), Bounds.of(30 << 20, "x")
    assert small.seconds < 31
    assert small.memory < 513 << 20
    assert large.seconds > 15 * 20
    assert large.memory > 3 * (510 << 20)
    assert Bounds.of(LARGEST, "x").memory <= 4 << 30


@pytest.mark.parametrize("variable", [TIMEOUT_VARIABLE, MEMORY_VARIABLE])
def test_a_bound_that_can_t_be_read_is_an_error_for_people(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "plenty")
    with pytest.raises(ConfigError, match=variable):
        compile_component(EMPTY, "x.wasm")


def test_nothing_of_the_folder_or_of_the_environment_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wasmtime", "capsule", "resource", "ctypes", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "wasmtime.py"))
    compile_component(EMPTY, "x.wasm")
    assert not (tmp_path / "ran").exists()


def test_the_environment_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "secret")
    assert set(process._environment(2)) <= {
        "RAYON_NUM_THREADS",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "TMPDIR",
    }


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the process in /proc")
def test_the_compiling_process_ends_with_its_parent(tmp_path: Path) -> None:
    """Also when the parent is killed, and nothing of it gets to tidy up."""
    (tmp_path / "hard.wasm").write_bytes(many_variables(8000))
    program = (
        "import sys; from capsule.build.compiling.process import compile_component; "
        "compile_component(open(sys.argv[1], 'rb').read(), 'hard')"
    )
    environment = {**os.environ, MEMORY_VARIABLE: "8GB"}
    parent = subprocess.Popen([sys.executable, "-c", program, tmp_path / "hard.wasm"], env=environment)
    try:
        children = _eventually(lambda: _children(parent.pid))
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert children
    assert _eventually(lambda: not any(_alive(child) for child in children))


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _eventually(found: Callable[[], T]) -> T:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.02)
    return found()
