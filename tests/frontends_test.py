"""What is the same in every language: each behaviour as a Python and a TypeScript program, expected once."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

import capsule
from capsule import run_sync


@dataclass(frozen=True)
class Source:
    """One program in one language."""

    file: str
    text: str

    def place(self, line: int) -> re.Pattern[str]:
        """What a traceback says for a line of the program."""
        return re.compile(rf'{re.escape(self.file)}(:|", line ){line}\b')


def both(python: str, typescript: str) -> pytest.MarkDecorator:
    """The same program in both languages; the test is run for each."""
    sources = [Source("main.py", python), Source("main.ts", typescript)]
    return pytest.mark.parametrize("source", sources, ids=["python", "typescript"])


@pytest.fixture
def run(project, source):
    """Runs the program in this process, with the files that programs here may use."""
    (project / "data").mkdir()
    (project / "data/in.txt").write_text("input")
    (project / "output").mkdir()
    project.write(source.file, source.text)

    def call(*args, **options):
        return run_sync(project / source.file, args, cwd=project.root, **options)

    return call


# The table: a task `main` with options, parameters and a body in each language.

PYTHON = """
import json, os, sys, time
from capsule import task
from capsule.http import get

@task(name="main"{options})
def main({parameters}):
{body}
"""

TYPESCRIPT = """
import { task } from "@capsule-run/sdk";
import fs from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";

export const main = task({ name: "main"%s }, async (%s) => {
%s
});
"""

READ_ONLY = [{"path": "data", "mode": "read-only"}]


@dataclass(frozen=True)
class Behaviour:
    """What a task does in each language, and what comes of it in all of them."""

    python: str
    typescript: str
    result: Any = None
    error: str | None = None
    """The error type; None for a task that returns."""

    says: tuple[str, ...] = ()
    """What the error's message contains."""

    args: tuple[Any, ...] = ()
    parameters: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] | None = None
    retries: int = 0

    def sources(self) -> list[Source]:
        """The programs."""
        snake = "".join(f", {name}={value!r}" for name, value in self.options.items())
        camel = "".join(f", {_camel(name)}: {json.dumps(value)}" for name, value in self.options.items())
        body = "\n".join(f"    {line}" for line in self.python.splitlines())
        return [
            Source("main.py", PYTHON.format(options=snake, parameters=self.parameters, body=body)),
            Source("main.ts", TYPESCRIPT % (camel, self.parameters, self.typescript)),
        ]


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


VALUES = {
    "null": None,
    "true": True,
    "false": False,
    "zero": 0,
    "largest exact integer": 2**53,
    "fraction": -1.5e-7,
    "text": "text",
    "empty text": "",
    "beyond ascii": "\u00e9\u4e2d\U0001f600\x00\u2028",
    "list": [1, [2, []]],
    "empty object": {},
    "object": {"a": {"b": None}, "": [False], "__proto__x": 1},
    "envelope": {"success": False, "result": None, "error": {"error_type": "crash", "message": "no"}},
    "answer of the contract": {"error": {"error_type": "crash", "message": "no", "traceback": None}},
}

