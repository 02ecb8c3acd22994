"""The core attacks, in TypeScript: what holds against Python holds against JavaScript's engine too."""

from __future__ import annotations

import json

import pytest

SECRET = "CAPSULE_TEST_SECRET"

HOST = """
    const load = (name: string) => (0, eval)("(name) => import(`capsule:runtime/${name}@1.0.0`)")(name);
    const refusal = (call: () => any) => {
      try { return call(); } catch (error: any) { return error.payload?.reason ?? String(error); }
    };
"""


@pytest.fixture
def attack(typescript_attack, monkeypatch):
    monkeypatch.setenv(SECRET, "the secret")
    return typescript_attack


# Policies

OTHER = f"""
    export const other = task({{ name: "other" }}, (...given: any[]) => {{
      return [given.length, process.env.{SECRET} ?? null];
    }});
"""


@pytest.mark.parametrize(
    "expression",
    [
        f"process.env.{SECRET}",
        f"Object.keys(process.env).includes('{SECRET}') || undefined",
        f"(0, eval)('process').env['{SECRET}']",
        f"new Function('return process.env.{SECRET}')()",
        f"JSON.stringify(globalThis, (k, v) => k === '{SECRET}' ? 'found' : undefined)",
        f"(await import('node:process')).default.env.{SECRET}",
        "fs.readFileSync('/proc/self/environ', 'utf8')",
        "fs.readFileSync('.env', 'utf8')",
    ],
)
def test_reading_a_variable_that_is_not_declared(attack, project, expression):
    project.write(".env", f"{SECRET}=from the file\n")
    envelope = attack(f"try {{ return ({expression}) ?? null; }} catch {{ return null; }}")
    assert envelope.unwrap() is None


@pytest.mark.parametrize("name", ["nope", "Other", "other\\0", "оther", "__proto__", "constructor", "*"])
def test_starting_a_task_that_is_registered_while_running(attack, name):
    envelope = attack(
        f'return task({{ name: "{name}", envVariables: ["{SECRET}"] }}, () => 1)().error;', top=OTHER
    )
    assert envelope.unwrap()["error_type"] == "invalid_call"


def test_sending_a_policy_along_with_the_arguments(attack):
    """The SDK encodes arguments with a function that a program can replace."""
    envelope = attack(
        f"""
        const policy = {{ env_variables: ["{SECRET}"], allowed_hosts: ["*"], allowed_files: ["."] }};
        const encode = JSON.stringify;
        const seen = [];
        JSON.stringify = (() => `[], "kwargs": {{}}, "policy": ${{encode(policy)}}, "args": []`) as any;
        try {{ seen.push(other(1).result); }} catch (error) {{ seen.push(String(error)); }}
        JSON.stringify = encode;
        const tasks = await load("tasks");
        const call = {{ args: [], kwargs: {{}}, policy, config: policy, ...policy }};
        const handle = tasks.start("other", encode(call));
        seen.push(JSON.parse(tasks.outcome(handle)).result);
        return seen;
        """,
        top=HOST + OTHER,
    )
    assert "the secret" not in json.dumps(envelope)
    assert envelope.unwrap()[1] == [0, None]


@pytest.mark.parametrize(
    "change",
    [
        f'Object.prototype.env_variables = ["{SECRET}"]',
        f'Object.prototype.envVariables = ["{SECRET}"]',
        f'Array.prototype.push("{SECRET}")',
        f'options.envVariables = ["{SECRET}"]',
        f'Map.prototype.get = () => ({{ options: {{ envVariables: ["{SECRET}"] }}, fn: () => 1 }})',
    ],
)
def test_changing_options_in_the_guest_s_memory(attack, change):
    envelope = attack(
        f"({change}); return other().result ?? null;",
        top="const options: any = { name: 'unused' };" + OTHER,
    )
    assert "the secret" not in json.dumps(envelope)


