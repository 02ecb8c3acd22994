"""How tasks are declared, called and end: results, errors, sub-tasks, limits and what is fresh."""

import re

import pytest
from capsule_js.bundle import make_bundle
from capsule_js.engine import build_snapshot, builtins
from capsule_js.engines import QUICKJS_UNSUPPORTED
from capsule_js.frametable import frame_table
from wasmtime.component import Component

from capsule.errors import BuildError
from capsule.runtime.engine import engine

ENGINES = ("quickjs", "starlingmonkey")
SDK = 'const { task, TaskError } = require("@capsule-run/sdk");\n'


def main(body):
    return f'{SDK}task({{ name: "main" }}, async (...args) => {{ {body} }});'


@pytest.fixture(scope="session")
def bundled(esbuild, tmp_path_factory):
    """`bundled(files)` bundles a program of which `main.ts` is the source."""

    def bundle(files):
        folder = tmp_path_factory.mktemp("program")
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        made = make_bundle(folder / "main.ts", folder, esbuild, unsupported=QUICKJS_UNSUPPORTED)
        return {"bundle": made.text, "frames": frame_table(made.source_map, made.shifts)}

    return bundle


TYPESCRIPT = {
    "main.ts": """\
import { task } from "@capsule-run/sdk";
import fs, { readFileSync } from "node:fs";
import * as path from "path";
import { helper } from "./lib/helper";

interface Shape { kind: string }
enum Color { Red, Green }

await Promise.resolve();

export const fails = task({ name: "fails", compute: "LOW" }, async (n: number): Promise<number> => {
  await null;
  return helper(null as unknown as Shape, n);
});

export const logs = task({ name: "logs" }, () => {
  console.error(new RangeError("shown"));
});

export const main = task({ name: "main", maxRetries: 1, allowedFiles: ["data"] }, async () => {
  const lazy = await import("./lib/lazy");
  const os = require("os");
  const joined = path.join("a", "b");
  return [Color.Green, joined, readFileSync === fs.readFileSync, lazy.value, os.EOL, import.meta.url];
});
""",
    "lib/helper.ts": """\
// Lines, to have the numbers differ.

export function helper(shape: { kind: string }, n: number): number {
  return shape.kind.length + n;
}
""",
    "lib/lazy.ts": "export const value: number = 42;\n",
}


@pytest.fixture(scope="session")
def typescript(bundled):
    return bundled(TYPESCRIPT)


def test_typescript_runs_with_built_ins_top_level_await_and_dynamic_import(call, typescript):
    assert call(typescript).result == [1, "a/b", True, 42, "\n", "file:///app/main.js"]


def test_a_traceback_names_the_users_own_files_and_lines(call, typescript):
    error = call(typescript, "fails", 1).error
    assert error["error_type"] == "task_error"
    assert (
        error["message"]
        == {
            "quickjs": "TypeError: cannot read property 'kind' of null",
            "starlingmonkey": 'TypeError: can\'t access property "kind", shape is null',
        }[call.engine]
    )
    # Which part of a line is meant is the engines' own choice.
    assert [re.sub(r":\d+\b(?=\)?$)", "", line) for line in error["traceback"].splitlines()[1:]] == [
        "    at helper (lib/helper.ts:4)",
        "    at main.ts:13",
    ]


def test_a_printed_error_names_the_users_own_lines(call, typescript):
    column = {"quickjs": 21, "starlingmonkey": 17}[call.engine]
    assert call(typescript, "logs").err == f"RangeError: shown\n    at main.ts:17:{column}\n"


def test_a_stack_that_is_printed_names_the_users_own_lines(call, bundled):
    program = bundled(
        {
            "main.ts": """\
import { task } from "@capsule-run/sdk";
task({ name: "main" }, () => {
  const error = Object.assign(new Error("bad"), { code: 5 });
  console.log({ error });
  console.log(error.stack);
  console.error(new Error("outer", { cause: error }));
});
"""
        }
    )
    done = call(program)
    assert done.out.count("Error: bad\n") == 2
    assert done.out.count("at main.ts:3:") == 2
    assert "code: 5" in done.out
    assert "Error: outer\n    at main.ts:6:" in done.err
    assert "[cause]: Error: bad\n" in done.err


