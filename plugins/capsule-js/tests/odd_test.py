"""Every function that a JavaScript program finds, called with odd values: the sandbox stays whole."""

from pathlib import Path

import pytest

ENGINES = ("quickjs", "starlingmonkey")

PROGRAM = Path(__file__).with_name("odd.js").read_text("utf-8")


# Those of StarlingMonkey (TextDecoder, URL, ...) end the sandbox when a getter of a prototype is read.
@pytest.mark.engine("quickjs")
@pytest.mark.parametrize("part", range(4))
def test_no_call_of_a_program_breaks_its_sandbox(call, server, tmp_path, part):
    done = call(
        PROGRAM, "main", part, 4, 6, files=[(tmp_path, "/output", True)], seconds=60, refuse="unknown-task"
    )
    assert done.trap is None, (str(done.trap)[-100:], done.err[-400:])
    # What callbacks of timers threw fails the task; the calls were made all the same.
    assert done.answer is not None
    assert done.answer.get("result", 1000) >= 1000 or done.answer["error"]["error_type"] == "task_error"


OVERRIDES = [
    "Promise.prototype.then = function () { throw new Error('no'); }",
    "Promise.prototype.then = 5",
    "Promise.prototype.then = function () { return 7; }",
    "Promise.prototype.constructor = function () { throw new Error('no'); }",
    "Object.defineProperty(Promise, Symbol.species, { get() { throw new Error('no'); } })",
    "Promise.resolve = Promise.reject = Promise.all = null",
    "globalThis.Promise = undefined",
    "JSON.stringify = JSON.parse = () => { throw new Error('no'); }",
    "performance.now = () => NaN",
    "globalThis.setTimeout = globalThis.queueMicrotask = null",
    "globalThis.Error = globalThis.String = undefined",
    "Date.now = () => { throw new Error('no'); }",
]


@pytest.mark.parametrize("override", OVERRIDES)
def test_a_program_that_replaces_what_the_language_has_still_ends_well(call, override):
    program = (
        'const { task } = require("@capsule-run/sdk"); const fs = require("fs"); const wait = setTimeout;'
        f"task({{ name: 'main' }}, async () => {{ {override}; await null;"
        "try { fs.readFileSync('/nowhere'); } catch {}"
        "await { then(done) { wait(done, 5); } }; return 41; });"
    )
    assert call(program).result == 41


@pytest.mark.parametrize(
    "code",
    [
        "new Function(\"return import('node:fs')\")()",
        "(0, eval)(\"import('x')\")",
        "eval(\"import('x'.repeat(300000))\")",
    ],
)
def test_an_import_in_evaluated_code_is_an_error_that_can_be_caught(call, code):
    program = (
        'const { task } = require("@capsule-run/sdk");'
        f"task({{ name: 'main' }}, async () => {{ try {{ await {code}; return 'there'; }}"
        "catch (error) { return error instanceof Error; } });"
    )
    assert call(program).result is True
