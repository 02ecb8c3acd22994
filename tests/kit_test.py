"""The frontend kit: what plugins may import, which contracts are taken, what the conformance suite finds."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import capsule.frontend.spec
from capsule.errors import UsageError
from capsule.frontend.installing import install_line
from capsule.frontend.skeleton import write_skeleton
from capsule.testing import PROGRAMS, Programs

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PLUGINS = {path.name: path for path in (ROOT / "plugins").iterdir() if (path / "pyproject.toml").is_file()}
PYTHON_PROGRAMS = ROOT / "plugins/capsule-python/tests/programs"


# What plugins import

PUBLIC = set(re.findall(r"^`(capsule\.[\w.]+)`", capsule.frontend.spec.__doc__ or "", re.MULTILINE))


def imported(path):
    """The modules that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def sources(plugin):
    """The modules of a plugin that run on the host: no tests, and nothing that runs in its sandboxes."""
    for path in PLUGINS[plugin].rglob("*.py"):
        inside = path.relative_to(PLUGINS[plugin])
        own = inside.parts[0].startswith("capsule_") and "guest" not in inside.parts
        if own and not path.name.endswith("_test.py"):
            yield path


def test_the_contract_lists_what_is_public():
    assert {"capsule.frontend.spec", "capsule.errors", "capsule.testing"} <= PUBLIC
    for module in PUBLIC:
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file() or module == "capsule.testing"


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_a_plugin_imports_nothing_of_the_host_but_what_is_public(plugin):
    found = [(path, module) for path in sources(plugin) for module in imported(path)]
    assert found
    own = [
        (path.name, module) for path, module in found if re.match(r"(capsule|capsule_cache)(\.|$)", module)
    ]
    assert own, "a frontend imports the contract"
    assert [use for use in own if use[1] not in PUBLIC - {"capsule.testing"}] == []


@pytest.mark.parametrize("plugin", sorted(PLUGINS))
def test_a_plugin_states_its_contract(plugin):
    [path] = [path for path in sources(plugin) if path.name == "plugin.py"]
    assert re.search(r'^CONTRACT = "1\.[01]"$', path.read_text(), re.MULTILINE)


def test_the_host_imports_no_plugin():
    uses = [(path, name) for path in (ROOT / "capsule").rglob("*.py") for name in imported(path)]
    assert [use for use in uses if re.match(r"capsule_(python|js|c|wat)\b", use[1])] == []


# Contracts, with distributions that are really installed

PLUGIN = """
from capsule.frontend.spec import hookimpl

{contract}

class Tomorrow:
    name = "tomorrow"
    version = "9"
    suffixes = (".tomorrow",)
    def inputs(self, source, host): raise AssertionError("not asked")
    discover = compile = engine = inputs
    def doctor(self): return []

@hookimpl
def capsule_frontends():
    return [Tomorrow()]
"""


@pytest.fixture
def installed(project, python):
    """Puts a distribution on the path, and runs the command with arguments."""
    site = project.root / "site"

    def run(contract, *arguments):
        info = site / "capsule_tomorrow-9.0.dist-info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: capsule-tomorrow\nVersion: 9.0\n")
        (info / "entry_points.txt").write_text("[capsule]\ntomorrow = capsule_tomorrow\n")
        (site / "capsule_tomorrow.py").write_text(PLUGIN.format(contract=contract))
        script = "import sys; sys.path.insert(0, 'site'); from capsule.cli import main; main()"
        return python(script, *arguments)

    return run


def rows(done):
    return {row["plugin"]: row for row in json.loads(done.stdout)}


@pytest.mark.parametrize("contract", ['CONTRACT = "1.0"', ""])
def test_a_plugin_for_this_contract_is_taken(installed, contract):
    row = rows(installed(contract, "plugins", "--json"))["tomorrow"]
    assert (row["state"], row["contract"], row["distribution"]) == ("ok", "1.0", "capsule-tomorrow")


@pytest.mark.parametrize("version", ["1.3", "2.0"])
def test_a_plugin_for_a_newer_contract_is_refused_everywhere(installed, project, version):
    contract = f'CONTRACT = "{version}"'
    project.write("main.tomorrow", "x")
    reason = f"it was written for version {version} of the plugin contract, and this host has 1.1"
    row = rows(installed(contract, "plugins", "--json"))["tomorrow"]
    assert (row["state"], row["problem"]) == ("broken", reason)
    assert row["hint"] == install_line("capsule-run", upgrade=True)
    shown = installed(contract, "plugins")
    assert reason in shown.stdout
    assert install_line("capsule-run", upgrade=True) in shown.stdout
    doctor = installed(contract, "doctor")
    assert reason in doctor.stdout
    run = installed(contract, "run", "main.tomorrow")
    assert run.status == 2
    assert reason in run.stderr
    assert install_line("capsule-run", upgrade=True) in run.stderr
    assert "Traceback" not in run.stderr


def test_a_refused_plugin_leaves_the_others_alone(installed, project):
    project.write("main.py", "def main():\n    return 'fine'\n")
    done = installed('CONTRACT = "7.0"', "run", "main.py")
    assert (done.status, done.stdout) == (0, "fine\n")