def test_code_that_a_task_evaluates_has_places_of_its_own(call, bundled):
    program = bundled(
        {
            "main.ts": """\
import { task } from "@capsule-run/sdk";
export const main = task({ name: "main" }, (code: string): unknown => {
  return eval(code);
});
"""
        }
    )
    assert call(program, "main", "6 * 7").result == 42
    traceback = call(program, "main", "\n\nnull.x").error["traceback"]
    column = {"quickjs": 15, "starlingmonkey": 10}[call.engine]
    assert traceback.splitlines()[1:] == ["    at <eval>:3:1", f"    at main.ts:3:{column}"]


def test_an_error_at_the_top_level_is_a_load_error_with_its_line(call, bundled):
    program = bundled({"main.ts": "const x: any = null;\n\nx.y;\n"})
    error = call(program).load_error
    assert error["error_type"] == "task_error"
    assert error["traceback"].splitlines()[1] == "    at main.ts:3:1"


def test_a_program_without_frames_still_says_where(call):
    error = call(main("null.x")).error
    assert error["traceback"].splitlines()[1].startswith("    at bundle:2:")


@pytest.mark.parametrize(
    "frames", ["", "[", '["a.ts"]', '["a.ts"]\n!,,;zz', "{}\n0,0,0,0\n0,9,0,0", "null\n0,0,0,0"]
)
def test_a_broken_frame_table_does_not_hide_the_error(call, frames):
    error = call({"bundle": main("null.x"), "frames": frames}).error
    assert re.match(r"TypeError: can.*'x'|TypeError: can.*\"x\"", error["message"])


def test_declared_lists_tasks_with_options_and_lines(call, typescript):
    assert call(typescript, declared=True).declared == [
        {"name": "fails", "options": {"compute": "LOW"}, "file": "main.ts", "line": 11},
        {"name": "logs", "options": {}, "file": "main.ts", "line": 16},
        {
            "name": "main",
            "options": {"max_retries": 1, "allowed_files": ["data"]},
            "file": "main.ts",
            "line": 20,
        },
    ]


def test_declared_shows_values_that_are_not_json(call):
    program = f'{SDK}task({{ name: "a", ram: 1n, bogus: () => 1, timeout: undefined }}, () => 1);'
    [declared] = call(program, declared=True).declared
    assert declared["options"] == {"ram": "1", "bogus": "() => 1"}


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("task({}, () => 1)", "TypeError: task({ name }, fn): a task needs a name"),
        ("task(null, () => 1)", "TypeError: task(options, fn): options is an object"),
        ('task({ name: "a" })', 'TypeError: task({ name: "a" }, fn): fn is a function'),
        ('task({ name: "a" }, () => 1); task({ name: "a" }, () => 2)', 'Error: two tasks are named "a"'),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(call, declaration, message):
    assert call(SDK + declaration, "a").load_error["message"] == message


# Results


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("undefined", None),
        ("() => 1", None),
        ("[NaN, -Infinity, undefined]", [None, None, None]),
        ("new Date(0)", "1970-01-01T00:00:00.000Z"),
        ("new Map([[1, 2]])", {}),
        ("({ toJSON: () => 'own' })", "own"),
        ("'\\ud800'", "\ud800"),
        ("2 ** 53", 2**53),
    ],
)
def test_results_are_what_json_stringify_gives(call, value, result):
    assert call(main(f"return {value}")).result == result


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("const a = { b: [1] }; a.b.push(a); return a", "result.b[1] refers back to result"),
        ("return { 'x y': [1n] }", 'result["x y"][0] is a BigInt; return Number(value) or String(value)'),
    ],
)
def test_a_result_that_is_not_json_says_where(call, body, message):
    assert call(main(body)).error["message"] == f"TypeError: the task's result is not JSON: {message}"


