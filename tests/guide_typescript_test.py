"""The user guide, sentence by sentence, where it speaks of TypeScript and JavaScript."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest
from capsule_js.engine import builtins
from capsule_js.toolchain import ManagedToolchain

from capsule import BuildError, run_sync
from capsule.launch.journals import close_journals
from capsule.policy.options import OPTIONS

COMMAND = Path(sysconfig.get_path("scripts")) / "capsule"
ROOT = Path(__file__).parent.parent
SDK = ROOT / "plugins" / "capsule-js" / "sdk"
DOCS = (ROOT / "docs/typescript.md").read_text()

HELLO = """
    import { task } from "@capsule-run/sdk";

    export const main = task({
      name: "main",
      compute: "LOW",
      ram: "64MB"
    }, (): string => {
      return "Hello from Capsule!";
    });
"""


@pytest.fixture
def typescript(project):
    """Runs a ``main.ts`` in this process."""

    def run(text, *args, file="main.ts", **options):
        return project.run(text, *args, file=file, **options)

    return run


@pytest.fixture(scope="module")
def node():
    """The Node of the frontend's toolchain; without a network and a cache, the tests are skipped."""
    try:
        return ManagedToolchain().node(print)
    except BuildError as error:
        pytest.skip(f"needs Node: {error}")


