"""``capsule build --typecheck``: type errors are told, and never stop a run."""

from __future__ import annotations

import json

import pytest

WRONG = """
import { task } from "@capsule-run/sdk";

export const main = task({ name: "main" }, (): number => {
  const text: number = "not a number";
  return 1;
});
"""


def built(cli, *arguments):
    done = cli("build", *arguments, "--typecheck")
    if "npm can't fetch" in done.stderr:
        pytest.skip(f"needs the TypeScript compiler: {done.stderr}")
    return done


def test_a_type_error_is_told_with_file_and_line_and_a_status_of_3(project, cli):
    project.write("main.ts", WRONG)
    done = built(cli, "main.ts")
    assert done.status == 3
    assert "main.ts:4: TS2322" in done.stderr
    assert "built main.ts" in done.stdout, "the artifact is there all the same"


def test_a_type_error_does_not_stop_a_run(project, cli):
    project.write("main.ts", WRONG)
    assert cli("run", "main.ts").stdout.strip() == "1"


def test_sound_types_are_a_status_of_0(project, cli):
    project.write("main.ts", WRONG.replace('"not a number"', "5"))
    assert built(cli, "main.ts").status == 0


def test_machines_get_the_problems_as_json(project, cli):
    project.write("main.ts", WRONG)
    (problem,) = json.loads(built(cli, "main.ts", "--json").stdout)["types"]
    assert problem["file"] == "main.ts"
    assert problem["line"] == 4
    assert problem["message"].startswith("TS2322")


def test_a_language_without_types_says_so(project, cli):
    project.write("main.py", "def main(): return 1")
    done = cli("build", "main.py", "--typecheck")
    assert done.status == 2
    assert "python frontend checks no types" in done.stderr
    assert "mypy" in done.stderr