def test_arguments_arrive_and_named_ones_come_last_as_an_object(call):
    assert call(main("return args"), "main", 1, {"a": [2]}).result == [1, {"a": [2]}]
    assert call(main("return args"), "main", 1, kwargs={"b": 2}).result == [1, {"b": 2}]


def test_an_unknown_task_is_an_invalid_call(call):
    error = call(main(""), "other").error
    assert error["error_type"] == "invalid_call"
    assert error["message"] == 'no task named "other"; the program\'s tasks are: main'


# Errors


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('throw "text"', '"text" was thrown: not an Error, so it has no stack'),
        ("throw null", "null was thrown: not an Error, so it has no stack"),
        ("return Promise.reject()", "undefined was thrown: not an Error, so it has no stack"),
        ("throw { code: 5 }", '{"code":5} was thrown'),
        ("throw Symbol('s')", "Symbol(s) was thrown: not an Error, so it has no stack"),
        ("throw new Proxy({}, { get() { throw 1 } })", "an error that can't be shown"),
        (
            "const e = new Error(); Object.defineProperty(e, 'name', { get() { throw 1 } }); throw e",
            "an error that can't be shown",
        ),
        ("class Own extends Error { name = 'Own' } throw new Own('m')", "Own: m"),
    ],
)
def test_whatever_is_thrown_is_a_task_error(call, body, message):
    error = call(main(body)).error
    assert (error["error_type"], error["message"]) == ("task_error", message)


def test_causes_and_collected_errors_are_in_the_traceback(call):
    error = call(main('throw new Error("a", { cause: new TypeError("b") })')).error
    assert "\ncaused by: TypeError: b\n" in error["traceback"]
    error = call(main('await Promise.any([Promise.reject(new Error("one"))])')).error
    assert "\n  - Error: one" in error["traceback"]


def test_a_circle_of_causes_ends(call):
    error = call(main('const e = new Error("a"); e.cause = e; throw e')).error
    assert error["message"] == "Error: a"


def test_a_huge_message_is_cut(call):
    error = call(main('throw new Error("x".repeat(10_000_000))')).error
    assert len(error["message"]) < 70_000


@pytest.mark.parametrize(
    "body",
    [
        'setTimeout(() => { throw new Error("uncaught") }, 1); await new Promise(() => {})',
        'queueMicrotask(() => { throw new Error("uncaught") }); await new Promise((r) => setTimeout(r, 5))',
        'process.nextTick(() => { throw new Error("uncaught") }); await new Promise((r) => setTimeout(r, 5))',
        """const t = new EventTarget(); t.addEventListener("x", () => { throw new Error("uncaught") });
        t.dispatchEvent(new Event("x"))""",
        'reportError(new Error("uncaught"))',
    ],
)
def test_an_error_that_nobody_can_catch_fails_the_task(call, body):
    assert call(main(body)).error["message"] == "Error: uncaught"


@pytest.mark.parametrize(
    "body",
    ["await new Promise(() => {})", "setInterval(() => {}, 1000).unref(); await new Promise(() => {})"],
)
def test_a_promise_that_can_never_settle_is_an_error_at_once(call, body):
    done = call(main(body), seconds=10)
    assert "waits for a promise that nothing can settle any more" in done.error["message"]
    assert done.seconds < 5


def test_a_top_level_that_can_never_settle_is_an_error(call):
    assert "the program's top level waits" in call("await new Promise(() => {})").load_error["message"]


def test_a_refused_file_or_host_is_permission_denied(call):
    assert call(main('require("fs").readFileSync("/etc/passwd")')).error["error_type"] == "permission_denied"
    assert call(main('await fetch("http://example.com")')).error["error_type"] == "permission_denied"


def test_a_failed_fetch_says_where_it_was_called(call):
    error = call(main('await fetch("http://127.0.0.1:1/")')).error
    assert error["traceback"].splitlines()[1].startswith("    at bundle:2:")