TABLE = {
    # Arguments and results
    **{
        f"a value comes back as it went: {name}": Behaviour(
            "return value", "return value", value, args=(value,), parameters="value"
        )
        for name, value in VALUES.items()
    },
    "no return value is null": Behaviour("pass", "", None),
    "defaults fill missing arguments": Behaviour(
        "return [a, b, c]", "return [a, b, c]", [1, 2, 3], args=(1,), parameters="a, b=2, c=3"
    ),
    "arguments go in order": Behaviour(
        "return [a, b]", "return [a, b]", ["x", {"y": 1}], args=("x", {"y": 1}), parameters="a, b=2"
    ),
    "a result that is not JSON is an error with its place": Behaviour(
        "return {'items': [1, {2}]}",
        "return { items: [1, 2n] };",
        error="task_error",
        says=("result.items[1]",),
    ),
    "a circle is an error with its place": Behaviour(
        "a = {'b': []}\na['b'].append(a)\nreturn a",
        "const a = { b: [] }; a.b.push(a); return a;",
        error="task_error",
        says=("result.b[0]",),
    ),
    "a result that is too large": Behaviour(
        "return 'x' * 2_000_000",
        "return 'x'.repeat(2_000_000);",
        error="result_too_large",
        says=("1048576",),
        limits={"result_bytes": "1MB"},
    ),
    # Errors
    "a thrown error has its type's name and its message": Behaviour(
        "class Broken(Exception): pass\nraise Broken('in two')",
        "class Broken extends Error { name = 'Broken' }; throw new Broken('in two');",
        error="task_error",
        says=("Broken: in two",),
    ),
    "an error that is caught is none": Behaviour(
        "try:\n    raise ValueError\nexcept ValueError:\n    return 'caught'",
        "try { throw new Error() } catch { return 'caught'; }",
        "caught",
    ),
    "ending the sandbox": Behaviour("sys.exit(0)", "process.exit(0);", error="exit"),
    "ending the sandbox with a code": Behaviour("sys.exit(1)", "process.exit(1);", error="exit", says=("1",)),
    # Limits
    "fuel": Behaviour(
        "while True: pass",
        "for (;;);",
        error="out_of_fuel",
        says=("5,000,000 fuel (main.",),
        options={"compute": 5_000_000},
    ),
    "fuel that a caller of run() bounds": Behaviour(
        "while True: pass",
        "for (;;);",
        error="out_of_fuel",
        says=("limits= compute",),
        options={"compute": "HIGH"},
        limits={"compute": 5_000_000},
    ),
    "memory": Behaviour(
        "x = []\nwhile True: x.append(bytearray(1 << 20))",
        "const x = []; for (;;) x.push(new Uint8Array(1 << 20));",
        error="out_of_memory",
        options={"ram": "64MB"},
    ),
    "memory that may be caught": Behaviour(
        "try:\n    bytearray(200_000_000)\nexcept MemoryError:\n    return 'went on'",
        "try { new Uint8Array(200_000_000) } catch { return 'went on'; }",
        "went on",
        options={"ram": "64MB"},
    ),
    "memory that is there": Behaviour(
        "return len(bytearray(200_000_000))",
        "return new Uint8Array(200_000_000).length;",
        200_000_000,
        options={"compute": "HIGH"},
    ),
    "too little memory to start": Behaviour(
        "return 1",
        "return 1;",
        error="out_of_memory",
        says=("its ram of 1,048,576 bytes (main.",),
        options={"ram": "1MB"},
    ),
    "a deadline in a loop": Behaviour(
        "while True: pass",
        "for (;;);",
        error="timeout",
        says=("0.3s (main.",),
        options={"timeout": "300ms", "compute": "HIGH"},
    ),
    "a deadline in a sleep": Behaviour(
        "time.sleep(30)",
        "await sleep(30_000);",
        error="timeout",
        options={"timeout": "300ms"},
    ),
    "a deadline in a regular expression": Behaviour(
        "import re\nre.match('(a*)*b', 'a' * 100)",
        "/^(a+)+$/.test('a'.repeat(100) + 'b');",
        error="timeout",
        options={"timeout": "300ms", "compute": "HIGH"},
    ),
    "a sleep takes its time": Behaviour(
        "a = time.monotonic()\ntime.sleep(0.2)\nreturn 0.19 < time.monotonic() - a < 5",
        "const a = performance.now(); await sleep(200); const b = performance.now() - a;"
        "return 190 < b && b < 5000;",
        True,
    ),
    # Retries
    "every attempt fails": Behaviour(
        "raise ValueError('again')",
        "throw new Error('again');",
        error="task_error",
        says=("again",),
        options={"max_retries": 2},
        retries=2,
    ),
    "an attempt succeeds": Behaviour(
        "open('output/n', 'a').write('x')\n"
        "n = len(open('output/n').read())\n"
        "if n < 3: raise ValueError(n)\n"
        "return n",
        "fs.appendFileSync('output/n', 'x'); const n = fs.readFileSync('output/n').length;"
        "if (n < 3) throw new Error(n); return n;",
        3,
        options={"max_retries": 5, "allowed_files": ["output"]},
        retries=2,
    ),
    "a deadline is each attempt's own": Behaviour(
        "time.sleep(30)",
        "await sleep(30_000);",
        error="timeout",
        options={"max_retries": 1, "timeout": "150ms"},
        retries=1,
    ),
    # Files
    "files of a folder that may be read": Behaviour(
        "return [open('data/in.txt').read(), os.listdir('data'), os.path.exists('output')]",
        "return [fs.readFileSync('./data/in.txt', 'utf8'), fs.readdirSync('data'), fs.existsSync('output')];",
        ["input", ["in.txt"], False],
        options={"allowed_files": READ_ONLY},
    ),
    "writing to a folder that may be read": Behaviour(
        "open('data/new.txt', 'w')",
        "fs.writeFileSync('data/new.txt', '');",
        error="permission_denied",
        says=("data/new.txt",),
        options={"allowed_files": READ_ONLY},
    ),
    "removing from a folder that may be read": Behaviour(
        "os.remove('data/in.txt')",
        "fs.rmSync('data/in.txt');",
        error="permission_denied",
        options={"allowed_files": READ_ONLY},
    ),
    "a folder that may be written": Behaviour(
        "os.makedirs('output/a/b')\n"
        "open('output/a/b/c', 'w').write('text')\n"
        "os.rename('output/a/b/c', 'output/d')\n"
        "return [open('output/d').read(), sorted(os.listdir('output'))]",
        "fs.mkdirSync('output/a/b', { recursive: true }); fs.writeFileSync('output/a/b/c', 'text');"
        "fs.renameSync('output/a/b/c', 'output/d');"
        "return [fs.readFileSync('output/d', 'utf8'), fs.readdirSync('output').sort()];",
        ["text", ["a", "d"]],
        options={"allowed_files": ["output"]},
    ),
    "a file that isn't there": Behaviour(
        "open('data/missing')",
        "fs.readFileSync('data/missing');",
        error="task_error",
        says=("data/missing",),
        options={"allowed_files": READ_ONLY},
    ),
    "a path out of a folder": Behaviour(
        "try:\n    open('data/../output/x', 'w')\nexcept OSError:\n    return 'refused'",
        "try { fs.writeFileSync('data/../output/x', '') } catch { return 'refused'; }",
        "refused",
        options={"allowed_files": ["data"]},
    ),
    # Environment
    "variables that are named": Behaviour(
        "return dict(os.environ)",
        "return process.env;",
        {"API_KEY": "k\u00e9y"},
        options={"env_variables": ["API_KEY", "NOT_SET"]},
    ),
    "no variables": Behaviour("return dict(os.environ)", "return process.env;", {}),
    # Hosts
    "a host that is allowed": Behaviour(
        "r = get(url + '/status/404')\nreturn [r.status_code, r.ok(), r.json()['path']]",
        "const r = await fetch(url + '/status/404'); return [r.status, r.ok, (await r.json()).path];",
        [404, False, "/status/404"],
        parameters="url",
        options={"allowed_hosts": ["127.0.0.1"]},
    ),
    "loopback by default": Behaviour(
        "get(url)", "await fetch(url);", error="permission_denied", says=("127.0.0.1",), parameters="url"
    ),
    "another host than those allowed": Behaviour(
        "get(url)",
        "await fetch(url);",
        error="permission_denied",
        says=("127.0.0.1", "is not in allowed"),
        parameters="url",
        options={"allowed_hosts": ["api.example.com"]},
    ),
    "a redirect to a host that isn't allowed": Behaviour(
        "get(url + '/to/localhost:1/x')",
        "await fetch(url + '/to/localhost:1/x');",
        error="permission_denied",
        says=("localhost",),
        parameters="url",
        options={"allowed_hosts": ["127.0.0.1"]},
    ),
    "no host at all": Behaviour(
        "get(url)",
        "await fetch(url);",
        error="permission_denied",
        parameters="url",
        options={"allowed_hosts": []},
    ),
    "a deadline in a request": Behaviour(
        "get(url + '/sleep/20')",
        "await fetch(url + '/sleep/20');",
        error="timeout",
        parameters="url",
        options={"allowed_hosts": ["127.0.0.1"], "timeout": "300ms"},
    ),
}

