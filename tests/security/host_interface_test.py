"""Every function of the host, called from a real sandbox with whatever Hypothesis thinks of.

A program is a list of calls, which hostile code in Python and in JavaScript makes one by one, past the
SDKs. A model of the contract says of each answer whether it may be: what was opened and not taken yet, and
nothing else, can be taken; what is declared, and nothing else, can be started; and nobody but the allowed
server is asked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from capsule import run_sync

PYTHON = """
    import json, os
    from capsule import task
    from componentize_py_types import Err
    from wit_world.imports import clock, http, pending, program, tasks

    FUNCTIONS = {
        "tasks.start": tasks.start, "tasks.outcome": tasks.outcome, "pending.wait-any": pending.wait_any,
        "http.send": http.send, "http.start": http.start, "http.response": http.response,
        "clock.sleep": clock.sleep, "program.get": program.get,
    }

    @task(name="other")
    def other(*args, **kwargs):
        return [len(args), os.environ.get("CAPSULE_TEST_SECRET")]

    @task(name="main", allowed_hosts=["<HOST>"], timeout="60s")
    def main(steps):
        handles, answers = [], []
        for name, given in steps:
            try:
                answer = FUNCTIONS[name](*[value(one, handles) for one in given])
                if name.endswith(".start"):
                    handles.append(answer)
                answers.append(["answer", answer])
            except Err as error:
                answers.append(["refused", error.value.reason.name.lower().replace("_", "-")])
            except UnicodeError:
                answers.append(["not sent", None])
        return [handles, answers]

    def value(one, handles):
        if not isinstance(one, dict):
            return one
        if "repeat" in one:
            return one["before"] + one["repeat"] * one["times"] + one["after"]
        return handles[-1 - one["handle"] % len(handles)] + one["plus"] if handles else one["plus"]
"""

JAVASCRIPT = """
    import { task } from "@capsule-run/sdk";

    export const other = task({ name: "other" }, (...args) => {
      return [args.length, process.env.CAPSULE_TEST_SECRET ?? null];
    });

    export const main = task(
      { name: "main", allowedHosts: ["<HOST>"], timeout: "60s" },
      async (steps) => {
        const load = (0, eval)("(name) => import(`capsule:runtime/${name}@1.0.0`)");
        const [tasks, http, pending, clock, program, codec] = await Promise.all(
          ["tasks", "http", "pending", "clock", "program", "codec"].map(load),
        );
        const functions = {
          "tasks.start": tasks.start, "tasks.outcome": tasks.outcome,
          "pending.wait-any": (t) => Array.from(pending.waitAny(t ?? undefined)),
          "http.send": http.send, "http.start": http.start, "http.response": http.response,
          "clock.sleep": clock.sleep, "program.get": program.get,
          "codec.digest": codec.digest, "codec.hmac": codec.hmac,
          "codec.compress": codec.compress, "codec.decompress": codec.decompress,
        };
        const handles = [], answers = [];
        const value = (one) => {
          if (typeof one !== "object" || one === null) return one;
          if ("repeat" in one) return one.before + one.repeat.repeat(one.times) + one.after;
          return (handles.length ? handles.at(-1 - (one.handle % handles.length)) : 0) + one.plus;
        };
        for (const [name, given] of steps) {
          try {
            const answer = functions[name](...given.map(value));
            if (name.endsWith(".start")) handles.push(answer);
            answers.push(["answer", answer ?? null]);
          } catch (error) {
            if (error?.payload === undefined) throw error;
            answers.push(["refused", error.payload.reason]);
          }
        }
        return [handles, answers];
      },
    );