def test_a_grant_of_the_caller_is_not_the_sub_task_s(attack, project):
    project.write("data/in.txt", "42")
    envelope = attack(
        'return [fs.readFileSync("data/in.txt", "utf8"), peek().result];',
        options='allowedFiles: ["data"]',
        top="""
        export const peek = task({ name: "peek" }, () => {
          try { return fs.readFileSync("data/in.txt", "utf8"); } catch (error: any) { return error.code; }
        });
        """,
    )
    own, others = envelope.unwrap()
    assert own == "42"
    assert others != "42"


def test_taking_the_outcomes_of_siblings_and_of_the_caller(attack):
    envelope = attack(
        """
        const tasks = await load("tasks");
        const call = '{"args": [], "kwargs": {}}';
        const handles = [1, 2, 3].map(() => tasks.start("thief", call));
        return handles.map((handle) => JSON.parse(tasks.outcome(handle)).result);
        """,
        top=HOST
        + """
        export const thief = task({ name: "thief" }, async () => {
          const [tasks, pending] = [await load("tasks"), await load("pending")];
          const taken = Array.from({ length: 20 }, (_, handle) => tasks.outcome(handle) ?? null);
          return [taken, Array.from(pending.waitAny(0))];
        });
        """,
    )
    assert envelope.unwrap() == [[[None] * 20, []]] * 3


def test_starting_a_task_while_the_program_is_loaded(attack):
    envelope = attack(
        "return refused;",
        top=HOST
        + OTHER
        + """
        let refused: any = "the module can't be had yet";
        try {
          const tasks = await load("tasks");
          refused = refusal(() => tasks.start("other", '{"args": [], "kwargs": {}}'));
        } catch (error) { refused = String(error); }
        """,
    )
    assert not envelope.success or not isinstance(envelope.result, int)


@pytest.mark.parametrize(
    "name",
    [
        "wasi:sockets/tcp-create-socket@0.2.12",
        "wasi:sockets/ip-name-lookup@0.2.12",
        "wasi:http/outgoing-handler@0.2.12",
        "wasi:cli/environment@0.2.12",
        "wasi:filesystem/preopens@0.2.12",
        "capsule:host/api",
        "node:child_process",
        "node:net",
        "node:vm",
        "file:///etc/passwd",
        "http://127.0.0.1/x.js",
        "/app/main.js",
        "data:text/javascript,export default 1",
    ],
)
def test_importing_what_the_program_was_not_bundled_with(attack, name):
    """A module that can be had gives nothing that its task has not."""
    envelope = attack(
        f"""
        let module: any;
        const load = (0, eval)("(name) => import(name)");
        try {{ module = await load({json.dumps(name)}); }} catch {{ return null; }}
        const found = [];
        for (const [key, value] of Object.entries(module)) {{
          const reached = () => (typeof value === "function" ? (value as any)("/etc") : String(value));
          try {{ found.push([key, reached()]); }} catch {{}}
        }}
        return JSON.stringify(found) ?? null;
        """
    )
    said = json.dumps(envelope)
    assert "the secret" not in said
    assert "root:" not in said


# Files

