"""Every TypeScript example does what its folder's README says, in a copy of that folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from capsule_js.toolchain import ManagedToolchain
from capsule_js.typecheck import typecheck

from capsule import BuildError, run_sync
from capsule.frontend.spec import Source

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples" / "typescript"
SDK = ROOT / "plugins" / "capsule-js" / "sdk"
COMMAND = Path(sysconfig.get_path("scripts")) / "capsule"
LEFT_OUT = shutil.ignore_patterns(".capsule", "output", "node_modules", "package-lock.json")


@pytest.fixture
def examples(project):
    shutil.copytree(EXAMPLES, project.root, dirs_exist_ok=True, ignore=LEFT_OUT)
    return project


@pytest.fixture
def result(examples, cli):
    """Runs an example with the real command and gives the task's result."""

    def run(*arguments: str, **options) -> object:
        done = cli("run", "--json", *arguments, cwd=examples.root, **options)
        assert done.status == 0, done
        return done.envelope.unwrap()

    return run


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A copy of the examples after `npm install`; without a network, the tests are skipped."""
    folder = tmp_path_factory.mktemp("checkout")
    # As in the checkout, since package.json names the SDK's folder.
    examples = shutil.copytree(EXAMPLES, folder / "examples/typescript", ignore=LEFT_OUT)
    shutil.copytree(SDK, folder / "plugins/capsule-js/sdk")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm")
    arguments = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    try:
        done = subprocess.run(
            [npm, *arguments], cwd=examples, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("needs a registry of npm packages: npm install took longer than 180 s")
    if done.returncode != 0:
        pytest.skip(f"needs a registry of npm packages: {done.stderr[-500:]}")
    return examples


def test_hello_greets(result):
    assert result("hello.ts") == "Hello from Capsule!"
    assert result("hello.ts", "Ada") == "Hello from Ada!"


def test_the_folder_has_an_entrypoint(result):
    assert result() == "Hello from Capsule!"


def test_analyse_gives_each_area_of_the_file_a_sub_task(examples, result, cli):
    areas = result("analyse.ts")
    text = (examples / "data/zone1970.tab").read_text("utf-8")
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    assert sum(area["zones"] for area in areas) == len(rows) > 300
    assert {area["area"] for area in areas} == {row[2].split("/")[0] for row in rows}
    assert areas == sorted(areas, key=lambda area: -area["zones"])
    europe = next(area for area in areas if area["area"] == "Europe")
    assert europe["northernmost"] == "Europe/Helsinki"
    assert cli("trace", cwd=examples.root).stdout.count("analyse.ts") == 1


def test_analyse_says_the_same_as_its_python_counterpart(examples, result):
    shutil.copy(ROOT / "examples/python/analyse.py", examples.root)

    def comparable(areas):
        known = ("area", "zones", "countries", "northernmost")
        return sorted([area[name] for name in known] for area in areas)

    assert comparable(result("analyse.ts")) == comparable(result("analyse.py"))


def test_fetch_reaches_the_host_that_it_is_given_and_no_other_task_does(result, server):
    fetched = result("fetch.ts", f"{server.url}/hello")
    assert fetched["status"] == 200
    assert fetched["type"] == "application/json"
    assert fetched["bytes"] == fetched["bytesWithNodeHttp"] > 0
    assert fetched["locked"].startswith("denied: ")
    assert 'host "127.0.0.1" is not in allowedHosts' in fetched["locked"]
    assert [asked.path for asked in server.asked] == ["/hello", "/hello"]


def test_files_reads_what_it_may_and_writes_where_it_may(examples, result):
    told = result("files.ts")
    written = (examples / "output/countries.txt").read_text()
    assert told["bytesWritten"] == len(written)
    assert told["countries"] == len(written.split()) > 240
    assert "FR" in written.split()
    assert sorted(told["refused"]) == ["/etc/passwd", "data/mine.txt", "output/mine.txt"]
    assert set(told["refused"].values()) <= {"EACCES", "ENOENT", "EPERM", "EROFS"}
    assert not (examples / "data/mine.txt").exists()
    assert not (examples / "output/mine.txt").exists()


def test_env_sees_the_variable_that_it_declares_and_no_other(examples, result):
    assert result("env.ts", env={"API_KEY": "secret", "OTHER": "x"}) == {
        "apiKey": "6 characters",
        "home": None,
        "names": ["API_KEY"],
    }
    assert result("env.ts")["apiKey"] is None
    examples.write(".env", "API_KEY=from-file\n")
    assert result("env.ts")["apiKey"] == "9 characters"


def test_retries_tries_again_until_it_went_well_or_as_often_as_it_declares(examples, result):
    assert result("retries.ts") == {
        "success": True,
        "result": "attempt 3 went well",
        "retries": 2,
        "error": None,
    }
    told = run_sync(examples / "retries.ts", [9], cwd=examples.root).unwrap()
    assert (told["success"], told["retries"]) == (False, 3)
    assert "attempt 4 failed" in told["error"]


def test_untrusted_code_gives_its_result_or_what_stopped_it(result, server):
    assert result("untrusted.ts", "[1, 2, 3].map((n) => n * n)") == {"result": [1, 4, 9]}
    assert result("untrusted.ts", "for (;;);")["errorType"] == "out_of_fuel"
    assert result("untrusted.ts", "require('fs')")["message"] == "ReferenceError: require is not defined"
    # What the engine brings is within its reach, and the policy bounds it all the same.
    read = "__capsule_builtins.fs.readFileSync('/etc/passwd')"
    assert result("untrusted.ts", read)["errorType"] == "permission_denied"
    assert result("untrusted.ts", "Object.keys(process.env)") == {"result": []}
    result("untrusted.ts", f"fetch({server.url!r})")
    assert server.asked == []


def test_validate_uses_a_package_from_npm(installed, cli):
    answer = json.dumps({"title": "Tea", "price": 3.5})
    done = cli("run", "--json", "validate.ts", answer, cwd=installed)
    assert done.status == 0, done
    assert done.envelope.result == {"product": {"title": "Tea", "price": 3.5, "tags": []}}
    broken = json.dumps({"title": "", "price": "free"})
    problems = cli("run", "--json", "validate.ts", broken, cwd=installed).envelope.unwrap()["problems"]
    assert [problem.split(":")[0] for problem in problems] == ["title", "price"]
    garbled = cli("run", "--json", "validate.ts", "{", cwd=installed)
    assert garbled.envelope.error["error_type"] == "task_error"
    assert "validate.ts:" in garbled.envelope.error["traceback"]


def test_validate_without_its_package_says_what_to_install(examples, cli, said):
    said(cli("run", "validate.ts", "{}", cwd=examples.root), "zod", "npm install", status=3)


def test_the_examples_have_no_type_errors(installed):
    sources = sorted(installed.glob("*.ts"))
    assert len(sources) == 8
    for path in sources:
        source = Source(path, installed)
        assert typecheck(source, ManagedToolchain(), print) == ()


def outcomes(command, folder):
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"CAPSULE_COMMAND": str(COMMAND)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split(": ", 1) for line in done.stdout.splitlines())


def test_in_code_runs_sandboxes_from_an_ordinary_node_program(examples):
    try:
        node = ManagedToolchain().node(print)
    except BuildError as error:
        pytest.skip(f"needs Node: {error}")
    shutil.copytree(SDK, examples / "node_modules/@capsule-run/sdk")
    lines = {name: json.loads(text) for name, text in outcomes([node, "in_code.mjs"], examples.root).items()}
    assert lines["arithmetic"] == {"result": 42}
    assert lines["standard library"] == {"result": "1,234,567"}
    assert lines["error"]["errorType"] == "task_error"
    assert lines["endless"]["errorType"] in ("out_of_fuel", "timeout")
    assert lines["greedy"]["errorType"] == "out_of_memory"


def test_in_code_runs_the_same_sandboxes_from_a_python_program(examples):
    lines = outcomes([sys.executable, "in_code.py"], examples.root)
    assert lines["arithmetic"] == "{'result': 42}"
    assert "TypeError" in lines["error"]
    assert "out_of_fuel" in lines["endless"] or "timeout" in lines["endless"]


def test_the_readme_names_every_example():
    text = (EXAMPLES / "README.md").read_text()
    named = set(re.findall(r"^\| `([\w.]+)`", text, re.MULTILINE))
    assert named == {path.name for path in EXAMPLES.iterdir() if path.suffix in (".ts", ".mjs", ".py")}