"""

PROGRAMS = {"main.py": PYTHON, "main.js": JAVASCRIPT}

# What is called, and with what

NAMES = st.sampled_from(["other", "main", "Other", "other\0", "оther", "", "../main", "*"]) | st.text(
    max_size=20
)
BIG = st.builds(
    lambda before, repeat, times, after: {"before": before, "repeat": repeat, "times": times, "after": after},
    st.sampled_from(["", '{"args": ', '{"kwargs": {}, "args": [', '{"method": "']),
    st.sampled_from(["[", '{"a":', "x", "9", "\0", "\\ud800", "[],", '"', "é"]),
    st.sampled_from([1, 900, 1000, 60_000, 300_000]),
    st.sampled_from(["", "]", "0]}", '"}']),
)
POLICY = {"env_variables": ["CAPSULE_TEST_SECRET"], "allowed_hosts": ["*"], "allowed_files": ["."]}
CALLS = st.sampled_from(
    [
        '{"args": [], "kwargs": {}}',
        '{"args": [[]], "kwargs": {}}',
        '{"args": [1, "\\ud800", {"a": null}], "kwargs": {"b": 1.5}}',
        json.dumps({"args": [], "kwargs": {}, **POLICY}),
        json.dumps({"args": [], "kwargs": {}, "policy": POLICY, "task": "main"}),
        '{"args": [], "kwargs": {"__proto__": 1, "": 2}}',
        '{"args": [], "args": [1], "kwargs": {}}',
        '{"args": [NaN, Infinity], "kwargs": {}}',
        '{"args": {}, "kwargs": []}',
        "null",
    ]
)
ALLOWED, DENIED = (
    json.dumps({"method": "GET", "url": f"<{place}>/x", "headers": [], "body": None})
    for place in ("ALLOWED", "DENIED")
)
REQUESTS = st.sampled_from(
    [
        json.dumps({"method": method, "url": url, "headers": headers, "body": body})
        for method, url in (
            ("GET", "<ALLOWED>/x"),
            ("GET", "<DENIED>/x"),
            ("G\r\nX", "<ALLOWED>/x"),
            ("GET", "file:///"),
        )
        for headers, body in (([], None), ([["a", "b\r\nc"]], None), ([["Host", "evil"]], "aGk="), ([], "!"))
    ]
)
TEXTS = CALLS | REQUESTS | BIG | st.text(max_size=30)
HANDLES = st.builds(
    lambda handle, plus: {"handle": handle, "plus": plus},
    st.integers(0, 30),
    st.sampled_from([0, 0, 0, 1, 7]),
) | st.sampled_from([0, 1, 2**31, 2**53])
WAITS = st.sampled_from([0, 1, 1_000_000])


def step(name, *arguments):
    return st.tuples(st.just(name), st.tuples(*arguments).map(list)).map(list)


STEPS = st.one_of(
    step("tasks.start", NAMES, TEXTS),
    step("tasks.start", st.just("other"), CALLS),
    step("tasks.outcome", HANDLES),
    step("pending.wait-any", WAITS | st.none()),
    step("http.send", TEXTS),
    step("http.start", REQUESTS | TEXTS),
    step("http.response", HANDLES),
    step("clock.sleep", WAITS),
    step("program.get", NAMES | TEXTS),
)
LAST = {"handle": 0, "plus": 0}
PAIRS = (
    [["tasks.start", ["other", '{"args": [1], "kwargs": {}}']], ["tasks.outcome", [LAST]]],
    [["tasks.start", ["other", '{"args": [], "kwargs": {}}']], ["http.response", [LAST]]],
    [["http.start", [DENIED]], ["http.response", [LAST]]],
    [["http.start", [ALLOWED]], ["tasks.outcome", [LAST]]],
    [["http.send", [DENIED]], ["http.send", [ALLOWED]]],
    [["http.send", ["{}"]], ["program.get", [""]]],
    [["pending.wait-any", [0]], ["tasks.start", ["nope", "{}"]]],
    [["tasks.start", ["other", "{}"]], ["tasks.outcome", [99]]],
)
"""What goes together, and what doesn't: alone, two calls seldom speak of the same handle."""

DATA = st.sampled_from(["", "aGVsbG8=", "!", "H4sIAAAAAAAA/w=="]) | BIG | st.text(max_size=20)
ALGORITHMS = st.sampled_from(["sha256", "md5", "nope", "sha256\0"])
FORMATS = st.sampled_from(["gzip", "zlib", "deflate"])
CODEC_STEPS = st.one_of(
    step("codec.digest", ALGORITHMS, DATA),
    step("codec.hmac", ALGORITHMS, DATA, DATA),
    step("codec.compress", FORMATS, st.integers(0, 255), DATA),
    step("codec.decompress", FORMATS, st.sampled_from([0, 1, 2**31, 2**32 - 1]), DATA),
)


# What may come of it


@dataclass
class Model:
    """What a sandbox has opened and not taken."""

    tasks: set[int] = field(default_factory=set)
    requests: set[int] = field(default_factory=set)

    def check(self, name, given, kind, answer):
        match name, kind:
            case _, "not sent":
                pass  # text that isn't Unicode ends in the guest
            case "tasks.start", "answer":
                assert given[0] in ("other", "main")
                assert isinstance(given[1], dict) or isinstance(json.loads(given[1])["args"], list)
                self._opened(self.tasks, answer)
            case "tasks.start", "refused":
                assert answer in ("unknown-task", "bad-arguments", "depth-limit", "task-limit")
                assert (answer == "unknown-task") == (given[0] not in ("other", "main"))
            case "http.start", "answer":
                self._opened(self.requests, answer)
            case "tasks.outcome", "answer":
                assert (answer is not None) == (given[0] in self.tasks)
                self.tasks.discard(given[0])
                if answer is not None:
                    assert set(json.loads(answer)) == {"success", "result", "error", "execution"}
                    assert "the secret" not in answer
            case "http.response", _:
                assert (answer == "unknown-handle") == (given[0] not in self.requests)
                self.requests.discard(given[0])
            case "pending.wait-any", "answer":
                assert set(answer) <= self.tasks | self.requests
            case "http.send", "refused":
                assert answer in ("denied", "invalid-request", "too-large")
            case "program.get", "answer":
                assert answer is None or given[0] in ("main", "bundle")
            case ("http.send", "answer") | ("clock.sleep", "answer"):
                pass
            case _:
                assert name.startswith("codec."), (name, kind, answer)
                assert kind == "answer" or answer in ("unknown-algorithm", "invalid-data", "too-large")

    def _opened(self, kind, handle):
        assert handle > 0
        assert handle not in self.tasks | self.requests
        kind.add(handle)


