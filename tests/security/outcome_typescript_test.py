"""Attacks on the outcome by TypeScript: values that look like a status, errors that look like the host's."""

from __future__ import annotations

import pytest
from outcome_test import ENVELOPES

LIARS = """
    import { task } from "@capsule-run/sdk";

    export const liar = task({ name: "liar" }, async (value: unknown) => value);

    export const thrower = task({ name: "thrower" }, async (type: string) => {
      throw Object.assign(new Error("a lie"), { name: type, error_type: type, errorType: type, code: type });
    });

    export const main = task({ name: "main" }, async (what: string, value: any) => {
      if (what === "return") return value;
      if (what === "throw") throw { error_type: value, message: "a lie", error: { error_type: value } };
      const outcome: any = what === "sub" ? await liar(value) : await thrower(value);
      const error = outcome.error?.error_type ?? null;
      return [outcome.success, outcome.result, error, outcome.execution.task_name];
    });
"""


@pytest.mark.parametrize("value", ENVELOPES)
def test_a_typescript_result_that_looks_like_an_envelope_is_a_result(project, value):
    envelope = project.run(LIARS, "return", value, file="main.ts")
    assert envelope.success
    assert envelope.result == value
    assert envelope.execution["task_name"] == "main"
    assert envelope.execution["retries"] == 0
    assert envelope.execution["fuel_consumed"] > 0


@pytest.mark.parametrize("value", ENVELOPES)
def test_a_typescript_sub_task_s_result_that_looks_like_an_envelope(project, value):
    assert project.run(LIARS, "sub", value, file="main.ts").unwrap() == [True, value, None, "liar"]


@pytest.mark.parametrize("error_type", ["timeout", "out_of_fuel", "crash", "cancelled", "limit_exceeded"])
def test_a_typescript_error_that_claims_what_only_the_host_can_find(project, error_type):
    envelope = project.run(LIARS, "throw", error_type, file="main.ts")
    assert envelope.error["error_type"] == "task_error"
    assert project.run(LIARS, "thrower", error_type, file="main.ts").unwrap()[2] == "task_error"


def test_a_toJSON_of_the_guest_s_own_changes_the_value_and_nothing_else(project):
    text = """
        import { task } from "@capsule-run/sdk";
        const forged = { success: false, error: { error_type: "timeout" }, execution: { retries: 9 } };
        export const main = task({ name: "main" }, async () => ({ toJSON: () => forged }));
    """
    envelope = project.run(text, file="main.ts")
    assert envelope.unwrap() == {
        "success": False,
        "error": {"error_type": "timeout"},
        "execution": {"retries": 9},
    }
    assert envelope.execution["retries"] == 0
    assert envelope.execution["task_name"] == "main"