# Limits


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "for (;;);",
        "const again = () => Promise.resolve().then(again); await again()",
        "const again = () => setTimeout(again, 0); again(); await new Promise(() => {})",
        "const again = () => setImmediate(again); again(); await new Promise(() => {})",
        "setInterval(() => {}, 100); await new Promise(() => {})",
        "await new Promise((resolve) => setTimeout(resolve, 60_000))",
        '/^(a+)+$/.test("a".repeat(40) + "b")',
    ],
)
def test_a_deadline_ends_everything(call, body):
    done = call(main(body), seconds=0.3)
    assert "capsule interrupt: timeout" in str(done.trap)
    assert done.seconds < 3


def test_fuel_ends_a_loop(call):
    assert "all fuel consumed" in str(call(main("for (;;);"), fuel=20_000_000).trap)


@pytest.mark.parametrize("body", ["const f = () => 1 + f(); f()", 'JSON.parse("[".repeat(1_000_000))'])
def test_deep_recursion_is_a_stack_overflow(call, body):
    done = call(main(body))
    if call.engine == "starlingmonkey":  # which looks at its stack, and parses without it
        found = "too much recursion" if "f()" in body else "JSON.parse"
        assert found in done.error["message"]
        assert done.error["error_type"] == ("stack_overflow" if "f()" in body else "task_error")
        return
    trap = str(done.trap)
    assert "call stack exhausted" in trap or "out of bounds memory access" in trap


def test_calls_nest_some_thousand_deep(call):
    assert call(main("const f = (n) => (n ? 1 + f(n - 1) : 0); return f(3500)")).result == 3500


@pytest.mark.parametrize(
    "body",
    [
        "const a = []; for (;;) a.push(new Uint8Array(1 << 20))",
        "const a = []; for (;;) a.push({ n: a.length })",
        "globalThis.kept = []; for (;;) kept.push([1, 2, 3])",
        "globalThis.kept = []; for (;;) { kept.push(new Uint8Array(1000)); await null }",
    ],
)
def test_too_much_memory_is_out_of_memory(call, body):
    done = call(main(body), ram=48 << 20)
    if done.answer is None:  # not even the failure could be said: the host reads it from the panic
        said = ("Exception generated by quickjs: Null", "out of memory", "[unhandlable oom]")
        assert any(words in done.err for words in said)
    else:
        assert done.error["error_type"] == "out_of_memory"


def test_too_little_memory_can_be_caught(call):
    body = """
    const a = [];
    try { for (;;) a.push(new Uint8Array(1 << 20)) } catch (e) { a.length = 0; return e.message ?? e }
    """
    assert call(main(body), ram=48 << 20).result == "out of memory"


def test_little_memory_is_enough_to_start(call):
    megabytes = {"quickjs": 12, "starlingmonkey": 16}[call.engine]
    assert call(main("return 1"), ram=megabytes << 20).result == 1


def test_process_exit_ends_the_sandbox_after_its_output(call):
    done = call(main('console.log("bye"); process.exit(0)'))
    assert type(done.trap).__name__ == "ExitTrap"
    assert done.trap.code == 0
    assert done.out == "bye\n"
    assert call(main("process.exit(3)")).trap.code == 1


# Output


def test_output_is_complete_and_in_order(call):
    done = call(main('for (let i = 0; i < 20_000; i++) console.log(i); console.error("end")'))
    assert done.out == "".join(f"{n}\n" for n in range(20_000))
    assert done.err == "end\n"


def test_huge_output_arrives_whole(call):
    assert call(main('console.log("é".repeat(1_000_000))')).out == "é" * 1_000_000 + "\n"


def test_what_was_printed_before_an_endless_loop_is_there(call):
    assert call(main('console.log("before"); for (;;);'), seconds=0.3).out == "before\n"