OUTSIDE = [
    "../secret.txt",
    "data/../../secret.txt",
    "data//..//../secret.txt",
    "data/./.././../secret.txt",
    "data/\\0/../../secret.txt",
    "/secret.txt",
    "{root}/secret.txt",
    "main.ts",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_reaching_outside_by_a_path(attack, project, path):
    (project / "data").mkdir()
    secret = project.root.parent / "secret.txt"
    secret.write_text("precious")
    path = path.replace("{root}", str(project.root.parent))
    envelope = attack(
        f"""
        const path = "{path}";
        const ways = [
          () => fs.readFileSync(path), () => fs.writeFileSync(path, "broken"), () => fs.statSync(path),
          () => fs.rmSync(path), () => fs.renameSync(path, "data/x"), () => fs.copyFileSync(path, "data/x"),
          () => fs.linkSync(path, "data/x"), () => fs.openSync(path, "a"), () => fs.truncateSync(path),
        ];
        return ways.map((way) => {{ try {{ return String(way()); }} catch {{ return null; }} }});
        """,
        options='allowedFiles: ["data"]',
    )
    assert envelope.unwrap() == [None] * 9
    assert secret.read_text() == "precious"
    assert "ways.map" in (project / "main.ts").read_text()


@pytest.mark.parametrize("target", ["..", "../..", "/", "../secret.txt", "{root}", "{root}/secret.txt"])
def test_a_symbolic_link_that_the_guest_makes(attack, project, target):
    (project / "data").mkdir()
    secret = project.root.parent / "secret.txt"
    secret.write_text("precious")
    target = target.replace("{root}", str(project.root.parent))
    envelope = attack(
        """
        const found = [];
        for (const end of ["", "/", "/secret.txt", "/../secret.txt"]) {
          try { fs.symlinkSync(args[0], "data/link"); } catch {}
          try { found.push(fs.readFileSync(`data/link${end}`, "utf8")); } catch {}
          try { fs.writeFileSync(`data/link${end}`, "broken"); } catch {}
        }
        return found;
        """,
        target,
        options='allowedFiles: ["data"]',
    )
    assert "precious" not in json.dumps(envelope)
    assert secret.read_text() == "precious"


def test_a_symbolic_link_that_lay_there_before(attack, project):
    (project / "data").mkdir()
    (project.root.parent / "secret.txt").write_text("precious")
    (project / "data/link").symlink_to("../../secret.txt")
    envelope = attack(
        'try { return fs.readFileSync("data/link", "utf8"); } catch { return null; }',
        options='allowedFiles: ["data"]',
    )
    assert envelope.unwrap() is None


def test_changing_a_read_only_folder(attack, project):
    project.write("data/in.txt", "42")
    before = (project / "data/in.txt").stat()
    envelope = attack(
        """
        const ways = [
          () => fs.writeFileSync("data/in.txt", "broken"), () => fs.appendFileSync("data/in.txt", "x"),
          () => fs.truncateSync("data/in.txt", 0), () => fs.renameSync("data/in.txt", "data/x"),
          () => fs.unlinkSync("data/in.txt"), () => fs.rmSync("data/in.txt"), () => fs.mkdirSync("data/new"),
          () => fs.utimesSync("data/in.txt", 1, 1), () => fs.chmodSync("data/in.txt", 0o777),
          () => fs.symlinkSync("in.txt", "data/link"), () => fs.linkSync("data/in.txt", "data/hard"),
          () => fs.copyFileSync("data/in.txt", "data/copy"), () => fs.openSync("data/in.txt", "r+"),
          () => fs.openSync("data/new", "w"), () => fs.rmdirSync("data"),
        ];
        const done = [];
        ways.forEach((way, number) => { try { way(); done.push(number); } catch {} });
        return done;
        """,
        options='allowedFiles: [{ path: "data", mode: "read-only" }]',
    )
    after = (project / "data/in.txt").stat()
    # Node's chmod is a courtesy here: a sandbox has no modes to change, and changes none.
    assert set(envelope.unwrap()) <= {8}
    assert [path.name for path in (project / "data").iterdir()] == ["in.txt"]
    assert (before.st_mtime_ns, before.st_size, before.st_mode) == (
        after.st_mtime_ns,
        after.st_size,
        after.st_mode,
    )


# Network


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:<DENIED>/x",
        "http://127.0.0.1:<ALLOWED>@127.0.0.1:<DENIED>/x",
        "http://2130706433:<DENIED>/x",
        "http://0x7f.1:<DENIED>/x",
        "http://localhost:<DENIED>/x",
        "http://[::ffff:127.0.0.1]:<DENIED>/x",
        "http://127.0.0.1:<ALLOWED>/to/127.0.0.1:<DENIED>/x",
        "http:\\\\\\\\127.0.0.1:<DENIED>\\\\x",
        "//127.0.0.1:<DENIED>/x",
        "file:///etc/passwd",
        "data:text/plain,x",
    ],
)
def test_a_request_to_a_host_that_is_not_allowed(attack, server, second_server, url):
    url = url.replace("<ALLOWED>", str(server.port)).replace("<DENIED>", str(second_server.port))
    envelope = attack(
        f"""
        const found = [];
        try {{ found.push(await (await fetch("{url}")).text()); }} catch {{}}
        const http = await load("http");
        const request = {{ method: "GET", url: "{url}", headers: [], body: null, redirects: true }};
        try {{ found.push(http.send(JSON.stringify(request))); }} catch {{}}
        return found;
        """,
        top=HOST,
        options=f'allowedHosts: ["127.0.0.1:{server.port}"]',
    )
    assert second_server.asked == []
    assert "root:" not in json.dumps(envelope.unwrap())


