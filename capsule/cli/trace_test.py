from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from capsule.cli.trace import TRACE_FILE, trace
from capsule.errors import UsageError
from capsule.journal.writer import Journal
from capsule.journal.writer_test import whole_run


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "capsule.toml").touch()
    journal = Journal(tmp_path / TRACE_FILE, pytest.fail)
    for name in ("abc1", "abc2", "xyz"):
        for event in whole_run(name, tasks=2):
            journal.record(event)
    journal.close(10)
    below = tmp_path / "src" / "deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    return tmp_path


def test_the_runs_of_the_project_are_listed_from_any_folder_in_it(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert trace(limit=2) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["RUN", "xyz", "abc2"]


def test_one_run_is_shown_as_a_tree(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert trace("xy") == 0
    shown = capsys.readouterr().out
    assert "└─ task1 #1 succeeded" in shown
    assert "   └─ task2 #2 succeeded" in shown
    assert "hello" not in shown
    assert trace("xy", output=True) == 0
    assert "stdout| hello from 2" in capsys.readouterr().out


def test_json_is_one_line(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace(json=True)
    (line,) = capsys.readouterr().out.splitlines()
    assert [run["id"] for run in json.loads(line)["runs"]] == ["xyz", "abc2", "abc1"]
    trace("abc1", json=True, output=True)
    (line,) = capsys.readouterr().out.splitlines()
    tree = json.loads(line)
    assert tree["run"]["state"] == "succeeded"
    assert tree["tasks"][1]["output"][0]["text"] == "hello from 2\n"


def test_wrong_use_is_an_error_for_people(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for run in ("abc", "nothing", ""):
        with pytest.raises(UsageError):
            trace(run)
    with pytest.raises(UsageError, match="--limit 0"):
        trace(limit=0)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    with pytest.raises(UsageError, match="no runs are recorded here"):
        trace()


def test_a_terminal_that_knows_ascii_only_gets_escapes(project: Path) -> None:
    code = "from capsule.cli.trace import trace; trace('xyz')"
    answer = subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", code],
        env={"PYTHONIOENCODING": "ascii", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stderr
    assert "task1 #1 succeeded" in answer.stdout