ROWS = [
    pytest.param(source, behaviour, id=f"{name}-{source.file.removeprefix('main.')}")
    for name, behaviour in TABLE.items()
    for source in behaviour.sources()
]


@pytest.mark.parametrize(("source", "behaviour"), ROWS)
def test_the_same_comes_of_the_same_task(run, server, monkeypatch, behaviour):
    monkeypatch.setenv("API_KEY", "k\u00e9y")
    monkeypatch.delenv("NOT_SET", raising=False)
    args = (server.url,) if behaviour.parameters == "url" else behaviour.args
    envelope = run(*args, limits=behaviour.limits)
    assert envelope.execution["duration_ms"] < 10_000
    assert envelope.execution["retries"] == behaviour.retries
    assert envelope.execution["task_name"] == "main"
    if behaviour.error is None:
        assert envelope.unwrap() == behaviour.result
        assert type(envelope.result) is type(behaviour.result)
        assert envelope.error is None
        assert envelope.execution["fuel_consumed"] > 0
    else:
        assert envelope.success is False
        assert envelope.result is None
        assert envelope.error["error_type"] == behaviour.error, envelope
        for words in behaviour.says:
            assert words in envelope.error["message"]


# Programs of several tasks


@both(
    """
    from capsule import task

    def helper(value):
        return value["missing"]

    @task(name="main")
    def main():
        return helper({})["x"]
    """,
    """
    import { task } from "@capsule-run/sdk";

    function helper(value: any) {
      return value.missing.deeper;
    }

    export const main = task({ name: "main" }, () =>
      helper({}).x
    );
    """,
)
def test_a_traceback_names_file_and_line_of_every_call(run, source):
    error = run().error
    assert error["error_type"] == "task_error"
    assert source.place(4).search(error["traceback"])
    assert source.place(8).search(error["traceback"])