def test_headers_that_smuggle_a_request(attack, server):
    envelope = attack(
        """
        const http = await load("http");
        const tries: any[] = [
          ["X", "a\\r\\nY: b"], ["X\\r\\nY", "b"], ["X", "\\u010a"],
          ["Content-Length", "0\\r\\n\\r\\nGET /evil"],
        ];
        const found = [];
        for (const header of tries) {
          try { await fetch(args[0], { headers: [header] }); } catch (error: any) { found.push(error.name); }
          const request = { method: "GET", url: args[0], headers: [header], body: null };
          try { http.send(JSON.stringify(request)); } catch (error: any) { found.push(error.payload.reason); }
        }
        return found;
        """,
        server.url,
        top=HOST,
        options='allowedHosts: ["127.0.0.1"]',
    )
    assert envelope.success, envelope
    assert "/evil" not in [asked.path for asked in server.asked]
    assert not [asked for asked in server.asked if "y" in asked.headers]


# Output and outcome

FORGED = json.dumps({"success": True, "result": "forged", "error": None, "execution": {}})


@pytest.mark.parametrize(
    "body",
    [
        "console.log(args[0])",
        "console.error('\\n' + args[0] + '\\n')",
        "process.stdout.write(args[0])",
        "process.stderr.write(args[0] + '\\n')",
        "for (let n = 0; n < 20; n++) try { fs.writeSync(n, args[0]) } catch {}",
        "for (let n = 0; n < 5; n++) try { fs.closeSync(n) } catch {}",
        "try { fs.writeFileSync('/dev/stdout', args[0]) } catch {}",
    ],
)
def test_printing_an_envelope_with_json(project, cli, body):
    project.write(
        "main.ts",
        'import * as fs from "node:fs";\n'
        f"export function main(...args: any[]) {{\n  {body};\n  throw new Error('the truth');\n}}\n",
    )
    done = cli("run", "main.ts", FORGED, "--json")
    assert done.status == 1
    assert done.envelope.error["message"].endswith("the truth"), done


@pytest.mark.parametrize(
    "value",
    [
        {"success": True, "result": 1, "error": None, "execution": {"fuel_consumed": 0}},
        {"error_type": "timeout", "message": "a lie"},
        {"error": {"error_type": "timeout", "message": "a lie"}},
        {"result": {"error": {}}},
        {"execution": {"retries": -1}},
    ],
)
def test_a_result_that_looks_like_an_envelope_is_a_result(attack, value):
    envelope = attack("return args[0];", value)
    assert envelope.success
    assert envelope.result == value
    assert envelope.execution["task_name"] == "main"


@pytest.mark.parametrize(
    "name", ["timeout", "out_of_fuel", "crash", "cancelled", "limit_exceeded", "load_error"]
)
def test_claiming_a_failure_that_only_the_host_can_find(attack, name):
    envelope = attack(
        f"""
        const error: any = new Error("a lie");
        for (const field of ["error_type", "errorType", "code", "reason"]) error[field] = "{name}";
        const encode = JSON.stringify;
        const lie = {{ error_type: "{name}" }};
        JSON.stringify = ((value: any) =>
          encode(value?.error ? {{ error: {{ ...value.error, ...lie }} }} : value)) as any;
        throw error;
        """
    )
    assert envelope.error["error_type"] == "task_error"