# The suite finds what is broken

SUITE = """
from pathlib import Path
from capsule.testing import Conformance, Programs

class TestBroken(Conformance):
    programs = Programs(Path(__file__).parent / "programs", suffix=".py", left_out={left_out!r})
"""


@pytest.fixture
def suite(tmp_path):
    """Runs the suite on the Python programs, with some changed, and gives what pytest says."""

    def run(changes, *arguments, left_out=None):
        folder = tmp_path / "author"
        shutil.copytree(PYTHON_PROGRAMS, folder / "programs")
        (folder / "pytest.ini").touch()
        for name, (before, after) in changes.items():
            path = folder / "programs" / f"{name}.py"
            text = path.read_text()
            assert before in text
            path.write_text(text.replace(before, after))
        for name in left_out or {}:
            if name in PROGRAMS:
                (folder / "programs" / f"{name}.py").unlink()
        (folder / "broken_test.py").write_text(SUITE.format(left_out=left_out or {}))
        command = [sys.executable, "-m", "pytest", "-q", "-rfs", "-p", "no:cacheprovider", *arguments]
        done = subprocess.run(
            [*command, "broken_test.py"], cwd=folder, capture_output=True, text=True, timeout=300, check=False
        )
        return done.stdout + done.stderr

    return run


BROKEN = {
    "hello": ('"hello"', '"bye"'),
    "arguments": ('"args": args', '"args": args[1:]'),
    "error": ("no soup for 42", "no bread"),
    "subtask": ("a + b", "a - b"),
    "map": ("number * number", "number"),
    "files": (".upper()", ""),
    "env": ('env_variables=["GREETING"]', "env_variables=[]"),
    "http": ('allowed_hosts=["example.com"]', 'allowed_hosts=["127.0.0.1"]'),
    "loop": ("count()\n\n\n@task", "return\n\n\n@task"),
    "memory": ('ram="64MB"', 'ram="1GB"'),
}


def test_every_program_that_breaks_its_promise_is_found_and_named(suite):
    said = suite(BROKEN)
    for name in PROGRAMS:
        assert re.search(rf"programs/{name}\.py breaks a promise: ", said), name
    assert "`sum` is what add(19, 23) gave: 42" in said
    assert "'main' declares env_variables = ('GREETING',)" in said
    assert "'denied' declares allowed_hosts = ('example.com',)" in said
    assert "'main' declares ram = 67108864" in said


def test_what_is_left_out_is_skipped_with_its_reason_and_what_is_missing_fails(suite):
    reasons = {"http": "there is no network", "lines": "nobody counts them", "named arguments": "none"}
    said = suite({}, "-k", "hosts or place or names_its_line or named or builds_and", left_out=reasons)
    assert "leaves out 'http': there is no network" in said
    assert "leaves out 'lines': nobody counts them" in said
    assert "leaves out 'named arguments': none" in said
    assert " failed" not in said


def test_a_program_that_is_missing_without_a_reason_fails(suite, tmp_path):
    said = suite({}, "-k", "builds_and_declares", left_out={"http": "no network"})
    assert "failed" not in said
    (tmp_path / "author/broken_test.py").write_text(SUITE.format(left_out={}))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-k", "builds_and_declares", "broken_test.py"],
        cwd=tmp_path / "author",
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert "http.py breaks a promise: it is there, or left out with a reason" in done.stdout
    assert "1 failed" in done.stdout


@pytest.mark.parametrize(
    ("left_out", "words"),
    [
        ({"soup": "no"}, "nothing named 'soup'"),
        ({"http": " "}, "without a reason"),
        ({"hello": "no"}, "is there, and left out"),
    ],
)
def test_what_is_left_out_is_checked(left_out, words):
    with pytest.raises(ValueError, match=words):
        Programs(PYTHON_PROGRAMS, ".py", left_out)


# New plugins


@pytest.mark.parametrize(
    "name",
    ["", "My", "my-lang", "1a", "a b", "../a", "a/b", "a\n", "\u00e9", "a" * 41, "_a", "python", "limits"],
)
def test_a_name_that_cannot_be_used_is_refused_and_nothing_is_written(name, tmp_path):
    with pytest.raises(UsageError):
        write_skeleton(name, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_a_new_plugin_overwrites_nothing(project, cli, said):
    kept = project.write("capsule-toki/README.md", "mine\n")
    said(cli("plugin", "new", "toki"), "capsule-toki is there already", "--folder", status=2)
    assert [path.name for path in kept.parent.iterdir()] == ["README.md"]
    assert kept.read_text() == "mine\n"
    project.write("file", "mine\n")
    said(cli("plugin", "new", "toki", "--folder", "file"), "is there already", status=2)
    said(cli("plugin", "new", "toki", "--folder", "file/inside"), "error", status=2)


def test_a_new_plugin_is_named_throughout(tmp_path):
    files = write_skeleton("toki", tmp_path / "deep/new")
    assert tmp_path / "deep/new/capsule_toki/plugin.py" in files
    assert tmp_path / "deep/new/tests/programs/hello.toki" in files
    for path in files:
        assert "mylang" not in path.read_text().lower()
        assert not path.name.endswith(".in")