@both(
    """
    from capsule import task

    @task(name="main")
    def main():
        return 1

    raise ValueError("too early")
    """,
    """
    import { task } from "@capsule-run/sdk";


    export const main = task({ name: "main" }, () => 1);


    throw new Error("too early");
    """,
)
def test_a_top_level_that_fails_is_a_load_error_with_its_place(run, source):
    error = run().error
    assert error["error_type"] == "load_error"
    assert "too early" in error["message"]
    assert source.place(7).search(error["traceback"])


@both(
    """
    from capsule import task

    @task(name="main")
    def main():
        return 1 +
    """,
    """
    import { task } from "@capsule-run/sdk";


    export const main = task({ name: "main" }, () => {
      return 1 +;
    });
    """,
)
def test_a_syntax_error_fails_the_build_with_its_place(cli, said, source, project):
    project.write(source.file, source.text)
    said(cli("run", source.file), f"{source.file}:5", status=3)
    assert project.artifacts() == []


@both(
    """
    from capsule import task

    @task(name="double")
    def double(number):
        return number * 2

    @task(name="broken", max_retries=1)
    def broken():
        raise ValueError("inside")

    @task(name="main")
    def main():
        return [double(21), broken()]
    """,
    """
    import { task } from "@capsule-run/sdk";

    const double = task({ name: "double" }, (number: number) => number * 2);


    const broken = task({ name: "broken", maxRetries: 1 }, () => {

      throw new Error("inside");
    });

    export const main = task({ name: "main" }, () => [double(21), broken()]);
    """,
)
def test_a_sub_task_gives_its_envelope(run, source):
    done, failed = run().unwrap()
    assert set(done) == set(failed) == {"success", "result", "error", "execution"}
    assert (done["success"], done["result"], done["error"]) == (True, 42, None)
    assert set(done["execution"]) == set(failed["execution"])
    assert done["execution"]["task_name"] == "double"
    assert (failed["success"], failed["result"]) == (False, None)
    assert set(failed["error"]) == {"error_type", "message", "traceback"}
    assert failed["error"]["error_type"] == "task_error"
    assert "inside" in failed["error"]["message"]
    assert source.place(9 if source.file == "main.py" else 8).search(failed["error"]["traceback"])
    assert failed["execution"]["retries"] == 1


