"""Thin, exported and snapshot artifacts of one program."""

from __future__ import annotations

import pytest

from capsule import run_sync


def test_an_exported_artifact_is_not_compiled_again(project, cli):
    project.write("main.py", "def main(): return 'out'")
    assert cli("run", "main.py").status == 0
    assert cli("build", "main.py", "--export").status == 0
    done = cli("exec", "main.wasm")
    assert done.stdout == "out\n"
    assert "compiling" not in done.stderr


def test_an_engine_that_was_tampered_with_is_not_taken_for_the_machine_s_own(project, cli):
    project.write("main.py", "def main(): return 'out'")
    assert cli("build", "main.py", "--export").status == 0
    path = project / "main.wasm"
    data = bytearray(path.read_bytes())
    place = data.index(b"\0asm", 8)  # the first module in the engine, whose magic number is broken
    data[place + 1] ^= 1
    path.write_bytes(data)
    done = cli("exec", "main.wasm")
    assert done.status == 2
    assert "not a component that can be compiled" in done.stderr


SNAPSHOT = """
    import { task } from "@capsule-run/sdk";

    let loads = Date.now();
    export const main = task({ name: "main" }, () => loads);
"""


@pytest.mark.slow
def test_a_snapshot_that_was_built_is_what_runs_until_the_source_changes(project, cli):
    path = project.write("main.ts", SNAPSHOT)
    assert run_sync(path).result != run_sync(path).result
    built = cli("build", "main.ts", "--snapshot")
    assert built.status == 0, built.stderr
    frozen = cli("run", "main.ts").stdout
    assert cli("run", "main.ts").stdout == frozen
    project.write("main.ts", SNAPSHOT.replace("Date.now()", "7"))
    assert cli("run", "main.ts").stdout == "7\n"


def test_two_projects_with_equal_sources_have_an_artifact_each(project):
    for name in ("one", "two"):
        project.write(f"{name}/capsule.toml", "")
        path = project.write(f"{name}/main.py", "def main(): return 5")
        assert run_sync(path).result == 5
        assert list((project / name / ".capsule" / "wasm").glob("*.wasm")), name
