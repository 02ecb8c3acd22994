"""A rejected promise that nothing awaits fails the task, with the place where it was thrown."""

from __future__ import annotations

import pytest

PROGRAM = """
import { task } from "@capsule-run/sdk";

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function boom(): Promise<void> {
  await null;
  throw new Error("boom");
}

export const main = task({ name: "main" }, async () => {
%s
  return "end";
});
"""


@pytest.fixture(params=["quickjs", "starlingmonkey"])
def ending(request, project):
    """`ending(body)` runs a task of that body in each engine."""
    project.write("capsule.toml", f'[javascript]\nengine = "{request.param}"\n')
    return lambda body: project.run(PROGRAM % body, file="main.ts")


@pytest.mark.parametrize(
    "body",
    [
        "  boom();",
        "  void boom(); await sleep(1);",
        "  boom().then(() => 1); await sleep(1);",
        "  (async () => { await boom(); })();",
        "  [1, 2].forEach(async () => { await boom(); }); await sleep(1);",
        "  setTimeout(async () => { await boom(); }, 1); await sleep(20);",
        "  setTimeout(() => boom(), 1); await sleep(20);",
    ],
)
def test_a_rejected_promise_that_nothing_awaits_fails_the_task(ending, body):
    done = ending(body)
    assert done.error["error_type"] == "task_error"
    assert done.error["message"].endswith("a promise that nothing awaits was rejected: Error: boom")
    assert "main.ts:7" in done.error["traceback"]


@pytest.mark.parametrize(
    "body",
    [
        "  boom().catch(() => 0); await sleep(1);",
        "  try { await boom(); } catch {}",
        "  await Promise.allSettled([boom(), boom()]);",
        '  process.on("unhandledRejection", () => {}); boom(); await sleep(1);',
        "  sleep(1); [3, 1].sort(); new Set([1]).forEach((x) => x);",
    ],
)
def test_a_rejection_that_is_dealt_with_changes_nothing(ending, body):
    assert ending(body).unwrap() == "end"