@pytest.fixture
def script(project, node):
    """Runs a Node program in the project, in which the SDK is installed."""
    shutil.copytree(SDK, project / "node_modules/@capsule-run/sdk")

    def run(text, *arguments):
        project.write("host.mjs", text)
        done = subprocess.run(
            [node, "host.mjs", *arguments],
            cwd=project.root,
            env=os.environ | {"CAPSULE_COMMAND": str(COMMAND)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


# How it works


def test_the_task_wrapper_and_main_of_the_guide_work(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";

        export const analyzeData = task({
          name: "analyze_data",
          compute: "MEDIUM",
          ram: "512MB",
          timeout: "30s",
          maxRetries: 1
        }, (dataset: number[]): object => {
          // Your code runs safely in a Wasm sandbox
          return { processed: dataset.length, status: "complete" };
        });

        // The "main" task is required as the entrypoint
        export const main = task({
          name: "main",
          compute: "HIGH"
        }, () => {
          return analyzeData([1, 2, 3, 4, 5]);
        });
    """)
    assert envelope.execution["task_name"] == "main"
    inner = envelope.result
    assert inner["success"] is True
    assert inner["error"] is None
    assert inner["result"] == {"processed": 5, "status": "complete"}
    assert inner["execution"]["task_name"] == "analyze_data"
    assert inner["execution"]["retries"] == 0
    assert inner["execution"]["fuel_consumed"] > 0


def test_each_task_runs_in_a_sandbox_of_its_own(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        const seen: string[] = [];
        declare const globalThis: any;

        const step = task({ name: "step" }, (item: string) => {
          seen.push(item);
          globalThis.left = (globalThis.left ?? 0) + 1;
          return [seen, globalThis.left];
        });

        export const main = task({ name: "main" }, () => {
          seen.push("main");
          return [step("a").result, step("b").result, seen, globalThis.left ?? null];
        });
    """)
    assert envelope.result == [[["a"], 1], [["b"], 1], ["main"], None]


def test_a_task_is_isolated_from_the_host_system(project, typescript, monkeypatch):
    monkeypatch.setenv("SECRET", "secret")
    project.write("secret.txt", "secret")
    envelope = typescript(
        """
        import { task } from "@capsule-run/sdk";
        import { execSync } from "node:child_process";
        import fs from "node:fs";
        import net from "node:net";

        const attempt = (action: () => unknown) => {
          try {
            return String(action());
          } catch (error: any) {
            return error.code;
          }
        };

        export const main = task({ name: "main" }, (path: string) => ({
          absolute: attempt(() => fs.readFileSync(path, "utf8")),
          relative: attempt(() => fs.readFileSync("secret.txt", "utf8")),
          passwd: attempt(() => fs.readFileSync("/etc/passwd", "utf8")),
          process: attempt(() => execSync("true")),
          socket: attempt(() => net.connect(22, "127.0.0.1")),
          environment: Object.keys(process.env),
        }));
        """,
        str(project / "secret.txt"),
    )
    found = envelope.unwrap()
    for name in ("absolute", "relative", "passwd"):
        assert found[name] in ("ENOENT", "EACCES"), found
    assert found["process"] == found["socket"] == "ERR_CAPSULE_UNAVAILABLE"
    assert found["environment"] == []


def test_a_failed_task_does_not_take_the_others_along(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";

        const part = task({ name: "part" }, (item: number) => {
          if (item === 1) throw new Error("part one is broken");
          return item;
        });

        export const main = task({ name: "main" }, () =>
          [0, 1, 2].map((item) => part(item)).map(({ success, result }) => [success, result]));
    """)
    assert envelope.result == [[True, 0], [False, None], [True, 2]]


def test_a_task_called_main_is_the_entry_point(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        export const other = task({ name: "other" }, () => "other");
        export const begin = task({ name: "main" }, () => "begin");
    """)
    assert envelope.result == "begin"


def test_a_program_needs_a_main_and_the_error_says_how_to_write_one(project, cli, said):
    project.write("main.ts", "export const number = 1;\n")
    done = cli("run", "main.ts")
    said(done, "main.ts", "main", "task(")
    assert done.status in (2, 3)


def test_a_failed_tasks_envelope_has_the_message_and_a_stack_in_the_users_file(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";

        interface Customer { name: string }

        export const main = task({ name: "main" }, () => {
          const customers: Record<string, Customer> = {};
          throw new RangeError("no such customer");
        });
    """)
    assert envelope["success"] is False
    assert envelope["result"] is None
    assert envelope["error"]["error_type"] == "task_error"
    assert envelope["error"]["message"] == "RangeError: no such customer"
    assert "main.ts:7" in envelope["error"]["traceback"]


# Getting started, production


def test_hello_runs_from_the_command_line(project, cli):
    project.write("hello.ts", HELLO)
    done = cli("run", "hello.ts")
    assert (done.status, done.stdout) == (0, "Hello from Capsule!\n")


def test_verbose_shows_real_time_task_execution_details(project, cli):
    project.write("hello.ts", HELLO)
    done = cli("run", "hello.ts", "--verbose")
    assert done.stdout == "Hello from Capsule!\n"
    assert "[#1 main] accepted" in done.stderr
    assert "[#1] succeeded after" in done.stderr


def test_an_exported_artifact_runs_with_exec_without_its_source(project, cli):
    project.write("hello.ts", HELLO)
    built = cli("build", "hello.ts", "--export")
    assert built.status == 0, built
    (project / "hello.wasm").rename(project / "moved.wasm")
    (project / "hello.ts").unlink()
    done = cli("exec", "moved.wasm")
    assert (done.status, done.stdout) == (0, "Hello from Capsule!\n")
    tasks = json.loads(cli("tasks", "moved.wasm", "--json").stdout)
    assert tasks[0]["effective"]["ram"] == 64 << 20
    assert run_sync(project / "moved.wasm", cwd=project.root).result == "Hello from Capsule!"


def test_build_precompiles_ahead_of_time(project, cli):
    project.write("main.ts", HELLO)
    assert cli("build", "main.ts").status == 0
    [built] = project.artifacts()
    assert cli("run", "main.ts").stdout == "Hello from Capsule!\n"
    assert project.artifacts() == [built]


def test_capsule_creates_the_build_cache_in_the_project_root(project, typescript):
    typescript(HELLO).unwrap()
    assert [path.name.startswith("main_") for path in project.artifacts()] == [True]
    assert (project / ".capsule/wit").is_dir()
    # A run doesn't wait for its record: the journal writes it on a thread of its own.
    close_journals()
    assert (project / ".capsule/trace.db").is_file()


# Task configuration options


def test_options_in_camel_case_are_the_policy(project, cli):
    project.write(
        "main.ts",
        """
        import { task } from "@capsule-run/sdk";

        export const main = task({
          name: "main",
          compute: "1000000",
          ram: "2GB",
          timeout: "1h",
          maxRetries: 3,
          allowedFiles: ["./data", { path: "./input", mode: "read-only" }],
          allowedHosts: ["api.openai.com", "*.anthropic.com"],
          envVariables: ["API_KEY"],
        }, () => 1);
    """,
    )
    policy = json.loads(cli("tasks", "main.ts", "--json").stdout)[0]["effective"]
    assert (policy["compute"], policy["ram"], policy["timeout"]) == (1_000_000, 2 << 30, 3600)
    assert policy["max_retries"] == 3
    assert policy["allowed_hosts"] == ["api.openai.com", "*.anthropic.com"]
    assert policy["env_variables"] == ["API_KEY"]
    assert [(file["path"], file["mode"]) for file in policy["allowed_files"]] == [
        ("data", "read-write"),
        ("input", "read-only"),
    ]
    assert policy["origins"]["compute"] == "main.ts:3"


def test_the_defaults_are_those_of_the_guide(project, cli):
    project.write("main.ts", 'import { task } from "@capsule-run/sdk";\ntask({ name: "main" }, () => 1);\n')
    policy = json.loads(cli("tasks", "main.ts", "--json").stdout)[0]["effective"]
    assert policy.pop("origins") == dict.fromkeys(policy, "built-in")
    assert policy == {
        "compute": 50_000_000_000,
        "ram": None,
        "timeout": None,
        "max_retries": 0,
        "allowed_files": [],
        "allowed_hosts": ["*"],
        "env_variables": [],
        "secrets": [],
        "tools": [],
    }


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ('compute: "SOME"', ["compute", "SOME", "LOW"]),
        ('ram: "512 pounds"', ["ram", "512 pounds"]),
        ('timeout: "soon"', ["timeout", "soon"]),
        ('maxRetries: "many"', ["maxRetries", "many"]),
        ('allowedFiles: ["/etc"]', ["allowedFiles", "/etc"]),
        ('allowedHosts: ["http://a.example"]', ["allowedHosts", "http://a.example"]),
        ('envVariables: ["A=B"]', ["envVariables", "A=B"]),
        ('colour: "red"', ["colour"]),
    ],
)
def test_a_bad_option_is_an_error_with_its_value_file_and_line(project, cli, said, option, words):
    project.write(
        "main.ts",
        f"""
        import {{ task }} from "@capsule-run/sdk";

        export const main = task({{ name: "main", {option} }}, () => 1);
    """,
    )
    done = cli("run", "main.ts")
    said(done, "main.ts:3", *words)
    assert done.status in (2, 3)


def test_a_name_is_required(project, cli, said):
    project.write(
        "main.ts",
        """
        import { task } from "@capsule-run/sdk";
        export const main = task({ compute: "LOW" }, () => 1);
    """,
    )
    done = cli("run", "main.ts")
    said(done, "main.ts:2", "name")
    assert done.status in (2, 3)


def test_an_entrypoint_and_defaults_come_from_capsule_toml(project, cli):
    project.write(
        "capsule.toml",
        """
        [workflow]
        name = "My AI Workflow"
        version = "1.0.0"
        entrypoint = "src/main.ts"

        [tasks]
        default_compute = "LOW"
        default_ram = "256MB"
        default_timeout = "30s"
        default_max_retries = 2
    """,
    )
    project.write(
        "src/main.ts",
        """
        import { task } from "@capsule-run/sdk";
        export const own = task({ name: "own", ram: "64MB", maxRetries: 0 }, () => 1);
        export const main = task({ name: "main" }, () => "by entrypoint");
    """,
    )
    assert cli("run").stdout == "by entrypoint\n"
    tasks = {task["name"]: task["effective"] for task in json.loads(cli("tasks", "--json").stdout)}
    options = ("compute", "ram", "timeout", "max_retries")
    assert [tasks["own"][option] for option in options] == [1_000_000_000, 64 << 20, 30, 0]
    assert [tasks["main"][option] for option in options] == [1_000_000_000, 256 << 20, 30, 2]


# HTTP client, network access


def test_fetch_works_as_in_the_guide(typescript, server):
    envelope = typescript(
        """
        import { task } from "@capsule-run/sdk";

        export const main = task({
          name: "main",
          compute: "MEDIUM",
          allowedHosts: ["127.0.0.1"]
        }, async (url: string) => {
          const response = await fetch(url);
          return response.json();
        });
        """,
        server.url + "/data",
    )
    assert envelope.unwrap() == {"method": "GET", "path": "/data", "body": ""}


def test_fetch_sends_methods_headers_and_bodies_and_reads_statuses(typescript, server):
    envelope = typescript(
        """
        import { task } from "@capsule-run/sdk";

        export const main = task({ name: "main", allowedHosts: ["127.0.0.1"] }, async (url: string) => {
          const posted = await fetch(`${url}/submit`, {
            method: "POST",
            headers: { "Content-Type": "application/json", "X-One": "1" },
            body: JSON.stringify({ key: "value" }),
          });
          const missing = await fetch(new URL("/status/404", url));
          return [posted.ok, posted.status, (await posted.json()).body, missing.ok, missing.status];
        });
        """,
        server.url,
    )
    assert envelope.unwrap() == [True, 200, '{"key":"value"}', False, 404]
    assert server.asked[0].method == "POST"
    assert server.asked[0].headers["x-one"] == "1"


def test_a_whitelist_restricts_access(typescript, server):
    text = """
        import { task } from "@capsule-run/sdk";

        export const main = task({
          name: "main",
          allowedHosts: ["api.openai.com", "*.anthropic.com"]
        }, async (url: string) => {
          const response = await fetch(url);
          return response.json();
        });
    """
    envelope = typescript(text, server.url)
    assert envelope.error["error_type"] == "permission_denied"
    assert "127.0.0.1" in envelope.error["message"]
    assert server.asked == []


# File access


def test_the_files_example_of_the_guide_works(project, typescript):
    project.write("data/input.txt", "the input")
    (project / "output").mkdir()
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        import fs from "fs/promises";

        export const restrictedWriter = task({
          name: "restricted_writer",
          allowedFiles: ["./output"]
        }, async () => {
          await fs.writeFile("./output/result.txt", "result");
        });

        export const main = task({ name: "main", allowedFiles: ["./data"] }, async () => {
          await restrictedWriter();
          return await fs.readFile("./data/input.txt", "utf8");
        });
    """)
    assert envelope.unwrap() == "the input"
    assert (project / "output/result.txt").read_text() == "result"


def test_files_outside_the_allowed_folders_are_not_accessible(project, typescript):
    project.write("data/input.txt", "x")
    project.write("other/secret.txt", "secret")
    (project / "data/link.txt").symlink_to(project / "other/secret.txt")
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        import fs from "node:fs";

        export const main = task({ name: "main", allowedFiles: ["./data"] }, () =>
          ["other/secret.txt", "data/../other/secret.txt", "data/link.txt", "/etc/passwd"].map((path) => {
            try {
              return fs.readFileSync(path, "utf8");
            } catch (error: any) {
              return error instanceof Error;
            }
          }));
    """)
    assert envelope.unwrap() == [True, True, True, True]


# Environment variables


def test_process_env_has_the_variables_that_the_task_names(typescript, monkeypatch):
    text = """
        import { task } from "@capsule-run/sdk";

        export const main = task({
          name: "main",
          envVariables: ["API_KEY"]
        }, () => {
          const apiKey = process.env.API_KEY;
          return { apiKeySet: apiKey !== undefined, names: Object.keys(process.env) };
        });
    """
    monkeypatch.setenv("OTHER", "x")
    monkeypatch.delenv("API_KEY", raising=False)
    assert typescript(text).unwrap() == {"apiKeySet": False, "names": []}
    monkeypatch.setenv("API_KEY", "key")
    assert typescript(text).unwrap() == {"apiKeySet": True, "names": ["API_KEY"]}


# In-code usage

SANDBOX = """
    import { task } from "@capsule-run/sdk";

    export const main = task({
      name: "main",
      compute: "LOW",
      ram: "64MB"
    }, (code: string): string => {
      return eval(code);
    });
"""


def test_the_runner_runs_the_sandbox_of_the_guide_from_node(project, script):
    project.write("sandbox.ts", SANDBOX)
    outcome = script("""
        import { run } from '@capsule-run/sdk/runner';

        const result = await run({
          file: './sandbox.ts', // or `sandbox.wasm`
          args: ['[1, 2].map((n) => n * 2).join()']
        });
        console.log(JSON.stringify(result));
    """)
    assert outcome["success"] is True
    assert outcome["result"] == "2,4"
    assert outcome["execution"]["task_name"] == "main"


def test_the_runner_takes_artifacts_and_python_too_many_at_once(project, cli, script):
    project.write("sandbox.ts", SANDBOX)
    assert cli("build", "sandbox.ts", "--export").status == 0
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="main")
        def main(number):
            return number + 1
    """,
    )
    outcomes = script("""
        import { run } from '@capsule-run/sdk/runner';

        const outcomes = await Promise.all([
          run({ file: "sandbox.wasm", args: ["6 * 7"] }),
          run({ file: "main.py", args: [1] }),
          ...Array.from({ length: 20 }, (_, n) => run({ file: "sandbox.ts", args: [`${n} * 2`] })),
        ]);
        console.log(JSON.stringify(outcomes.map((outcome) => outcome.unwrap())));
    """)
    assert outcomes == [42, 2, *(n * 2 for n in range(20))]


def test_the_runner_gives_failures_as_outcomes_and_throws_when_there_is_nothing_to_run(project, script):
    project.write("sandbox.ts", SANDBOX)
    found = script("""
        import { CapsuleError, run } from '@capsule-run/sdk/runner';

        const failed = await run({ file: "sandbox.ts", args: ["null.x"] });
        const endless = await run({ file: "sandbox.ts", args: ["for (;;);"] });
        const thrown = await run({ file: "missing.ts" }).catch((error) => error);
        console.log(JSON.stringify([
          failed.success, failed.error.error_type, endless.error.error_type,
          thrown instanceof CapsuleError, thrown.message,
        ]));
    """)
    assert found[:4] == [False, "task_error", "out_of_fuel", True]
    assert "missing.ts" in found[4]


def test_a_node_program_ends_by_itself_and_its_worker_with_it(project, cli, script):
    project.write("sandbox.ts", SANDBOX)
    assert cli("build", "sandbox.ts").status == 0
    started = time.monotonic()
    # The worker has the program's stderr: what reads it to the end waits for both.
    assert (
        script("""
        import { run } from '@capsule-run/sdk/runner';
        const { result } = await run({ file: "sandbox.ts", args: ["1"] });
        console.log(result);
    """)
        == 1
    )
    assert time.monotonic() - started < 20


def test_python_code_runs_typescript_files(project, python):
    project.write("sandbox.ts", SANDBOX)
    done = python("""
        import asyncio
        from capsule import run
        print(asyncio.run(run(file="./sandbox.ts", args=["6 * 7"]))["result"])
    """)
    assert done.stdout == "42\n", done


# Compatibility


def test_npm_packages_work(project, typescript):
    # The form in which npm lays packages out: one that is a module, one that is CommonJS and needs another.
    project.write("node_modules/modern/package.json", '{"name": "modern", "exports": {"import": "./m.js"}}')
    project.write("node_modules/modern/m.js", "export const twice = (n) => n * 2;\n")
    project.write("node_modules/classic/package.json", '{"name": "classic", "main": "lib/index.js"}')
    project.write("node_modules/classic/lib/index.js", 'module.exports = require("deep").value + "!";\n')
    project.write("node_modules/classic/node_modules/deep/index.js", 'exports.value = "deep";\n')
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        import classic from "classic";
        import { twice } from "modern";
        export const main = task({ name: "main" }, () => [twice(21), classic]);
    """)
    assert envelope.unwrap() == [42, "deep!"]


def test_a_package_that_is_not_installed_is_an_error_that_names_it(project, cli, said):
    project.write("main.ts", 'import x from "not-installed";\nexport const main = () => x;\n')
    done = cli("run", "main.ts")
    said(done, "main.ts:1", "not-installed", "npm install", status=3)


def test_es_modules_work(project, typescript):
    project.write("lib/helper.ts", "export const helper = (n: number): number => n + 1;\nexport default 3;\n")
    project.write("data.json", '{"answer": 42}')
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        import data from "./data.json";
        import three, * as all from "./lib/helper";
        import { helper as plusOne } from "./lib/helper.js";

        const late = await import("./lib/helper");
        export const main = task({ name: "main" }, () =>
          [data.answer, three, plusOne(1), all.helper === late.helper]);
    """)
    assert envelope.unwrap() == [42, 3, 2, True]