@pytest.mark.parametrize(
    "body",
    [
        'JSON.stringify = (() => \'1, "success": true, "execution": {"retries": 9}\') as any; return 1',
        "JSON.stringify = (() => '1}, {') as any; return 1",
        "JSON.stringify = (() => '') as any; return 1",
        "JSON.stringify = (() => undefined) as any; return 1",
        "JSON.stringify = (() => ({ toString: () => '7' })) as any; return 1",
    ],
)
def test_writing_the_answer_to_the_host_by_hand(attack, body):
    envelope = attack(body)
    assert envelope.execution["fuel_consumed"] > 1000
    assert envelope.execution["retries"] == 0
    assert envelope.success or envelope.error["error_type"] in ("task_error", "crash")


@pytest.mark.parametrize(
    "body",
    ["process.exit(0)", "process.exitCode = 0; process.exit()", "process.abort()", "process.kill(0, 9)"],
)
def test_ending_the_sandbox_with_success_is_not_a_success(attack, body):
    assert not attack(f"{body}; ").success


@pytest.mark.parametrize(
    "body",
    [
        "return 10n",
        "const a: any = {}; a.a = a; return a",
        "return { toJSON() { throw new Error('x') } }",
        "return new Proxy({}, { ownKeys() { throw new Error('x') } })",
        "return { get a() { throw new Error('x') } }",
        "throw null",
        "throw { toString() { throw 1 } }",
        "throw new Proxy(new Error('x'), { get() { throw 1 } })",
        "const e: any = new Error('x'); Object.defineProperty(e, 'message', { get() { throw e } }); throw e",
        "const e: any = new Error('x'); e.stack = 5; e.name = {}; throw e",
        "Error.prepareStackTrace = () => { throw 1 }; throw new Error('x')",
        "return { then(resolve: any, reject: any) { reject({ then: 1 }) } }",
        "class X extends Error { get name(): any { for (;;) {} } }; throw new X('x')",
    ],
)
def test_a_result_or_an_error_that_fights_back(attack, body):
    envelope = attack(body, options='timeout: "1s"')
    assert not envelope.success
    assert envelope.error["error_type"] in ("task_error", "timeout", "out_of_fuel")
    assert isinstance(envelope.error["message"], str)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'\\ud800'", "\ud800"),
        ("'\\0\\x1b\\u202e'", "\0\x1b\u202e"),
        ("NaN", None),
        ("{ __proto__: { a: 1 }, b: 2 }", {"b": 2}),
        ("JSON.parse('{\"__proto__\": 1}')", {"__proto__": 1}),
        ("2 ** 53 + 2", 2**53 + 2),
        ("1e400", None),
    ],
)
def test_values_at_the_edge_arrive_as_json_has_them(attack, value, expected):
    assert attack(f"return {value};").unwrap() == expected


# Time, memory, stack


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "for (;;) {}",
        "await new Promise((done) => setTimeout(done, 1e8))",
        "await new Promise(() => { setInterval(() => {}, 1) })",
        "const f = (): any => Promise.resolve().then(f); await f()",
        "const f = () => queueMicrotask(f); f(); await new Promise(() => setInterval(() => {}, 10))",
        "/^(a+)+$/.test('a'.repeat(100) + 'b')",
        "[3, 2, 1].sort(() => { for (;;) {} })",
        "for (const x of (function* () { for (;;) yield 1; })());",
        "return { toJSON() { for (;;) {} } }",
        "return { then() {} , a: setInterval(() => {}, 10) }",
        "let n = 2n; for (;;) n *= n",
        "let s = 'a'; for (;;) s.split('').reverse().join('')",
        "try { for (;;) {} } finally { for (;;) {} }",
        "new Array(2 ** 31).join('x').length; for (;;) {}",
        "Object.defineProperty(globalThis, 'x', { get() { for (;;) {} } }); (globalThis as any).x",
    ],
)
def test_a_deadline_ends(attack, body):
    envelope = attack(f"{body};", options='timeout: "400ms", ram: "128MB", compute: "HIGH"')
    assert envelope.error["error_type"] in ("timeout", "out_of_memory", "task_error"), envelope
    assert envelope.execution["duration_ms"] < 10_000


