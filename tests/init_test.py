"""`capsule init` makes a project that runs, passes its test, and is safe where its author says nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = str(Path(sys.executable).parent)


def test_a_python_project_runs_and_passes_its_test(project, cli):
    said = cli("init", cwd=project.root)
    assert said.status == 0, said
    assert said.stdout.splitlines()[-1] == "next: capsule run && pytest"
    assert cli("run", "--json", cwd=project.root).envelope.unwrap() == 42
    passed = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project.root,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "2 passed" in passed.stdout, passed


def test_a_typescript_project_runs_and_passes_its_test(project, cli):
    said = cli("init", "typescript", "--folder", "shop", cwd=project.root)
    assert said.stdout.splitlines()[-1] == "next: cd shop && capsule run && node --test", said
    assert cli("run", "--json", cwd=project / "shop").envelope.unwrap() == 42
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node here to run the project's test with")
    passed = subprocess.run(
        [node, "--test", "main.test.mjs"],
        cwd=project / "shop",
        env={**os.environ, "PATH": f"{COMMANDS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert passed.returncode == 0, passed


def test_a_task_that_says_nothing_has_no_network_and_a_deadline(project, cli):
    cli("init", cwd=project.root)
    project.write("main.py", "from capsule import task\n@task\ndef main(): pass\n")
    told = cli("explain", "main.py", cwd=project.root).stdout
    rows = {line.split()[1]: line.split()[2] for line in told.splitlines() if line.startswith("main ")}
    assert (rows["timeout"], rows["ram"], rows["allowed_hosts"]) == ("30", "256", "none")


@pytest.mark.parametrize("taken", ["main.py", "capsule.toml", ".gitignore", "main_test.py"])
def test_nothing_is_overwritten_and_nothing_half_written(project, cli, taken):
    project.write(taken, "mine\n")
    said = cli("init", cwd=project.root)
    assert said.status == 2
    assert f"{taken} is there already" in said.stderr
    assert [path.name for path in project.root.iterdir()] == [taken]
    assert (project / taken).read_text() == "mine\n"


def test_a_link_that_leads_nowhere_is_no_free_place(project, cli, tmp_path):
    (project / "main.py").symlink_to(tmp_path / "elsewhere.py")
    assert cli("init", cwd=project.root).status == 2
    assert not (tmp_path / "elsewhere.py").exists()


def test_a_language_that_there_is_no_project_for_says_which_there_are(project, cli):
    said = cli("init", "cobol", cwd=project.root)
    assert (said.status, "only in python and typescript" in said.stderr) == (2, True)


@pytest.mark.parametrize("name", ['he said "hi"', "back\\slash", "ünï\nline"])
def test_any_folder_name_gives_settings_that_can_be_read(project, cli, name):
    cli("init", "--folder", name, cwd=project.root)
    assert cli("tasks", cwd=project / name).status == 0