def test_common_node_built_ins_are_available(typescript):
    envelope = typescript("""
        import { task } from "@capsule-run/sdk";
        import { Buffer } from "buffer";
        import { createHash, randomUUID } from "crypto";
        import { EventEmitter, once } from "events";
        import path from "path";
        import { Readable } from "stream";
        import { setTimeout as sleep } from "timers/promises";
        import { format } from "util";
        import { gunzipSync, gzipSync } from "zlib";

        export const main = task({ name: "main" }, async () => {
          const emitter = new EventEmitter();
          const done = once(emitter, "done");
          setTimeout(() => emitter.emit("done", 1), 1);
          const chunks: string[] = [];
          for await (const chunk of Readable.from(["a", "b"])) chunks.push(chunk);
          await sleep(1);
          return [
            Buffer.from("hi").toString("base64"),
            createHash("sha256").update("").digest("hex").slice(0, 8),
            randomUUID().length,
            await done,
            path.resolve("/a", "../b"),
            chunks,
            format("%s=%d", "x", 1),
            gunzipSync(gzipSync("text")).toString(),
          ];
        });
    """)
    assert envelope.unwrap() == ["aGk=", "e3b0c442", 36, [1], "/b", ["a", "b"], "x=1", "text"]


@pytest.mark.parametrize("suffix", ["ts", "mts", "cts", "tsx", "js", "mjs", "cjs", "jsx"])
def test_every_kind_of_source_runs(project, suffix):
    load = 'const { task } = require("@capsule-run/sdk");'
    if not suffix.startswith("c"):
        load = 'import { task } from "@capsule-run/sdk";'
    text = f'{load}\ntask({{ name: "main" }}, () => "{suffix}");\n'
    assert project.run(text, file=f"main.{suffix}").result == suffix


