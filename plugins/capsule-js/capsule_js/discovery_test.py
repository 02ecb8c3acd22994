from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from capsule.errors import BuildError, Location
from capsule.frontend.spec import TaskDeclaration
from capsule_js.discovery import Module, discover_tasks

SDK = 'import { task } from "@capsule-run/sdk";\n'


def never() -> str:
    raise AssertionError("the text tells everything, and the sandbox was asked")


def discover(
    source: str, *others: Module, name: str = "main.ts", declared: Any = never
) -> dict[str, TaskDeclaration]:
    found = discover_tasks(Module(name, source.encode()), others, (), declared)
    return {task.name: task for task in found}


def refused(source: str, name: str = "main.ts") -> BuildError:
    with pytest.raises(BuildError) as caught:
        discover(source, name=name)
    return caught.value


def asked(source: str, name: str = "main.ts", answer: object = ()) -> bool:
    """Whether the sandbox is asked."""
    calls = []

    def declared() -> str:
        calls.append(1)
        return json.dumps(answer or [{"name": "main", "options": {}, "line": 1}])

    discover(source, name=name, declared=declared)
    return bool(calls)


def test_tasks_come_with_options_in_the_guides_names_and_with_their_line() -> None:
    tasks = discover(
        SDK
        + """
export const analyze = task({
  name: "analyze_data", compute: "MEDIUM", ram: "512MB", timeout: 30 * 1000, maxRetries: 1,
  allowedFiles: ["./data", { path: "./out", mode: "rw" }], allowedHosts: ["*.example.com"],
  envVariables: ["KEY"],
}, (dataset: number[]): object => ({ processed: dataset.length }));
export const main = task({ name: "main", compute: 5_000_000 }, () => analyze([1]));
"""
    )
    assert list(tasks) == ["main", "analyze_data"]
    assert tasks["main"] == TaskDeclaration("main", {"compute": 5_000_000}, Location("main.ts", 8), ())
    assert tasks["analyze_data"].location == Location("main.ts", 3)
    assert tasks["analyze_data"].options == {
        "compute": "MEDIUM",
        "ram": "512MB",
        "timeout": 30_000,
        "max_retries": 1,
        "allowed_files": ["./data", {"path": "./out", "mode": "rw"}],
        "allowed_hosts": ["*.example.com"],
        "env_variables": ["KEY"],
    }


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ('import { task as t } from "@capsule-run/sdk"; t({ name: "main" }, () => 1);', "main.ts"),
        (
            'import * as sdk from "@capsule-run/sdk"; export default sdk.task({ name: "main" }, () => 1);',
            "main.mts",
        ),
        ('import sdk from "@capsule-run/sdk"; sdk.task({ name: "main" }, () => 1);', "main.ts"),
        ('import sdk = require("@capsule-run/sdk"); sdk.task({ name: "main" }, () => 1);', "main.cts"),
        (
            'import { task, type Envelope } from "@capsule-run/sdk"; task<[], 1>({ name: "main" }, f);',
            "main.ts",
        ),
        (
            'const { task } = require("@capsule-run/sdk"); exports.main = task({ name: "main" }, () => 1);',
            "main.cjs",
        ),
        (
            'const { task: t } = require("@capsule-run/sdk"); module.exports.a = (t({ name: "main" }, f));',
            "main.js",
        ),
        ('const sdk = require("@capsule-run/sdk"); sdk.task({ name: "main" }, () => 1);', "main.js"),
        ('const t = require("@capsule-run/sdk").task; t({ name: "main" }, () => 1);', "main.js"),
        (SDK + 'export const main = task({ name: "main" }, () => <p>{1}</p>);', "main.tsx"),
        (SDK + 'export const main = task({ name: "main" }, () => <p>{1}</p>);', "main.jsx"),
        (
            SDK + 'const all = [1].map((task) => task + 1); task({ name: "main" }, (task) => { task(); });',
            "main.ts",
        ),
        (SDK + 'task({ name: "main" }, function () { const task = 1; return task; });', "main.js"),
        (
            SDK + 'type T = typeof task; export const main = task({ name: "main" } as const, async () => 1);',
            "main.ts",
        ),
    ],
)
def test_every_way_to_name_the_sdk_is_read_from_the_text(source: str, name: str) -> None:
    assert list(discover(source, name=name)) == ["main"]


@pytest.mark.parametrize(
    "source",
    [
        SDK + 'if (x) task({ name: "main" }, () => 1);',
        SDK + 'for (const name of ["main"]) task({ name }, () => 1);',
        SDK + 'function define(name) { return task({ name }, () => 1); } define("main");',
        SDK + 'task({ name: "main", ram: size() }, () => 1);',
        SDK + 'task({ name: "main", ...options }, () => 1);',
        SDK + "export { task };",
        SDK + 'const t = task; t({ name: "main" }, () => 1);',
        'export * from "@capsule-run/sdk";',
        'const { task } = await import("@capsule-run/sdk"); task({ name: "main" }, () => 1);',
        'import * as sdk from "@capsule-run/sdk"; register(sdk);',
        'export { main } from "./tasks";',
        'import { main as other } from "./tasks"; export { other as main };',
        "export const main = wrap(() => 1);",
    ],
)
def test_what_only_running_tells_is_asked_of_the_sandbox(source: str) -> None:
    assert asked(source)