def test_console_formats_as_node_does(call):
    body = """
    console.log("%s is %d", "x", 5, { a: [1, { b: 2 }] }, new Map([["k", 1]]));
    console.group("outer"); console.info("inner\\nlines"); console.groupEnd();
    console.table([{ a: 1, b: "x" }]);
    console.count(); console.count(); console.assert(1 === 2, "wrong");
    process.stdout.write("raw"); process.stdout.write(Buffer.from("\\n"));
    """
    done = call(main(body))
    assert done.out == (
        "x is 5 { a: [ 1, { b: 2 } ] } Map(1) { 'k' => 1 }\n"
        "outer\n  inner\n  lines\n"
        "┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n"
        "│ 0       │ 1 │ 'x' │\n└─────────┴───┴─────┘\n"
        "default: 1\ndefault: 2\nraw\n"
    )
    assert done.err == "Assertion failed: wrong\n"


# Sub-tasks

SUBTASKS = f"""{SDK}
const double = task({{ name: "double" }}, (n) => n * 2);
const slow = task({{ name: "slow" }}, async (n) => {{
  await new Promise((resolve) => setTimeout(resolve, 300));
  return n;
}});
const broken = task({{ name: "broken" }}, () => {{ throw new Error("inside"); }});
task({{ name: "sync" }}, () => double(4).unwrap());
task({{ name: "envelope" }}, () => double(4));
task({{ name: "parallel" }}, async () => {{
  const started = performance.now();
  const outcomes = await Promise.all([slow(1), slow(2), slow(3)]);
  return [outcomes.map((outcome) => outcome.unwrap()), performance.now() - started];
}});
task({{ name: "map" }}, async () => (await double.map(new Set([1, 2]))).map((outcome) => outcome.result));
task({{ name: "start" }}, async () => (await double.start(5)).result);
task({{ name: "with timers" }}, async () => {{
  let ticks = 0;
  const interval = setInterval(() => ticks++, 50);
  await slow(1);
  clearInterval(interval);
  return ticks;
}});
task({{ name: "failed" }}, () => {{
  const {{ success, error }} = broken();
  return [success, error.error_type, error.message];
}});
task({{ name: "unwrapped" }}, () => broken().unwrap());
task({{ name: "caught" }}, () => {{
  try {{
    broken().unwrap();
  }} catch (e) {{
    return [e instanceof TaskError, e.name, e.errorType, e.message, e.traceback.split("\\n")[0]];
  }}
}});
task({{ name: "bigint" }}, () => double(1n));
"""


def test_a_sync_task_called_in_a_task_gives_its_envelope(call):
    assert call(SUBTASKS, "sync").result == 8
    envelope = call(SUBTASKS, "envelope").result
    assert envelope["success"] is True
    assert envelope["result"] == 8
    assert envelope["execution"]["task_name"] == "double"


def test_async_tasks_run_side_by_side(call):
    results, milliseconds = call(SUBTASKS, "parallel").result
    assert results == [1, 2, 3]
    assert milliseconds < 800


def test_map_and_start_give_promises_of_envelopes(call):
    assert call(SUBTASKS, "map").result == [2, 4]
    assert call(SUBTASKS, "start").result == 10


def test_timers_run_while_a_sub_task_does(call):
    assert call(SUBTASKS, "with timers").result >= 3


def test_a_failed_sub_task_is_an_envelope_and_unwrap_raises(call):
    assert call(SUBTASKS, "failed").result == [False, "task_error", "Error: inside"]
    assert call(SUBTASKS, "caught").result == [
        True,
        "TaskError",
        "task_error",
        'the task "broken" failed: Error: inside',
        "Error: inside",
    ]
    error = call(SUBTASKS, "unwrapped").error
    assert (error["error_type"], error["message"]) == (
        "task_error",
        'the task "broken" failed: Error: inside',
    )


