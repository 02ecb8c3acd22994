"""Programs from their sources to their outcomes: discovery, bundling and the engine together."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from capsule import run_sync
from capsule.errors import BuildError

pytestmark = pytest.mark.usefixtures("esbuild", "component")

SDK = 'import { task } from "@capsule-run/sdk";\n'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "capsule.toml").touch()
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def run(root: Path, files: dict[str, str], *args: Any, file: str = "main.ts", **options: Any) -> Any:
    write(root, files)
    return run_sync(root / file, args, **options)


def test_tasks_that_only_running_tells_are_found_in_a_sealed_sandbox(project: Path) -> None:
    files = {
        "main.ts": SDK
        + """
const define = (name: string, retries: number) => task({ name, maxRetries: retries }, (x: number) => x + 1);
const tasks = ["one", "two"].map((name, index) => define(name, index));
export const main = task({ name: "main", envVariables: [process.env.HOME ?? "NO_HOME"] }, () => {
  return tasks.map((each) => each(1).unwrap());
});
"""
    }
    assert run(project, files).unwrap() == [2, 2]


def test_a_task_that_a_package_declares_runs_by_name(project: Path) -> None:
    files = {
        "main.ts": 'import { shout } from "loud";\n'
        + SDK
        + "export const main = task({ name: 'main' }, shout);",
        "node_modules/loud/package.json": '{"name": "loud", "main": "index.js"}',
        "node_modules/loud/index.js": """
const { task } = require("@capsule-run/sdk");
exports.shout = (text) => exports.upper(text).unwrap() + "!";
exports.upper = task({ name: "loud/upper" }, (text) => text.toUpperCase());
""",
    }
    assert run(project, files, "hey").unwrap() == "HEY!"


def test_an_exported_function_main_is_called_with_the_arguments(project: Path) -> None:
    files = {"main.mts": "export async function main(a: number, b: number) { return { sum: a + b }; }"}
    assert run(project, files, 1, 2, file="main.mts").unwrap() == {"sum": 3}


def test_a_workspace_with_paths_json_and_jsx_runs(project: Path) -> None:
    files = {
        "app/main.tsx": SDK
        + """
import { render } from "@my/lib";
import data from "@/data.json";
const h = (tag: string, props: object | null, ...inner: string[]) => `<${tag}>${inner.join("")}</${tag}>`;
export const main = task({ name: "main" }, () => render(<b>{data.name}</b>));
""",
        "app/data.json": '{"name": "Ada"}',
        "app/tsconfig.json": json.dumps(
            {"compilerOptions": {"jsx": "react", "jsxFactory": "h", "paths": {"@/*": ["./*"]}}}
        ),
        "lib/package.json": '{"name": "@my/lib", "exports": "./src/index.ts"}',
        "lib/src/index.ts": "enum Mark { End = '.' }\nexport const render = (x: string) => x + Mark.End;",
    }
    write(project, files)
    (project / "node_modules" / "@my").mkdir(parents=True)
    (project / "node_modules" / "@my" / "lib").symlink_to("../../lib")
    assert run(project, {}, file="app/main.tsx").unwrap() == "<b>Ada</b>."


def test_a_traceback_names_the_lines_of_all_modules_in_it(project: Path) -> None:
    files = {
        "main.ts": SDK + 'import { check } from "./lib/check";\n\ntask({ name: "main" }, () => check(-1));\n',
        "lib/check.ts": "type N = number;\n\nexport function check(n: N): N {\n"
        "  if (n < 0) throw new RangeError(`bad ${n}`);\n  return n;\n}\n",
    }
    error = run(project, files).error
    assert error["message"] == "RangeError: bad -1"
    assert "at check (lib/check.ts:4:" in error["traceback"]
    assert "main.ts:4:" in error["traceback"]


def test_an_edit_of_any_module_shows_in_the_next_run(project: Path) -> None:
    files = {
        "main.ts": SDK + 'import { x } from "./x";\nexport const main = task({ name: "main" }, () => x);',
        "x.ts": "export const x = 1;",
    }
    assert run(project, files).unwrap() == 1
    assert run(project, {"x.ts": "export const x = 2;"}).unwrap() == 2
    assert run(project, {"x.mts": "export const x = 3;"}).unwrap() == 2
    (project / "x.ts").unlink()
    assert run(project, {"x/index.ts": "export const x = 4;"}).unwrap() == 4
    assert run(project, {"x.tsx": "export const x = 5;"}).unwrap() == 5


def test_a_program_whose_top_level_needs_what_the_sealed_sandbox_lacks_is_an_error_with_its_line(
    project: Path,
) -> None:
    files = {
        "main.ts": SDK + 'if (!process.env.KEY) throw new Error("no key");\ntask({ name: pick() }, () => 1);'
    }
    with pytest.raises(BuildError) as caught:
        run(project, files)
    assert str(caught.value.location) == "main.ts:3"
    assert "no key" in caught.value.message
    assert "main.ts:2:" in (caught.value.traceback or "")


@pytest.mark.slow
def test_a_snapshot_runs_its_top_level_once_and_its_tasks_as_ever(project: Path) -> None:
    write(
        project,
        {
            "main.ts": SDK
            + """
const table = Array.from({ length: 1000 }, (_, index) => index * index);
const square = task({ name: "square" }, (x: number) => table[x]);
export const main = task({ name: "main" }, (x: number) => square(x).unwrap());
"""
        },
    )
    command = [Path(sys.executable).with_name("capsule"), "build", "main.ts", "--snapshot", "--export"]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=300)
    assert run(project, {}, 12, file="main.wasm").unwrap() == 144


STATEMENTS = {
    "JSON.parse(text)": 1,
    "JSON.parse('{bad')": 1,
    "JSON.parse('[1,\\n2,\\n3,\\nbad]')": 1,
    "JSON.parse(`[1,\n2,\nbad]`)": 1,
    "eval('1;\\n\\nlet x = ;')": 1,
    "new Function('return (')": 1,
    "fail('one\\ntwo', LIMIT, NAME, `${LIMIT}\n`)": 2,
}


@pytest.mark.parametrize("engine", ["quickjs", "starlingmonkey"])
def test_a_text_that_is_parsed_and_constants_leave_the_places_of_errors_right(
    project: Path, engine: str
) -> None:
    write(project, {"capsule.toml": f'[javascript]\nengine = "{engine}"\n'})
    cases = "".join(f"  () => {statement},\n" for statement in STATEMENTS)
    source = f"""\
{SDK}const LIMIT = 2 + 3, NAME = "a" + "\\n" + "b";
function fail(...parts: any[]) {{ throw new SyntaxError(parts.join("")); }}
export const main = task({{ name: "main" }}, (number: number, text = "[1,\\n\\n\\nbad]") => [
{cases}][number]());
"""
    for number, (statement, frames) in enumerate(STATEMENTS.items()):
        traceback = run(project, {"main.ts": source}, number).error["traceback"]
        places = [int(line) for line in re.findall(r"main\.ts:(\d+)", traceback)]
        first = source[: source.index(f"() => {statement}")].count("\n") + 1
        at = places[frames - 1]
        assert first <= at <= first + statement.count("\n"), (statement, traceback)
        assert len(places) == frames + 1, traceback
        assert "bundle" not in traceback
