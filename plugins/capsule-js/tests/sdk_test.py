"""The npm package as a user's project has it: its types, its tasks outside a sandbox, its runner."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from capsule_js.toolchain import ManagedToolchain

pytestmark = pytest.mark.slow

SDK = Path(__file__).parent.parent / "sdk"
COMMAND = Path(sys.executable).with_name("capsule")

CONFIG = {
    "compilerOptions": {
        "strict": True,
        "noEmit": True,
        "target": "es2023",
        "module": "nodenext",
        "exactOptionalPropertyTypes": True,
        "types": [],
    }
}

TYPED = """
import { task, TaskError, type Envelope, type TaskOptions } from "@capsule-run/sdk";
import { run, CapsuleError } from "@capsule-run/sdk/runner";

type Is<A> = <T>() => T extends A ? 1 : 2;
type Equal<A, B> = Is<A> extends Is<B> ? true : false;
const same = <A, B>(_: Equal<A, B>): void => {};

export const analyze = task({
  name: "analyze_data", compute: "MEDIUM", ram: "512MB", timeout: "30s", maxRetries: 1,
  allowedFiles: ["./data", { path: "./out", mode: "read-write" }],
  allowedHosts: ["*.example.com"], envVariables: ["API_KEY"],
}, (dataset: number[]): { processed: number } => ({ processed: dataset.length }));
const numbers = { name: "numbers", compute: 1_000, timeout: 500, ram: 1024 } as const satisfies TaskOptions;
const load = task(numbers, async (url: string, times?: number) => [url, times ?? 1] as const);
const quiet = task({ name: "quiet" }, () => {});
const loose = task({ name: "loose" }, (code: string) => JSON.parse(code));

export const main = task({ name: "main", compute: "HIGH" }, async () => {
  const outcome = analyze([1, 2]);
  same<typeof outcome, Envelope<{ processed: number }>>(true);
  same<ReturnType<typeof outcome.unwrap>, { processed: number }>(true);
  if (outcome.success) outcome.result.processed.toFixed();
  else outcome.error.error_type satisfies string;
  const loaded = await load("x");
  same<typeof loaded, Envelope<readonly [string, number]>>(true);
  same<Awaited<ReturnType<typeof quiet.start>>, Envelope<null>>(true);
  same<ReturnType<typeof loose>, Envelope<any>>(true);
  const many = await analyze.map([[1], [2]]);
  same<typeof many, Envelope<{ processed: number }>[]>(true);
  const both = await Promise.all([load("a"), load("b", 2)]);
  return both.map((each) => each.unwrap()[0]);
});

// @ts-expect-error a task needs a name
task({ compute: "LOW" }, () => 1);
// @ts-expect-error options are the guide's, in camelCase
task({ name: "a", max_retries: 1 }, () => 1);
// @ts-expect-error modes are a closed set
task({ name: "a", allowedFiles: [{ path: "a", mode: "write" }] }, () => 1);
// @ts-expect-error arguments are the function's
analyze("no");
// @ts-expect-error a result is there only after a look at success
analyze([]).result.processed;
// @ts-expect-error an async task gives a promise
load("a").unwrap();

// An envelope isn't the result, nor a promise the envelope.
// @ts-expect-error call unwrap()
analyze([]) + 1;
// @ts-expect-error call unwrap()
for (const one of analyze([])) void one;
// @ts-expect-error call unwrap()
analyze([]).processed;
// @ts-expect-error call unwrap()
analyze([]) === 1;
// @ts-expect-error write await
load("a").result;
const started = analyze.start([1]);
same<typeof started, Promise<Envelope<{ processed: number }>>>(true);
const failure = new TaskError("late", "timeout", null, { taskName: "load", taskNumber: 3 });
same<typeof failure.taskName, string | null>(true);
same<typeof failure.taskNumber, number | null>(true);
analyze([]).execution.task_number satisfies number | undefined;