MISUSES = (
    SDK
    + """
const double = task({ name: "double" }, (n) => n * 2);
const later = task({ name: "later" }, async (n) => n);
const broken = task({ name: "broken" }, () => { throw new Error("inside"); });
const uses = {
  plus: (it) => it + 1, minus: (it) => it - 1, unary: (it) => +it, less: (it) => it < 3,
  equal: (it) => it == 3,
  template: (it) => `${it}`, String: (it) => String(it), toString: (it) => it.toString(),
  key: (it) => ({})[it],
  for: (it) => { for (const one of it); }, spread: (it) => [...it], taken: (it) => { const [one] = it; },
};
const ofEnvelopes = {
  ...uses, index: (it) => it[0], property: (it) => it.length, method: (it) => it.map(String),
};
const ofPromises = {
  ...uses, result: (it) => it.result, unwrap: (it) => it.unwrap(), success: (it) => it.success,
  JSON: (it) => JSON.stringify({ a: [it] }),
};
function tried(use, it) {
  try {
    return ["no error", use(it)];
  } catch (error) {
    return [error.constructor === TypeError, error.message, error.cause?.message ?? null];
  }
}
task({ name: "misused" }, () => {
  const [good, bad] = [double(21), broken()];
  return Object.entries(ofEnvelopes).map(([name, use]) => [name, tried(use, good), tried(use, bad)]);
});
task({ name: "early" }, async () => {
  return Object.entries(ofPromises).map(([name, use]) => [name, ...tried(use, later(1))]);
});
task({ name: "used" }, async () => {
  const envelope = double(21);
  const promise = later(3);
  console.log(envelope, promise);
  const { result } = envelope;
  return [
    Object.keys(envelope), Object.keys({ ...envelope }), result, JSON.parse(JSON.stringify(envelope)).result,
    "result" in envelope, "x" in envelope, (await promise).result, await promise.then((one) => one.result),
    (await Promise.all([later(1), later.start(2)])).map((one) => one.result),
    promise instanceof Promise, (await Promise.resolve(envelope)) === envelope,
  ];
});
task({ name: "unwrapped" }, () => broken().unwrap());
task({ name: "thrown" }, () => { throw new Error("own"); });
task({ name: "printed" }, async () => {
  for (const attempt of [() => broken().unwrap(), () => fetch("http://example.com/")]) {
    try {
      await attempt();
    } catch (error) {
      console.error(error);
    }
  }
});
"""
)


def test_what_a_result_would_be_used_for_says_that_it_is_an_envelope(call):
    for name, success, failed in call(MISUSES, "misused").result:
        said = (
            'an envelope: it is the outcome of task "double", not its result; call .unwrap() on it for that'
        )
        assert success[0] is True, (name, success)
        assert success[1].endswith(said), (name, success)
        assert failed[0] is True, (name, failed)
        assert failed[1].endswith('of task "broken", which failed: Error: inside'), (name, failed)
        assert failed[2].startswith('"broken"\n  Error: inside'), (name, failed)


def test_a_promise_that_is_used_before_it_is_awaited_says_so(call):
    for name, is_type_error, message, _ in call(MISUSES, "early").result:
        assert is_type_error is True, name
        assert message.endswith('a promise of the outcome of task "later"; write await in front of it'), name


def test_what_objects_and_promises_are_used_for_goes_on(call):
    done = call(MISUSES, "used")
    keys = ["success", "result", "error", "execution"]
    assert done.result == [keys, keys, 42, 42, True, False, 3, 3, [1, 2], True, True]
    assert "Envelope {" in done.out
    assert "Promise {" in done.out


def test_a_printed_error_says_once_what_failed(call):
    printed = call(MISUSES, "printed").err
    assert printed.count("Error: inside\n") == 2, "the message, and the sub-task's own stack"
    assert "traceback" not in printed
    assert "TypeError: fetch failed: " in printed


def test_the_stack_of_a_failed_sub_task_is_a_cause_and_stands_apart(call):
    error = call(MISUSES, "unwrapped").error
    own, cause = error["traceback"].split('\ncaused by: SubTask: "broken"\n')
    assert error["own"] == own
    assert cause.startswith("  Error: inside")
    assert "own" not in call(MISUSES, "thrown").error