def test_the_sandbox_decides_which_tasks_there_are_and_the_text_what_is_said_of_them() -> None:
    source = SDK + 'task({ name: "main", ram: "1MB" }, () => 1);\nif (x) task({ name: "maybe" }, () => 1);'
    answer = [
        {"name": "main", "options": {"ram": "2GB"}, "line": 9},
        {"name": "maybe", "options": {"maxRetries": 2}, "file": "main.ts", "line": 3},
    ]
    tasks = discover(source, declared=lambda: json.dumps(answer))
    assert tasks["main"].options == {"ram": "1MB"}
    assert tasks["maybe"] == TaskDeclaration("maybe", {"max_retries": 2}, Location("main.ts", 3))


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{}",
        "[1]",
        '[{"name": "", "options": {}}]',
        '[{"name": "a"}]',
        "[" * 100_000,
        '[{"name": 1, "options": {}}]',
    ],
)
def test_a_hostile_answer_is_an_error_with_the_users_line(answer: str) -> None:
    with pytest.raises(BuildError, match="unusable answer") as caught:
        discover(SDK + "if (x) task({}, () => 1);", declared=lambda: answer)
    assert caught.value.location == Location("main.ts", 2)


def test_a_hostile_answer_can_not_name_files_of_its_own() -> None:
    answer = [{"name": "main", "options": {}, "file": "/etc/passwd", "line": -1}]
    tasks = discover(SDK + "if (x) task({}, () => 1);", declared=lambda: json.dumps(answer))
    assert tasks["main"].location == Location("main.ts")


def test_a_program_that_fails_in_the_sandbox_is_an_error_that_names_what_could_not_be_read() -> None:
    def declared() -> str:
        raise BuildError("Error: no network", traceback="Error: no network\n    at main.ts:3:1")

    with pytest.raises(BuildError, match="sealed sandbox") as caught:
        discover(SDK + 'task({ name: "main", ram: size() }, () => 1);', declared=declared)
    assert caught.value.location == Location("main.ts", 2)
    assert "size()" in caught.value.message
    assert caught.value.traceback is not None


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("export function main() {}", "main.ts"),
        ("export async function main(a: string) {}", "main.mts"),
        ("export const main = (a) => a;", "main.js"),
        ("export const main = async function () {};", "main.js"),
        ("function main() {}\nexport { main };", "main.js"),
        ('import type { Envelope } from "@capsule-run/sdk";\nexport function main() {}', "main.ts"),
    ],
)
def test_an_exported_function_main_is_a_task_without_options(source: str, name: str) -> None:
    assert discover(source, name=name)["main"].options == {}


def test_a_task_main_hides_an_exported_function() -> None:
    source = SDK + 'task({ name: "main", ram: "1MB" }, () => 1);\nexport function main() {}'
    assert discover(source)["main"].options == {"ram": "1MB"}


@pytest.mark.parametrize(
    "source", ["", "export const x = 1;", "function main() {}", SDK + 'task({ name: "a" }, () => 1);']
)
def test_without_a_main_the_error_shows_how_to_write_one(source: str) -> None:
    error = refused(source)
    assert error.message == 'no task named "main"'
    assert error.hint is not None
    assert list(discover(error.hint.partition(":")[2])) == ["main"], "the hint works as it stands"


@pytest.mark.parametrize(
    "options", ["{}", '{ name: "" }', "{ name: 5 }", "{ name: undefined }", "{ name: null }"]
)
def test_a_task_without_a_name_is_an_error_with_its_line(options: str) -> None:
    error = refused(SDK + f"\ntask({options}, () => 1);")
    assert error.location == Location("main.ts", 3)
    assert "name" in error.message


@pytest.mark.parametrize("arguments", ['"main"', '{ name: "main" }', '"main", () => 1', "[], () => 1"])
def test_wrong_arguments_of_task_are_an_error_with_its_line(arguments: str) -> None:
    assert refused(SDK + f"task({arguments});").location == Location("main.ts", 2)


def test_two_tasks_of_one_name_are_an_error_that_names_both() -> None:
    with pytest.raises(BuildError, match=r"main\.ts:2 and lib\.ts:3"):
        discover(
            SDK + 'task({ name: "main" }, () => 1);',
            Module("lib.ts", (SDK + '\ntask({ name: "main" }, () => 2);').encode()),
        )


def test_tasks_of_the_projects_other_modules_count() -> None:
    other = Module("lib/t.mjs", (SDK + 'task({ name: "other" }, () => 2);').encode())
    tasks = discover(SDK + 'task({ name: "main" }, () => 1);', other)
    assert tasks["other"].location == Location("lib/t.mjs", 2)


def test_packages_with_tasks_are_for_the_sandbox_to_answer() -> None:
    answer = json.dumps([{"name": "main", "options": {}}, {"name": "theirs", "options": {}}])
    found = discover_tasks(
        Module("main.ts", (SDK + 'task({ name: "main" }, () => 1);').encode()),
        (),
        ("node_modules/p/index.js",),
        lambda: answer,
    )
    assert [task.name for task in found] == ["main", "theirs"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(SDK.split() + list("(){}[],;:=.`$'\"<>") + ["task", "name", "main", "export"]),
        max_size=40,
    )
)
@example(["task"] + ["("] * 5000)
@example(["x", "="] + ["["] * 5000)
def test_any_text_ends_in_tasks_or_an_error_for_people(words: list[str]) -> None:
    def declared() -> str:
        raise BuildError("it can't be loaded")

    with suppress(BuildError):
        discover(SDK + " ".join(words), declared=declared)