@pytest.mark.parametrize(
    "body",
    [
        "const all: any[] = []; for (;;) all.push(new Array(1000).fill(1))",
        "let s = 'x'; for (;;) s += s",
        "const all: any[] = []; for (;;) all.push(new Uint8Array(1 << 20).fill(1))",
        "new Uint8Array(1 << 30).fill(1)",
        "const all = new Map(); for (let n = 0; ; n++) all.set(n, String(n))",
        "let n = 2n; for (;;) n **= 2n",
        "const keep: any[] = []; for (;;) keep.push(() => keep)",
        "'x'.repeat(2 ** 29).repeat(8)",
    ],
)
def test_a_memory_hog_ends_at_its_ram(attack, memory_grows_at_most, body):
    with memory_grows_at_most(400 << 20):
        envelope = attack(f"{body};", options='ram: "64MB", timeout: "20s", compute: "HIGH"')
    assert envelope.error["error_type"] in ("out_of_memory", "task_error"), envelope


@pytest.mark.parametrize(
    "body",
    [
        "const f = (): any => f(); f()",
        "const f = (): any => [1].map(f); f()",
        "const f: any = new Proxy(() => 1, { apply: () => f() }); f()",
        "JSON.parse('['.repeat(3e5))",
        "let a: any = []; for (let n = 0; n < 1e5; n++) a = [a]; return a",
        "let a: any = []; for (let n = 0; n < 1e5; n++) a = [a]; JSON.stringify(a)",
        "new RegExp('('.repeat(3e5))",
        "(0, eval)('['.repeat(3e5))",
        "(0, eval)('-'.repeat(3e5) + '1')",
        "const o: any = { toJSON() { return [o] } }; return o",
        "const o: any = {}; o.toString = () => `${o}`; `${o}`",
    ],
)
def test_a_stack_that_never_ends(attack, body):
    options = 'timeout: "20s", ram: "256MB", compute: 2_000_000_000'
    envelope = attack(f"{body};", options=options)
    assert not envelope.success
    assert envelope.error["error_type"] in (
        "task_error",
        "stack_overflow",
        "out_of_memory",
        "out_of_fuel",
        "result_too_large",
    ), envelope


def test_an_endless_top_level_ends_with_the_run(attack):
    envelope = attack("return 1;", top="for (;;) {}", limits={"total_timeout": "600ms"})
    assert envelope.error["error_type"] in ("timeout", "load_error")


@pytest.mark.slow
def test_endless_output_is_cut_and_ends(attack, memory_grows_at_most):
    with memory_grows_at_most(200 << 20):
        envelope = attack(
            "for (;;) console.log('x'.repeat(10000));",
            options='timeout: "2s", compute: "HIGH"',
            limits={"output_bytes": 100_000},
            on_output=lambda *_: None,
        )
    assert not envelope.success


def test_a_bomb_that_forks_at_every_level(attack):
    envelope = attack(
        """
        const ended = await Promise.all([bomb.start(), bomb.start()]);
        return ended.map((one) => one.error?.error_type ?? null);
        """,
        top="""
        export const bomb: any = task({ name: "bomb" }, async () => {
          const ended = await Promise.all([bomb.start(), bomb.start()]);
          for (const one of ended) one.unwrap();
        });
        """,
        limits={"tasks": 40, "depth": 5},
    )
    assert all(kind is not None for kind in envelope.unwrap())


# What sandboxes share

LEAVE = """
    (globalThis as any).left = 1;
    (Object.prototype as any).left = 1;
    JSON.parse = (() => "left") as any;
    process.env.LEFT = "left";
    try { fs.writeFileSync("/tmp/left", "left"); } catch {}
"""
LOOK = """
    return [
      (globalThis as any).left ?? null, ({} as any).left ?? null, JSON.parse("1"),
      process.env.LEFT ?? null, fs.existsSync("/tmp/left"),
    ];
"""


