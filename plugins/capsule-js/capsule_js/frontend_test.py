from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from capsule.errors import BuildError, ConfigError, Location
from capsule.frontend.manager import plugins
from capsule.frontend.spec import EngineProgram, Frontend, Inputs, Source
from capsule_js.bundle import Esbuild
from capsule_js.frontend import JavaScriptFrontend

MAIN = 'import { task } from "@capsule-run/sdk";\nexport const main = task({ name: "main" }, () => 1);\n'

pytestmark = pytest.mark.usefixtures("esbuild")


def source(root: Path, content: str = MAIN, name: str = "main.ts", **settings: Any) -> Source:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    time.sleep(0.05)  # Younger than that, nothing is remembered.
    return Source(path, root, settings)


def without_bundler(monkeypatch: pytest.MonkeyPatch) -> None:
    def called(*arguments: object) -> None:
        raise AssertionError("the bundler ran")

    monkeypatch.setattr(JavaScriptFrontend, "_toolchain", called)


def test_the_host_finds_the_frontend_for_every_suffix() -> None:
    for suffix in (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs", ".jsx"):
        frontend = plugins().frontend_for(Path(f"main{suffix}"))
        assert frontend.name == "javascript"
        assert isinstance(frontend, Frontend)


def test_a_source_becomes_a_program_of_the_engine(tmp_path: Path, host: Any) -> None:
    frontend = JavaScriptFrontend()
    main = source(tmp_path)
    inputs = frontend.inputs(main, host)
    assert inputs.files == {"main.ts": MAIN.encode()}
    (task,) = frontend.discover(main, inputs, host)
    assert (task.name, task.location) == ("main", Location("main.ts", 2))
    compiled = frontend.compile(main, inputs, host, snapshot=False)
    assert isinstance(compiled, EngineProgram)
    assert compiled.engine == frontend.engine(main) or compiled.engine.key == frontend.engine(main).key
    assert "__capsule_builtins" in compiled.program.entries["bundle"]
    assert compiled.program.entries["frames"].startswith('["')


def test_the_same_files_are_the_same_inputs_and_the_same_program(tmp_path: Path, host: Any) -> None:
    made = []
    for folder in ("a", "b"):
        main = source(tmp_path / folder)
        frontend = JavaScriptFrontend()
        inputs = frontend.inputs(main, host)
        compiled = frontend.compile(main, inputs, host, snapshot=False)
        assert isinstance(compiled, EngineProgram)
        made.append((inputs, compiled.program))
    assert made[0] == made[1]


def test_a_second_run_needs_no_bundler(tmp_path: Path, host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    frontend = JavaScriptFrontend()
    main = source(tmp_path)
    first = frontend.inputs(main, host)
    without_bundler(monkeypatch)
    assert frontend.inputs(main, host) == first
    assert JavaScriptFrontend().inputs(main, host) == first, "also in the next process"


def test_an_edit_is_noticed_at_once(tmp_path: Path, host: Any) -> None:
    frontend = JavaScriptFrontend()
    main = source(tmp_path)
    first = frontend.inputs(main, host)
    main.path.write_text(MAIN.replace("=> 1", "=> 2"))
    second = frontend.inputs(main, host)
    assert second.digests != first.digests
    assert second.files != first.files


def test_a_comment_changes_the_inputs_because_it_moves_lines(tmp_path: Path, host: Any) -> None:
    frontend = JavaScriptFrontend()
    first = frontend.inputs(source(tmp_path), host)
    assert frontend.inputs(source(tmp_path, "// more\n" + MAIN), host) != first


def test_a_package_decides_through_the_bundle(tmp_path: Path, host: Any) -> None:
    frontend = JavaScriptFrontend()
    package = tmp_path / "node_modules" / "p" / "index.js"
    package.parent.mkdir(parents=True)
    package.write_text("module.exports = 1;")
    main = source(tmp_path, 'import p from "p";\n' + MAIN.replace("=> 1", "=> p"))
    first = frontend.inputs(main, host)
    assert set(first.files) == {"main.ts"}
    package.write_text("module.exports = 2;")
    assert frontend.inputs(main, host).digests != first.digests


def test_what_is_remembered_of_an_old_state_is_not_compiled(tmp_path: Path, host: Any) -> None:
    main = source(tmp_path)
    inputs = JavaScriptFrontend().inputs(main, host)
    main.path.write_text(MAIN + "// edited")
    with pytest.raises(BuildError, match="changed while it was being built"):
        JavaScriptFrontend().compile(main, inputs, host, snapshot=False)


def test_a_damaged_memory_costs_time_and_nothing_else(tmp_path: Path, host: Any) -> None:
    main = source(tmp_path)
    first = JavaScriptFrontend().inputs(main, host)
    for file in (host.folder / "bundles").iterdir():
        file.write_bytes(b"{}")
    assert JavaScriptFrontend().inputs(main, host) == first


def test_tasks_of_own_modules_count_and_those_of_dropped_ones_do_not(tmp_path: Path, host: Any) -> None:
    source(tmp_path, MAIN.replace("main", "kept"), "kept.ts")
    source(tmp_path, MAIN.replace("main", "dropped"), "lib/dropped.ts")
    source(tmp_path, '{"sideEffects": false}', "lib/package.json")
    main = source(tmp_path, 'import "./kept"; import { dropped } from "./lib/dropped";\n' + MAIN)
    frontend = JavaScriptFrontend()
    tasks = frontend.discover(main, frontend.inputs(main, host), host)
    assert [task.name for task in tasks] == ["main", "kept"]


def test_options_that_only_running_tells_come_from_the_sealed_sandbox(tmp_path: Path, host: Any) -> None:
    asked: list[str] = []

    class Sealed:
        progress = host.progress
        cache_folder = host.cache_folder

        def call_engine(self, engine: object, export: str, *arguments: str, program: Any = None) -> str:
            asked.append(export)
            assert "bundle" in program.entries
            return json.dumps([{"name": "main", "options": {"maxRetries": 3}, "file": "main.ts", "line": 2}])

    frontend = JavaScriptFrontend()
    main = source(tmp_path, MAIN.replace('name: "main"', 'name: "main", maxRetries: f()') + "function f() {}")
    (task,) = frontend.discover(main, frontend.inputs(main, host), Sealed())
    assert asked == ["declared"]
    assert task.options == {"max_retries": 3}


def test_an_unknown_setting_is_an_error_with_the_nearest_one(tmp_path: Path, host: Any) -> None:
    with pytest.raises(ConfigError, match="engin") as caught:
        JavaScriptFrontend().inputs(source(tmp_path, engin="x"), host)
    assert "engine" in (caught.value.hint or "")


def test_a_source_outside_the_project_is_an_error(tmp_path: Path, host: Any) -> None:
    main = source(tmp_path)
    with pytest.raises(BuildError, match="outside the project"):
        JavaScriptFrontend().inputs(Source(main.path, tmp_path / "elsewhere"), host)


def test_inputs_are_quick_when_nothing_has_changed(tmp_path: Path, host: Any) -> None:
    frontend = JavaScriptFrontend()
    main = source(tmp_path)
    frontend.inputs(main, host)
    times = []
    for _ in range(50):
        started = time.perf_counter()
        frontend.inputs(main, host)
        times.append(time.perf_counter() - started)
    assert min(times) < 0.002, "a warm run may cost 2.5 ms in all"


def test_inputs_carry_the_versions_of_all_tools(tmp_path: Path, host: Any, esbuild: Esbuild) -> None:
    frontend = JavaScriptFrontend()
    inputs: Inputs = frontend.inputs(source(tmp_path), host)
    assert inputs.toolchain["esbuild"] == esbuild.version
    assert inputs.toolchain["capsule-js"] == frontend.version
    assert len(inputs.toolchain["engine"]) == 64


def test_doctor_says_what_is_there_and_starts_no_installation(host: Any) -> None:
    checks = {check.name: check for check in JavaScriptFrontend().doctor()}
    assert checks["esbuild"].state == "ok"
    assert checks["JavaScript engine recipe"].state == "ok"
    assert all(check.hint for check in checks.values() if check.state in ("missing", "broken"))