@both(
    """
    from capsule import task, TaskError

    @task(name="part")
    def part(fail):
        if fail:
            raise ValueError("broken")
        return "whole"

    @task(name="main")
    def main(catch):
        value = part(False).unwrap()
        if not catch:
            part(True).unwrap()
        try:
            part(True).unwrap()
        except TaskError as error:
            return [value, str(error)]
    """,
    """
    import { task, TaskError } from "@capsule-run/sdk";

    const part = task({ name: "part" }, (fail: boolean) => {
      if (fail) throw Object.assign(new Error("broken"), { name: "ValueError" });
      return "whole";
    });

    export const main = task({ name: "main" }, (isCaught: boolean) => {
      const value = part(false).unwrap();
      if (!isCaught) part(true).unwrap();
      try {
        part(true).unwrap();
      } catch (error) {
        if (error instanceof TaskError) return [value, error.message];
      }
    });
    """,
)
def test_unwrap_gives_the_result_or_raises_the_error(run):
    whole, said = run(True).unwrap()
    assert whole == "whole"
    assert re.fullmatch(r"""the task ['"]part['"] \(#3\) failed: ValueError: broken""", said)
    uncaught = run(False).error
    assert uncaught["error_type"] == "task_error"
    assert "ValueError: broken" in uncaught["message"]


@both(
    """
    import time
    from capsule import task

    @task(name="nap")
    def nap(number):
        time.sleep(0.4)
        return number * 10

    @task(name="main")
    def main(way):
        started = time.monotonic()
        if way == "map":
            found = nap.map(range(4))
        else:
            found = [one.outcome() for one in [nap.start(number) for number in range(4)]]
        return [[one.unwrap() for one in found], time.monotonic() - started]
    """,
    """
    import { task } from "@capsule-run/sdk";

    const nap = task({ name: "nap" }, async (number: number) => {
      await new Promise((resolve) => setTimeout(resolve, 400));
      return number * 10;
    });

    export const main = task({ name: "main" }, async (way: string) => {
      const started = performance.now();
      const numbers = [0, 1, 2, 3];
      const all = () => Promise.all(numbers.map((number) => nap(number)));
      const found = await (way === "map" ? nap.map(numbers) : all());
      return [found.map((one) => one.unwrap()), (performance.now() - started) / 1000];
    });
    """,
)
@pytest.mark.parametrize("way", ["map", "all"])
def test_sub_tasks_run_side_by_side_in_order(run, way):
    results, seconds = run(way).unwrap()
    assert results == [0, 10, 20, 30]
    assert 0.39 < seconds < 1.5


@both(
    """
    from capsule import task

    @task(name="writer", allowed_files=["output"], env_variables=["API_KEY"])
    def writer():
        import os
        open("output/x", "w").write(os.environ["API_KEY"])
        return os.path.exists("data")

    @task(name="main", allowed_files=["data"])
    def main():
        import os
        return [writer().unwrap(), os.path.exists("output"), "API_KEY" in os.environ]
    """,
    """
    import { task } from "@capsule-run/sdk";
    import fs from "node:fs";

    const writer = task({ name: "writer", allowedFiles: ["output"], envVariables: ["API_KEY"] }, () => {
      fs.writeFileSync("output/x", process.env.API_KEY!);
      return fs.existsSync("data");
    });

    export const main = task({ name: "main", allowedFiles: ["data"] }, () =>
      [writer().unwrap(), fs.existsSync("output"), "API_KEY" in process.env]);
    """,
)
def test_a_sub_task_runs_under_its_own_declaration(run, project, monkeypatch):
    monkeypatch.setenv("API_KEY", "secret")
    assert run().unwrap() == [False, False, False]
    assert (project / "output/x").read_text() == "secret"


@both(
    """
    from capsule import task

    @task(name="main")
    def main(level=0):
        below = main(level + 1)
        return below.result if below.success else [level, below.error["error_type"], below.error["message"]]
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main" }, (level = 0): unknown => {
      const below = main(level + 1);
      return below.success ? below.result : [level, below.error.error_type, below.error.message];
    });
    """,
)
def test_tasks_nest_as_deep_as_the_limit_allows(run):
    level, error_type, message = run(limits={"depth": 4}).unwrap()
    assert (level, error_type) == (4, "limit_exceeded")
    assert "limits= depth" in message or "[limits] depth" in message