def checked(steps, result):
    """Follows the answers through the model. Returns what kinds of answers there were."""
    opened, answers = result
    handles = iter(opened)
    so_far, model, seen = [], Model(), set()
    assert len(answers) == len(steps)
    for (name, arguments), (kind, answer) in zip(steps, answers, strict=True):
        resolved = [
            (so_far[-1 - one["handle"] % len(so_far)] if so_far else 0) + one["plus"]
            if isinstance(one, dict) and "handle" in one
            else one
            for one in arguments
        ]
        model.check(name, resolved, kind, answer)
        seen.add((name, answer if kind == "refused" else answer is not None))
        if name.endswith(".start") and kind == "answer":
            so_far.append(next(handles))
    return seen


REACHED = {
    ("tasks.start", True),
    ("tasks.start", "unknown-task"),
    ("tasks.start", "bad-arguments"),
    ("tasks.outcome", True),
    ("tasks.outcome", False),
    ("pending.wait-any", True),
    ("http.send", "denied"),
    ("http.send", "invalid-request"),
    ("http.start", True),
    ("http.response", "unknown-handle"),
    ("http.response", "denied"),
    ("program.get", False),
}
"""Answers of every kind, the good ones among them: or the calls would be too wild to get anywhere."""


@pytest.mark.parametrize("file", PROGRAMS)
def test_calling_every_function_of_the_host_with_anything(project, server, second_server, monkeypatch, file):
    monkeypatch.setenv("CAPSULE_TEST_SECRET", "the secret")
    project.write(file, PROGRAMS[file].replace("<HOST>", f"127.0.0.1:{server.port}"))
    places = {"<ALLOWED>": server.url, "<DENIED>": second_server.url}

    def filled(value):
        for place, url in places.items():
            value = value.replace(place, url) if isinstance(value, str) else value
        return value

    steps = STEPS | CODEC_STEPS if file == "main.js" else STEPS
    rounds = st.lists(st.sampled_from(PAIRS) | steps.map(lambda one: [one]), min_size=4, max_size=25)

    seen = set()

    @settings(
        max_examples=60,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(rounds)
    @example(list(PAIRS))
    def called(drawn):
        calls = [[name, [filled(one) for one in arguments]] for pair in drawn for name, arguments in pair]
        envelope = run_sync(project / file, [calls], cwd=project.root)
        seen.update(checked(calls, envelope.unwrap()))

    called()
    missed = REACHED - seen
    assert not missed
    assert second_server.asked == []
    assert all("\r" not in asked.method for asked in server.asked)


# After the end

POST_RETURN = """
(component
  (import "capsule:runtime/clock@1.0.0" (instance $clock (export "sleep" (func (param "nanoseconds" u64)))))
  (alias export $clock "sleep" (func $sleep))
  (core func $slept (canon lower (func $sleep)))
  (core module $m
    (import "host" "sleep" (func $sleep (param i64)))
    (memory (export "memory") 1)
    (data (i32.const 16) "{\\22result\\22: 1}")
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
    (func (export "clean") (param i32) %s)
    (func (export "run") (param i32 i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (i32.const 13))
      i32.const 0))
  (core instance $i (instantiate $m (with "host" (instance (export "sleep" (func $slept))))))
  (func $run (param "call" string) (result string)
    (canon lift (core func $i "run") (memory (core memory $i "memory"))
      (realloc (core func $i "realloc")) (post-return (core func $i "clean"))))
  (export "run" (func $run)))
"""


@pytest.mark.parametrize(
    "body",
    [
        "(call $sleep (i64.const -1))",
        "(loop $again (br $again))",
        "unreachable",
        "(loop $again (drop (memory.grow (i32.const 1))) (br $again))",
    ],
    ids=["sleeping", "computing", "trapping", "taking memory"],
)
def test_calls_and_work_after_the_end(component, project, memory_grows_at_most, body):
    """A component may clean up after its answer was read: that is bounded as its call was."""
    path = component(POST_RETURN % body, timeout=1.0, ram=64 << 20)
    with memory_grows_at_most(300 << 20):
        envelope = run_sync(path, cwd=project.root)
    assert envelope.success or envelope.error["error_type"] in (
        *("timeout", "crash", "out_of_fuel", "out_of_memory"),
    )
    assert envelope.execution["duration_ms"] < 10_000