@pytest.mark.parametrize(
    ("reason", "error_type"),
    [("unknown-task", "invalid_call"), ("depth-limit", "limit_exceeded"), ("task-limit", "limit_exceeded")],
)
def test_a_refusal_is_a_failed_envelope(call, reason, error_type):
    envelope = call(SUBTASKS, "envelope", refuse=reason).result
    assert envelope["success"] is False
    assert envelope["error"] == {"error_type": error_type, "message": f"refused: {reason}", "traceback": None}


def test_arguments_that_are_not_json_are_an_error_of_the_caller(call):
    assert 'the arguments of task "double" are not JSON' in call(SUBTASKS, "bigint").error["message"]


# Built-ins


def test_the_list_for_bundlers_is_the_table_of_the_engine(call):
    names = call(main("return Object.keys(__capsule_builtins)")).result
    assert sorted(names) == sorted(builtins())


# Freshness


def test_what_a_snapshot_would_freeze_is_fresh(call):
    program = main(
        "return [Math.random(), crypto.randomUUID(), performance.timeOrigin, Date.now(), performance.now()]"
    )
    one, other = call(program).result, call(program).result
    assert one[0] != other[0]
    assert 0 <= one[0] < 1
    assert one[1] != other[1]
    assert other[2] > one[2]
    assert abs(one[2] + one[4] - one[3]) < 100


def test_nothing_of_one_sandbox_is_in_the_next(call):
    program = main(
        "const before = [globalThis.left, Array.prototype.left];"
        "globalThis.left = Array.prototype.left = 1; return before"
    )
    assert call(program).result == [None, None]
    assert call(program).result == [None, None]


def test_an_empty_program_loads_with_little_fuel(call):
    assert call(main("")).load_fuel < {"quickjs": 2_000_000, "starlingmonkey": 4_000_000}[call.engine]


# Snapshots


ONLY_QUICKJS = pytest.mark.engine("quickjs")


@pytest.fixture(scope="session")
def snapshot(toolchain, bundled):
    """`snapshot(source)` makes a component of a program, with its top level evaluated."""

    def make(source):
        entries = bundled({"main.ts": source})
        wasm = build_snapshot(
            toolchain.node(print), toolchain.modules(print), entries["bundle"], entries["frames"]
        )
        return Component(engine(), wasm)

    return make


@pytest.mark.slow
@ONLY_QUICKJS
def test_a_snapshot_has_the_top_level_behind_it_and_is_fresh_otherwise(call, snapshot):
    component = snapshot("""\
import { task } from "@capsule-run/sdk";
console.log("not seen");
const early = [process.env.FOO, await Promise.resolve(42)];
let count = 0;
task({ name: "main" }, async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  return [early, process.env.FOO, ++count, Math.random(), crypto.randomUUID(), performance.now() < 1000];
});
task({ name: "fails" }, () => {
  throw new Error("here");
});
""")
    one, other = (call({}, env={"FOO": "bar"}, own=component) for _ in range(2))
    assert one.result[:3] == [[None, 42], "bar", 1]
    assert one.out == ""
    assert one.result[3:5] != other.result[3:5]
    assert other.result[2] == 1
    assert one.result[5] is True
    assert one.load_fuel < 1_000_000
    error = call({}, "fails", own=component).error
    assert error["traceback"].splitlines()[1] == "    at main.ts:10:13"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('throw new Error("at the top");', "Error: at the top"),
        ("crypto.randomUUID();", "a random value is not available while a snapshot is made"),
        ('require("fs").readFileSync("/x");', "a file is not available while a snapshot is made"),
    ],
)
def test_a_top_level_that_fails_in_a_snapshot_is_a_build_error_with_its_line(snapshot, line, message):
    with pytest.raises(BuildError, match=message) as raised:
        snapshot(f"// first line\n{line}\n")
    assert "main.ts:2:" in raised.value.traceback
