"""Every example does what its folder's README says, in a copy of that folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples" / "python"


@pytest.fixture
def examples(project):
    shutil.copytree(
        EXAMPLES, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".capsule", "output")
    )
    return project


@pytest.fixture
def result(examples, cli):
    """Runs an example with the real command and gives the task's result."""

    def run(*arguments: str, **options) -> object:
        done = cli("run", "--json", *arguments, cwd=examples.root, **options)
        assert done.status == 0, done
        return done.envelope.unwrap()

    return run


def test_hello_greets(result):
    assert result("hello.py") == "Hello from Capsule!"
    assert result("hello.py", "Ada") == "Hello from Ada!"


def test_the_folder_has_an_entrypoint(result):
    assert result() == "Hello from Capsule!"


def test_analyse_gives_each_area_of_the_file_a_sub_task(examples, result, cli):
    areas = result("analyse.py")
    rows = [
        line.split("\t")
        for line in (examples / "data/zone1970.tab").read_text("utf-8").splitlines()
        if not line.startswith("#")
    ]
    assert sum(area["zones"] for area in areas) == len(rows) > 300
    assert {area["area"] for area in areas} == {row[2].split("/")[0] for row in rows}
    assert areas == sorted(areas, key=lambda area: -area["zones"])
    europe = next(area for area in areas if area["area"] == "Europe")
    assert europe["northernmost"] == "Europe/Helsinki"
    recorded = json.loads(cli("trace", "--json", cwd=examples.root).stdout)["runs"][0]
    assert (recorded["source"], recorded["tasks"]) == ("analyse.py", 1 + len(areas))


def test_fetch_reaches_the_host_that_it_is_given_and_no_other_task_does(result, server):
    fetched = result("fetch.py", f"{server.url}/hello")
    assert fetched["status"] == 200
    assert fetched["type"] == "application/json"
    assert fetched["bytes"] == fetched["bytes_with_urllib"] > 0
    assert fetched["locked"].startswith('denied: host "127.0.0.1" is not in allowed_hosts')
    assert [asked.path for asked in server.asked] == ["/hello", "/hello"]


def test_files_reads_what_it_may_and_writes_where_it_may(examples, result):
    told = result("files.py")
    written = (examples / "output/countries.txt").read_text()
    assert told["bytes_written"] == len(written)
    assert told["countries"] == len(written.split()) > 240
    assert "FR" in written.split()
    assert told["refused"] == {
        "data/mine.txt": "PermissionError",
        "output/mine.txt": "PermissionError",
        "/etc/passwd": "PermissionError",
    }
    assert not (examples / "data/mine.txt").exists()


def test_env_sees_the_variable_that_it_declares_and_no_other(examples, result):
    assert result("env.py", env={"API_KEY": "secret", "OTHER": "x"}) == {
        "api_key": "6 characters",
        "home": None,
        "names": ["API_KEY"],
    }
    assert result("env.py")["api_key"] is None
    examples.write(".env", "API_KEY=from-file\n")
    assert result("env.py")["api_key"] == "9 characters"


def test_retries_tries_again_until_it_went_well(result):
    assert result("retries.py") == {
        "success": True,
        "result": "attempt 3 went well",
        "retries": 2,
        "error": None,
    }


def test_retries_gives_up_after_as_many_as_it_declares(examples):
    from capsule import run_sync

    told = run_sync(examples / "retries.py", [9], cwd=examples.root).unwrap()
    assert (told["success"], told["retries"]) == (False, 3)
    assert "attempt 4 failed" in told["error"]


def test_untrusted_code_gives_its_result_or_what_stopped_it(result, server):
    assert result("untrusted.py", "result = sum(n * n for n in range(10))") == {"result": 285}
    assert result("untrusted.py", "while True: pass")["error_type"] in ("out_of_fuel", "timeout")
    assert result("untrusted.py", "result = open('/etc/passwd').read()")["error_type"] == "permission_denied"
    denied = result("untrusted.py", f"import capsule\ncapsule.http.get({server.url!r})")
    assert "PermissionDenied" in denied["message"]
    assert server.asked == []


def test_in_code_runs_sandboxes_from_an_ordinary_program(examples):
    done = subprocess.run(
        [sys.executable, "in_code.py"],
        cwd=examples.root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert lines["arithmetic"] == "{'result': 42}"
    assert lines["standard library"] == "{'result': 2}"
    assert "ZeroDivisionError" in lines["error"]
    assert "out_of_fuel" in lines["endless"] or "timeout" in lines["endless"]
    assert "out_of_memory" in lines["greedy"]


def test_the_readme_names_every_example():
    named = set(re.findall(r"^\| `(\w+\.py)`", (EXAMPLES / "README.md").read_text(), re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.glob("*.py")}


PROGRAMS = sorted(
    path
    for folder in ("python", "typescript", "agent", "wat")
    for path in (EXAMPLES.parent / folder).iterdir()
    if path.suffix in (".py", ".ts", ".wat") and b"task" in path.read_bytes() and path.stem != "in_code"
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_every_task_of_every_example_says_what_it_may_use(program, project, cli):
    """No example leaves a task the public internet by saying nothing, no deadline, or all of the memory."""
    folder = project.root / "here"
    ignored = shutil.ignore_patterns(".capsule", "output", "node_modules")
    shutil.copytree(program.parent, folder, ignore=ignored)
    if program.stem == "validate":
        (folder / "node_modules/zod").mkdir(parents=True)
        (folder / "node_modules/zod/index.js").write_text("export const z = new Proxy({}, {});\n")
    for task in json.loads(cli("tasks", program.name, "--json", cwd=folder).stdout):
        declared = task["declared"]
        assert declared["timeout"] is not None, task["name"]
        assert declared["ram"] is not None, task["name"]
        assert declared["origins"]["allowed_hosts"] != "built-in", task["name"]
