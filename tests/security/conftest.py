"""What the attacks have in common: hostile tasks, hostile components, and what the host looks like after."""

from __future__ import annotations

import re
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from capsule import Envelope
from capsule.artifact.manifest import Manifest, Task
from capsule.artifact.sections import pack
from capsule.errors import Location
from capsule.policy.model import Policy, TaskPolicy

Attack = Callable[..., Envelope]

_RESULTS = pytest.StashKey[dict[str, bool]]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_RESULTS] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without another runtime, there is nothing to try it with."""
    if config.getoption("--reference") is None:
        left_out = [item for item in items if "reference" in getattr(item, "fixturenames", ())]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints what the attacks gained in the other runtime, as rows of docs/security-tests.md."""
    results = config.stash[_RESULTS]
    if results:
        gained = sum(results.values())
        terminalreporter.section(f"{gained} of {len(results)} attacks gained something in the other runtime")
        for name, success in results.items():
            terminalreporter.line(f"| {name} | {'**succeeds**' if success else 'held'} |")


@pytest.fixture
def reference(request: pytest.FixtureRequest) -> str:
    """The other runtime's command."""
    return str(request.config.getoption("--reference"))


@pytest.fixture
def reference_results(request: pytest.FixtureRequest) -> dict[str, bool]:
    """What each attack gained in the other runtime."""
    return request.config.stash[_RESULTS]


TASK = """\
import json, os, sys, time
from capsule import task
{top}

@task(name="main", {options})
def main(*args):
{body}
"""


@pytest.fixture
def attack(project) -> Attack:
    """Runs the body of a hostile main task, under the options of its decorator, in this process."""

    def run(body: str, *args: Any, options: str = "", top: str = "", **more: Any) -> Envelope:
        lines = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
        return project.run(TASK.format(options=options, top=textwrap.dedent(top), body=lines), *args, **more)

    return run


TYPESCRIPT = """\
import {{ task }} from "@capsule-run/sdk";
import * as fs from "node:fs";
{top}

export const main = task({{ name: "main", {options} }}, async (...args: any[]): Promise<any> => {{
{body}
}});
"""


@pytest.fixture
def typescript_attack(project) -> Attack:
    """`attack` for TypeScript: ``body`` is that of an async function; it has ``args`` and ``fs``."""

    def run(body: str, *args: Any, options: str = "", top: str = "", **more: Any) -> Envelope:
        text = TYPESCRIPT.format(options=options, top=textwrap.dedent(top), body=textwrap.dedent(body))
        return project.run(text, *args, file="main.ts", **more)

    return run


WAT = """
(component
  {imports}
  (core module $m
    {core_imports}
    (memory (export "memory") 4)
    (data (i32.const 16) "{answer}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 65536)
    {functions}
    (func (export "run") (param i32 i32) (result i32)
      {body}
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const {size}))
      i32.const 0))
  (core instance $i (instantiate $m {with_}))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc"))))
  (export "run" (func $run)))
"""


def component_text(
    body: str = "",
    *,
    answer: str = '{"result": 1}',
    imports: str = "",
    core_imports: str = "",
    functions: str = "",
    with_: str = "",
) -> str:
    """A component, as text, whose ``run`` does ``body`` and then gives ``answer``."""
    data = answer.encode()
    return WAT.format(
        body=body,
        answer="".join(f"\\{byte:02x}" for byte in data),
        size=len(data),
        imports=imports,
        core_imports=core_imports,
        functions=functions,
        with_=with_,
    )


def manifest(*names: str, **policy: Any) -> Manifest:
    """A manifest that claims one policy for every task."""
    tasks = {
        name: Task(name, TaskPolicy(Policy(**policy)), Location("main.wat", 1)) for name in names or ("main",)
    }
    return Manifest("main.wat", "0" * 32, "wat", "1", tasks, {})


@pytest.fixture
def component(project) -> Callable[..., Path]:
    """Writes a component as the artifact ``main.wasm`` of the project."""

    def write(text: str | None = None, **policy: Any) -> Path:
        path: Path = project / "main.wasm"
        path.write_bytes(
            pack(manifest(**policy), component=bytes(wasmtime.wat2wasm(text or component_text())))
        )
        return path

    return write


def resident(field: str = "VmRSS") -> int:
    """Bytes of memory that this process has (``VmRSS``), or had at most (``VmHWM``)."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.fixture
def memory_grows_at_most() -> Callable[[int], Any]:
    """Asserts how far this process's memory rises above what it is, at any moment of the block."""

    @contextmanager
    def grows(most: int) -> Iterator[None]:
        if not Path("/proc/self/clear_refs").exists():
            pytest.skip("needs Linux")
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        before = resident()
        yield
        grown = resident("VmHWM") - before
        assert grown < most, f"{grown >> 20} MiB"

    return grows


@pytest.fixture
def threads_stay_below() -> Callable[[int], Any]:
    """Asserts how many threads there are at most during the block."""

    @contextmanager
    def below(most: int) -> Iterator[None]:
        highest, done = 0, threading.Event()

        def look() -> None:
            nonlocal highest
            while not done.wait(0.005):
                highest = max(highest, threading.active_count())

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()
        assert highest < most

    return below


@pytest.fixture
def hostile() -> Any:
    """The builders of components and manifests."""

    class Builders:
        text = staticmethod(component_text)
        manifest = staticmethod(manifest)

    return Builders
