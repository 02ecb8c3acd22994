"""The language as bundled programs see it, against Node: each entry of a program's result is compared."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from capsule import run_sync

pytestmark = pytest.mark.usefixtures("esbuild", "component")

PROGRAMS = Path(__file__).parent / "language"
ENGINES = ("quickjs", "starlingmonkey")


def in_node(program: Path) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs a Node to compare with")
    text = f"console.log(JSON.stringify(await (await import({json.dumps(program.as_uri())})).main()))"
    done = subprocess.run(
        [node, "--input-type=module", "-e", text], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


def in_a_sandbox(program: str, engine: str, folder: Path) -> Any:
    shutil.copytree(PROGRAMS, folder / "language")
    (folder / "capsule.toml").write_text(f'[javascript]\nengine = "{engine}"\n')
    return run_sync(folder / "language" / program).unwrap()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("program", ["parameters.mjs", "names/index.mjs", "imports/index.mjs"])
def test_the_language_is_nodes(program: str, engine: str, tmp_path: Path) -> None:
    ours, nodes = in_a_sandbox(program, engine, tmp_path), in_node(PROGRAMS / program)
    assert len(nodes) > 15
    assert {name: ours.get(name) for name in nodes} == nodes