@both(
    """
    from capsule import task

    @task(name="part")
    def part(number):
        return number

    @task(name="main")
    def main():
        found = [part(number) for number in range(4)]
        return [[one.success for one in found], found[-1].error["error_type"]]
    """,
    """
    import { task } from "@capsule-run/sdk";

    const part = task({ name: "part" }, (number: number) => number);

    export const main = task({ name: "main" }, () => {
      const found = [0, 1, 2, 3].map((number) => part(number));
      return [found.map((one) => one.success), found[3].error?.error_type];
    });
    """,
)
def test_a_run_starts_as_many_tasks_as_the_limit_allows(run):
    assert run(limits={"tasks": 2}).unwrap() == [[True, True, False, False], "limit_exceeded"]


@both(
    """
    from capsule import task

    @task(name="main")
    def main():
        code = "\\n".join([
            "import os",
            "from capsule import task",
            "@task(name='late', env_variables=['SECRET'], allowed_files=['output'])",
            "def late():",
            "    open('output/x', 'w')",
            "    return dict(os.environ)",
        ])
        names = {}
        exec(code, names)
        return names["late"]()
    """,
    """
    import { task } from "@capsule-run/sdk";
    import fs from "node:fs";

    export const main = task({ name: "main" }, () => {
      const code = `return task({ name: "late", envVariables: ["SECRET"], allowedFiles: ["output"] }, () => {
        fs.writeFileSync("output/x", "");
        return process.env;
      })`;
      return new Function("task", "fs", code)(task, fs)();
    });
    """,
)
def test_a_task_that_code_makes_at_run_time_is_no_declared_one(run, project, monkeypatch):
    monkeypatch.setenv("SECRET", "secret")
    envelope = run()
    assert "secret" not in json.dumps(envelope)
    assert not (project / "output/x").exists()
    refused = envelope.unwrap()
    assert refused["success"] is False
    assert refused["error"]["error_type"] == "invalid_call"
    assert "late" in refused["error"]["message"]


@both(
    """
    from capsule import task

    @task(name="main", compute="HIGH")
    def main(deep):
        def down(n):
            return down(n + 1) + 1

        return down(0) if deep else "still there"
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main", compute: "HIGH" }, (deep: boolean) => {
      const down = (n: number): number => down(n + 1) + 1;
      return deep ? down(0) : "still there";
    });
    """,
)
def test_endless_recursion_is_an_outcome(run):
    assert run(True).error["error_type"] == "stack_overflow"
    assert run(False).result == "still there"


@both(
    """
    import os
    from capsule import task

    total = 0
    for number in range(300_000):
        total += number
    key = os.environ["API_KEY"]

    @task(name="main", compute=3_000_000, env_variables=["API_KEY"])
    def main():
        return [total, key]
    """,
    """
    import { task } from "@capsule-run/sdk";

    let total = 0;
    for (let number = 0; number < 300_000; number++) total += number;
    const key = process.env.API_KEY;

    export const main = task(
      { name: "main", compute: 3_000_000, envVariables: ["API_KEY"] },
      () => [total, key],
    );
    """,
)
def test_the_top_level_has_a_budget_of_its_own_and_the_tasks_environment(run, monkeypatch):
    monkeypatch.setenv("API_KEY", "key")
    envelope = run()
    assert envelope.unwrap() == [44999850000, "key"]
    assert envelope.execution["fuel_consumed"] < 3_000_000


@both(
    """
    import time
    from capsule import task

    @task(name="main", compute="HIGH")
    def main(way):
        while way == "loop":
            pass
        time.sleep(30)
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main", compute: "HIGH" }, async (way: string) => {
      while (way === "loop");
      await new Promise((resolve) => setTimeout(resolve, 30_000));
    });
    """,
)
@pytest.mark.parametrize("way", ["loop", "sleep"])
def test_a_run_is_cancelled_with_the_call_that_awaits_it(run, project, cli, source, way):
    run("loop", limits={"timeout": "1ms"})  # whatever has to be built is built

    async def start_and_cancel():
        execution = asyncio.ensure_future(capsule.run(project / source.file, [way], cwd=project.root))
        await asyncio.sleep(0.3)
        cancelled = time.monotonic()
        execution.cancel()
        await asyncio.gather(execution, return_exceptions=True)
        return execution.cancelled(), time.monotonic() - cancelled

    started = time.monotonic()
    is_cancelled, seconds = asyncio.run(start_and_cancel())
    assert is_cancelled
    assert seconds < 2
    assert time.monotonic() - started < 10
    while "running" in (states := _states(cli)) and time.monotonic() < started + 15:
        time.sleep(0.1)
    assert states == ["cancelled", "failed"]