def test_what_one_sandbox_leaves_no_other_finds(attack):
    for ending in ("return 1;", "throw new Error('x');", "process.exit(0);", "for (;;) {}"):
        attack(LEAVE + ending, options='timeout: "300ms"')
        assert attack(LOOK).unwrap() == [None, None, 1, None, False]


def test_what_an_attempt_leaves_its_retry_does_not_find(attack):
    envelope = attack(
        'if ((globalThis as any).left) return "found"; (globalThis as any).left = 1; throw new Error("x");',
        options="maxRetries: 2",
    )
    assert not envelope.success
    assert envelope.execution["retries"] == 2


def test_retries_draw_different_numbers(attack, project):
    (project / "data").mkdir()
    attack(
        'fs.appendFileSync("data/n", `${Math.random()} ${crypto.randomUUID()}\\n`); throw new Error("x");',
        options='allowedFiles: ["data"], maxRetries: 4',
    )
    drawn = (project / "data/n").read_text().split()
    assert len(set(drawn)) == len(drawn) == 10


# After the end


def test_work_that_nobody_waited_for_does_not_outlive_its_task(attack, server):
    envelope = attack(
        f"""
        const late = () => {{ fetch("{server.url}/late").then(late, late); }};
        setTimeout(late, 5);
        Promise.resolve().then(() => setTimeout(late, 20));
        return 7;
        """,
        options='allowedHosts: ["127.0.0.1"], timeout: "2s"',
    )
    assert envelope.success or envelope.error["error_type"] in ("task_error", "timeout")
    # What was on its way at the end may still arrive; what goes on after it would be more and more.
    assert attack("return 1;").unwrap() == 1
    seen = len(server.asked)
    for _ in range(3):
        assert attack("return 1;").unwrap() == 1
    assert len(server.asked) == seen


# Building

PLANT = 'require("fs").writeFileSync("ran-on-the-host", "x"); module.exports = {};\n'
SCRIPTS = ["preinstall", "install", "postinstall", "prepare", "prebuild", "build", "postbuild", "pretest"]


def test_configuration_and_scripts_of_the_project_that_would_run_during_a_build(project, cli):
    """Whatever tools of the JavaScript world look for beside a source, none of it is run for a build."""
    for name in ("esbuild", "babel", "postcss", "rollup", "webpack", "vite", "jest", "eslint"):
        for ending in ("js", "cjs"):
            project.write(f"{name}.config.{ending}", PLANT)
    for name in (
        ".pnpmfile.cjs",
        "plugin.js",
        "index.js",
        "node_modules/evil/index.js",
        "node_modules/.hooks/x.js",
    ):
        project.write(name, PLANT)
    scripts = dict.fromkeys(SCRIPTS, "touch ran-on-the-host")
    evil = {"name": "evil", "version": "1.0.0", "main": "index.js", "scripts": scripts}
    project.write("node_modules/evil/package.json", json.dumps(evil))
    package = {
        "name": "x",
        "scripts": scripts,
        "dependencies": {"evil": "*"},
        "babel": {"plugins": ["./plugin.js"]},
    }
    project.write("package.json", json.dumps(package))
    project.write("tsconfig.json", json.dumps({"compilerOptions": {"plugins": [{"name": "./plugin.js"}]}}))
    project.write(
        ".npmrc", "node-options=--require ./plugin.js\nscript-shell=./plugin.js\nignore-scripts=false\n"
    )
    project.write(".node-version", "0.0.1\n")
    project.write(".env", "NODE_OPTIONS=--require ./plugin.js\n")
    project.write(
        "main.ts",
        """
        import { task } from "@capsule-run/sdk";
        const all = ["ma", "in"].map((half) => half);
        export const main = task({ name: all.join(""), ram: `${64}MB` }, () => "good");
        """,
    )
    for arguments in (("build", "main.ts", "--export"), ("run", "main.ts", "--json")):
        done = cli(*arguments)
        assert done.status == 0, done
    assert done.envelope.result == "good"
    assert list(project.root.rglob("ran-on-the-host")) == []