# The page on TypeScript


def rows(section):
    """The first cells of a section's table, and the last ones."""
    text = DOCS.partition(f"# {section}\n")[2].partition("\n#")[0]
    cells = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return [(set(re.findall(r"`([^`]+)`", first)), last) for first, *_, last in cells]


def test_the_page_names_every_option_in_camel_case():
    camel = {re.sub("_([a-z])", lambda match: match[1].upper(), name) for name in OPTIONS}
    assert set().union(*(names for names, _ in rows("Options"))) == {"name", *camel}


def test_the_page_names_every_built_in():
    listed = set().union(*(names for names, _ in rows("What a task finds")))
    expected = {name.partition("/")[0] for name in builtins() if not name.startswith("@")}
    assert {name.partition("/")[0] for name in listed} == expected


def test_built_ins_that_the_page_says_are_not_there_say_why(typescript):
    [names] = [names for names, said in rows("What a task finds") if said.startswith("no:")]
    lines = "\n".join(f'import * as {name} from "{name}";' for name in sorted(names))
    found = typescript(
        f"""{lines}
        const modules: Record<string, any> = {{ {", ".join(sorted(names))} }};
        const refusals = (module: any) =>
          Object.values({{ ...module }}).flatMap((member: any) => {{
            try {{
              member();
            }} catch (error: any) {{
              if (error.code === "ERR_CAPSULE_UNAVAILABLE") return [error.message];
            }}
            return [];
          }});
        export const main = () =>
          Object.fromEntries(Object.entries(modules).map(([name, module]) => [name, refusals(module)]));
        """
    ).unwrap()
    assert set(found) == names
    for name, refusals in found.items():
        assert refusals, name
        assert all("is not available in a capsule sandbox: " in message for message in refusals)