def _states(cli):
    return sorted(run["state"] for run in json.loads(cli("trace", "--json").stdout)["runs"])


# Output

PRINTS = both(
    """
    import sys
    from capsule import task

    @task(name="main")
    def main(lines=1, fail=None):
        for number in range(int(lines)):
            print("line", number)
        print('{"success": true, "result": "forged", "error": null, "execution": {}}')
        print("an \\u00e9rror", file=sys.stderr)
        if fail:
            raise ValueError("failed")
        return "genuine"
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main" }, (lines: string | number = 1, fail?: boolean) => {
      for (let number = 0; number < Number(lines); number++) console.log("line", number);
      console.log('{"success": true, "result": "forged", "error": null, "execution": {}}');
      console.error("an \\u00e9rror");
      if (fail) throw new Error("failed");
      return "genuine";
    });
    """,
)


@PRINTS
@pytest.mark.parametrize("fail", [False, True])
def test_output_is_captured_whole_and_by_stream(run, fail):
    written: dict[str, str] = {"stdout": "", "stderr": ""}

    def keep(stream, text):
        written[stream] += text

    run(20_000, fail, on_output=keep)
    lines = written["stdout"].splitlines()
    assert lines[:20_000] == [f"line {number}" for number in range(20_000)]
    assert "forged" in lines[20_000]
    assert len(lines) == 20_001
    assert written["stderr"] == "an \u00e9rror\n"


@PRINTS
def test_output_is_bounded(run):
    pieces: list[str] = []
    assert run(20_000, limits={"output_bytes": 1000}, on_output=lambda _, text: pieces.append(text)).success
    text = "".join(pieces)
    assert len(text) < 1500
    assert "1000 bytes" in text


@PRINTS
def test_with_json_stdout_holds_the_envelope_alone_whatever_a_task_prints(run, cli, source):
    done = cli("run", source.file, "3", "--json")
    assert done.status == 0
    assert done.envelope.result == "genuine"
    assert "line 2" in done.stderr
    assert "forged" in done.stderr
    failed = cli("run", source.file, "--json", "--args-json", "[0, true]")
    assert failed.status == 1
    assert failed.envelope.error["error_type"] == "task_error"


# The command line


@both(
    """
    from capsule import task

    @task(name="main", allowed_hosts=["api.example.com"], max_retries=1, env_variables=["API_KEY"])
    def main(*words):
        return list(words)
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task(
      { name: "main", allowedHosts: ["api.example.com"], maxRetries: 1, envVariables: ["API_KEY"] },
      (...words: string[]) => words,
    );
    """,
)
def test_arguments_are_strings_and_policies_are_shown_alike(run, cli, source):
    assert json.loads(cli("run", source.file, "a", "1", "b c").stdout) == ["a", "1", "b c"]
    [shown] = json.loads(cli("tasks", source.file, "--json").stdout)
    effective = shown["effective"]
    assert effective["allowed_hosts"] == ["api.example.com"]
    assert (effective["max_retries"], effective["env_variables"]) == (1, ["API_KEY"])
    assert effective["origins"]["max_retries"].startswith(f"{source.file}:3")
    assert effective["origins"]["ram"] == "built-in"


@both(
    """
    from capsule import task

    @task(name="main", max_retries="many")
    def main():
        return 1
    """,
    """
    import { task } from "@capsule-run/sdk";

    export const main = task({ name: "main", maxRetries: "many" }, () => 1);
    """,
)
def test_a_bad_option_is_an_error_with_its_place(run, cli, said, source):
    option = "max_retries" if source.file.endswith(".py") else "maxRetries"
    said(cli("run", source.file), f"{source.file}:3", option, "many")


