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
    passed = pasted(said.stdout.splitlines()[-1], project.root)
    assert passed.stdout.startswith("42\n")
    assert "2 passed" in passed.stdout, passed


def test_a_typescript_project_runs_and_passes_its_test(project, cli):
    said = cli("init", "typescript", "--folder", "shop", cwd=project.root)
    assert cli("run", "--json", cwd=project / "shop").envelope.unwrap() == 42
    if shutil.which("node") is None:
        pytest.skip("no Node here to run the project's test with")
    passed = pasted(said.stdout.splitlines()[-1], project.root)
    assert passed.returncode == 0, passed
    assert passed.stdout.startswith("42\n")


@pytest.mark.parametrize("found", [True, False], ids=["on the path", "not on the path"])
def test_what_it_says_to_type_next_can_be_pasted(project, cli, found):
    folders = [part for part in os.environ["PATH"].split(os.pathsep) if part != COMMANDS]
    path = os.pathsep.join([COMMANDS, *folders] if found else folders)
    env = {"PATH": path, "UV_RUN_RECURSION_DEPTH": ""}
    line = cli("init", cwd=project.root, env=env).stdout.splitlines()[-1]
    assert ("capsule run && python -m pytest" in line) is found
    assert "2 passed" in pasted(line, project.root, env).stdout


def pasted(line, folder, env=None):
    """What a shell makes of the line that is said last."""
    assert line.startswith("next: ")
    return subprocess.run(
        line.removeprefix("next: "),
        shell=True,
        cwd=folder,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


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