export async function host(): Promise<number> {
  try {
    const mounts = ["./d::/d:ro"];
    const outcome = await run<string>({ file: "./main.ts", args: ["code"], mounts, cwd: "." });
    return outcome.unwrap().length;
  } catch (error) {
    if (error instanceof TaskError) return error.errorType === "timeout" ? 1 : 2;
    return error instanceof CapsuleError ? error.exitCode : 3;
  }
}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project in which the SDK is installed."""
    installed = tmp_path / "node_modules" / "@capsule-run" / "sdk"
    shutil.copytree(SDK, installed)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    return tmp_path


@pytest.fixture(scope="session")
def node(managed: ManagedToolchain) -> Path:
    return managed.node(print)


def check(managed: ManagedToolchain, node: Path, project: Path) -> str:
    (project / "tsconfig.json").write_text(json.dumps(CONFIG))
    compiler = managed.typescript(print) / "typescript" / "bin" / "tsc"
    done = subprocess.run(
        [node, compiler, "-p", "."], cwd=project, capture_output=True, text=True, timeout=120
    )
    return done.stdout


def test_the_types_hold_under_strict_as_a_users_project_has_them(
    managed: ManagedToolchain, node: Path, project: Path
) -> None:
    (project / "main.ts").write_text(TYPED)
    assert check(managed, node, project) == ""


def test_the_check_of_the_types_finds_a_wrong_one(
    managed: ManagedToolchain, node: Path, project: Path
) -> None:
    (project / "main.ts").write_text(TYPED.replace("outcome.result.processed.toFixed()", "outcome.result.x"))
    assert "main.ts" in check(managed, node, project)


def evaluate(node: Path, project: Path, script: str, **environment: str) -> Any:
    """What a script leaves in `answer`."""
    (project / "script.mjs").write_text(f"let answer;\n{script}\nconsole.log(JSON.stringify(answer));\n")
    done = subprocess.run(
        [node, "script.mjs"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "CAPSULE_COMMAND": str(COMMAND), **environment},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_outside_a_sandbox_a_task_is_its_function_in_an_envelope(node: Path, project: Path) -> None:
    answer = evaluate(
        node,
        project,
        """
import { task, TaskError } from "@capsule-run/sdk";
const double = task({ name: "double" }, (x) => x * 2);
const later = task({ name: "later" }, async (x) => {
  if (x < 0) throw new RangeError("too small");
  return x;
});
const failed = await later(-1);
let thrown;
try {
  failed.unwrap();
} catch (error) {
  thrown = [error instanceof TaskError, error.errorType, error.message];
}
answer = [double(21).unwrap(), double(1).execution.task_name, (await later(3)).result, failed.success,
  failed.error.message, thrown, (await double.map([1, 2])).map((e) => e.result), double.name];
""",
    )
    thrown = [True, "task_error", 'the task "later" failed: RangeError: too small']
    assert answer == [42, "double", 3, False, "RangeError: too small", thrown, [2, 4], "double"]


MAIN = """
import { task } from "@capsule-run/sdk";
const double = task({ name: "double" }, (x: number) => x * 2);
export const main = task({ name: "main" }, (value: number) => {
  console.log("said by the guest");
  return double(value).unwrap();
});
export const endless = task({ name: "endless", compute: "HIGH" }, () => { for (;;); });
"""
PYTHON = 'from capsule import task\n\n@task(name="main")\ndef main(value):\n    return value + 1\n'


def test_the_runner_runs_typescript_and_python_many_at_once(node: Path, project: Path) -> None:
    (project / "main.ts").write_text(MAIN)
    (project / "main.py").write_text(PYTHON)
    answer = evaluate(
        node,
        project,
        """
import { run } from "@capsule-run/sdk/runner";
const heard = [];
const onOutput = (...said) => heard.push(said);
const runs = [1, 2, 3].flatMap((n) => [
  run({ file: "main.ts", args: [n], onOutput }),
  run({ file: "./main.py", args: [n] }),
]);
answer = [(await Promise.all(runs)).map((outcome) => outcome.unwrap()), heard];
""",
    )
    assert answer == [[2, 2, 4, 3, 6, 4], [["stdout", "said by the guest\n"]] * 3]


def test_there_is_one_worker_for_each_folder_and_command(node: Path, project: Path) -> None:
    (project / "main.py").write_text(PYTHON)
    log = project / "started"
    command = project / "command"
    command.write_text(f'#!/bin/sh\necho "$@" >> {log}\nexec {COMMAND} "$@"\n')
    command.chmod(0o755)
    (project / "sub").mkdir()
    evaluate(
        node,
        project,
        """
import { run } from "@capsule-run/sdk/runner";
for (const cwd of [undefined, ".", undefined]) await run({ file: "main.py", cwd, args: [1] });
await run({ file: "../main.py", cwd: "sub", args: [1] });
answer = 1;
""",
        CAPSULE_COMMAND=str(command),
    )
    assert log.read_text().splitlines() == ["worker", "worker"]


def test_what_can_not_be_run_rejects_with_a_hint(node: Path, project: Path) -> None:
    answer = evaluate(
        node,
        project,
        """