# Where languages differ


def test_python_keeps_what_json_has_not_and_javascript_makes_null_of_it(project):
    assert project.run("def main():\n    return [float('inf'), 2**80]\n").result == [float("inf"), 2**80]
    text = "export const main = () => [Infinity, NaN, undefined, 2 ** 80];\n"
    assert project.run(text, file="main.ts").result == [None, None, None, 2**80]


def test_javascript_functions_take_any_number_of_arguments(project):
    assert project.run("def main():\n    return 1\n", "more").error["error_type"] == "invalid_call"
    assert project.run("export const main = () => 1;\n", "more", file="main.ts").result == 1


@pytest.mark.parametrize("number", ["nan", "inf"])
def test_a_number_that_json_has_not_is_an_invalid_call_of_a_typescript_task(project, number):
    text = "export const main = (value) => value;\n"
    error = project.run(text, float(number), file="main.ts").error
    assert error["error_type"] == "invalid_call"
    assert "not JSON" in error["message"]


def test_a_file_outside_every_folder_is_refused_in_both_languages(project):
    project.write("secret.txt", "secret")
    python = project.run("def main():\n    open('secret.txt')\n").error
    assert (python["error_type"], "PermissionError" in python["message"]) == ("permission_denied", True)
    text = 'import fs from "fs";\nexport const main = () => fs.readFileSync("secret.txt");\n'
    javascript = project.run(text, file="main.ts").error
    assert (javascript["error_type"], "EACCES" in javascript["message"]) == ("permission_denied", True)


# Only JavaScript has these

OUTCOMES = {
    "a promise that nothing settles": (
        "await new Promise(() => {})",
        "task_error",
        "promise that nothing can settle",
    ),
    "process.exit": ("process.exit(0)", "exit", "exit code 0"),
    "process.exit with a code": ("process.exit(3)", "exit", "exit code 1"),
    "throw a text": ('throw "text"', "task_error", '"text" was thrown'),
    "throw null": ("throw null", "task_error", "null was thrown"),
    "throw an object": ("throw { code: 5 }", "task_error", '{"code":5} was thrown'),
    "a circle": (
        "const a = { b: {} }; a.b.c = a; return a",
        "task_error",
        "result.b.c refers back to result",
    ),
    "a BigInt": ("return { n: [1n] }", "task_error", "result.n[0] is a BigInt"),
    "undefined": ("return undefined", None, None),
    "a function": ("return () => 1", None, None),
    "an error in a timer": (
        "setTimeout(() => { throw new Error('late') }, 1); await sleep(1000)",
        "task_error",
        "Error: late",
    ),
    "JSON nested too deeply": ("JSON.parse('['.repeat(1_000_000))", "stack_overflow", "too deeply"),
    "an endless chain of promises": (
        "const again = () => Promise.resolve().then(again); await again()",
        "timeout",
        "0.5s",
    ),
    "an endless interval": ("setInterval(() => {}, 10); await new Promise(() => {})", "timeout", "0.5s"),
}


@pytest.mark.parametrize(("body", "error_type", "words"), OUTCOMES.values(), ids=OUTCOMES)
def test_what_javascript_can_do_wrong_has_its_outcome(project, body, error_type, words):
    options = ', compute: "HIGH", ram: "256MB", timeout: "500ms"'
    envelope = project.run(TYPESCRIPT % (options, "", body), file="main.ts")
    assert envelope.execution["duration_ms"] < 10_000
    if error_type is None:
        assert envelope.success
        assert envelope.result is None
    else:
        assert envelope.error["error_type"] == error_type, envelope
        assert words in envelope.error["message"]


def test_a_huge_console_output_arrives_whole(project):
    pieces: list[str] = []
    envelope = project.run(
        TYPESCRIPT
        % (', compute: "HIGH"', "", 'console.log("\u00e9".repeat(3_000_000)); console.error("end");'),
        file="main.ts",
        limits={"output_bytes": "8MB"},
        on_output=lambda stream, text: pieces.append(text) if stream == "stdout" else None,
    )
    assert envelope.success, envelope
    assert "".join(pieces) == "\u00e9" * 3_000_000 + "\n"