import { run, CapsuleError } from "@capsule-run/sdk/runner";
const error = await run({ file: "missing.ts" }).catch((error) => error);
answer = [error instanceof CapsuleError, error.message.split("\\n")[0], error.exitCode, typeof error.hint];
""",
    )
    assert answer == [True, "missing.ts: no such file", 2, "string"]


def test_a_missing_command_rejects_and_says_what_to_install(node: Path, project: Path) -> None:
    script = """
import { run } from "@capsule-run/sdk/runner";
answer = (await run({ file: "main.ts" }).catch((error) => error)).message;
"""
    assert "there is no /no/such/capsule" in evaluate(
        node, project, script, CAPSULE_COMMAND="/no/such/capsule"
    )


def test_a_run_that_is_aborted_rejects_and_the_worker_goes_on(node: Path, project: Path) -> None:
    (project / "main.ts").write_text(MAIN)
    answer = evaluate(
        node,
        project,
        """
import { run } from "@capsule-run/sdk/runner";
await run({ file: "main.ts", args: [1] });
const signal = AbortSignal.timeout(300);
const error = await run({ file: "main.ts", task: "endless", signal }).catch((error) => error);
answer = [error.name, (await run({ file: "main.ts", args: [4] })).result];
""",
    )
    assert answer == ["TimeoutError", 8]


def test_a_command_that_talks_nonsense_rejects_and_does_not_hang(node: Path, project: Path) -> None:
    command = project / "command"
    command.write_text("#!/bin/sh\necho nonsense\nexec sleep 60\n")
    command.chmod(0o755)
    script = """
import { run } from "@capsule-run/sdk/runner";
answer = (await run({ file: "main.ts" }).catch((error) => error)).message;
"""
    assert "no reply: nonsense" in evaluate(node, project, script, CAPSULE_COMMAND=str(command))


def test_a_result_of_many_pieces_arrives_whole(node: Path, project: Path) -> None:
    (project / "main.py").write_text(PYTHON.replace("value + 1", "['é' * 1000] * value"))
    script = """
import { run } from "@capsule-run/sdk/runner";
const { result } = await run({ file: "main.py", args: [2000] });
answer = [result.length, result.every((text) => text === "é".repeat(1000))];
"""
    assert evaluate(node, project, script) == [2000, True]


def test_an_error_in_on_output_is_the_callers_and_no_run_is_lost(node: Path, project: Path) -> None:
    (project / "main.ts").write_text(MAIN)
    script = """
import { run } from "@capsule-run/sdk/runner";
const errors = [];
process.on("uncaughtException", (error) => errors.push(error.message));
const onOutput = () => { throw new Error("mine"); };
answer = [(await run({ file: "main.ts", args: [2], onOutput })).result, errors];
"""
    assert evaluate(node, project, script) == [4, ["mine"]]


def test_a_command_without_a_worker_runs_each_by_itself(node: Path, project: Path) -> None:
    (project / "main.py").write_text(PYTHON)
    command = project / "command"
    command.write_text(f'#!/bin/sh\n[ "$1" = worker ] && exit 2\nexec {COMMAND} "$@"\n')
    command.chmod(0o755)
    script = """
import { run } from "@capsule-run/sdk/runner";
const first = await run({ file: "main.py", args: [1] });
answer = [first.unwrap(), (await run({ file: "main.py", args: [2] })).result];
"""
    assert evaluate(node, project, script, CAPSULE_COMMAND=str(command)) == [2, 3]


def test_the_worker_ends_when_its_parent_is_killed(node: Path, project: Path) -> None:
    (project / "main.ts").write_text(MAIN)
    pid = project / "pid"
    command = project / "command"
    command.write_text(f'#!/bin/sh\necho $$ > {pid}\nexec {COMMAND} "$@"\n')
    command.chmod(0o755)
    (project / "script.mjs").write_text(
        'import { run } from "@capsule-run/sdk/runner";\n'
        'await run({ file: "main.ts", args: [1] });\nconsole.log("ready");\n'
        'await run({ file: "main.ts", task: "endless" });\n'
    )
    parent = subprocess.Popen(
        [node, "script.mjs"],
        cwd=project,
        stdout=subprocess.PIPE,
        env={**os.environ, "CAPSULE_COMMAND": str(command)},
    )
    with parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        worker = int(pid.read_text())
        parent.kill()
    deadline = time.monotonic() + 20
    while _exists(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.05)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
