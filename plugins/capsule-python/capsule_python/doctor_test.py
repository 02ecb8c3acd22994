from pathlib import Path

import pytest

from capsule.frontend.installing import install_line
from capsule_python.doctor import checks
from capsule_python.frontend import PythonFrontend


def test_the_doctor_says_what_is_there() -> None:
    found = {check.name: check for check in checks()}
    assert found["componentize-py"].state == "ok"
    assert found["Python engine recipe"].state == "ok"
    assert set(found) == {"componentize-py", "Python engine recipe", "package installer"}
    assert list(PythonFrontend().doctor()) == list(found.values())


def test_the_doctor_finds_uv_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "uv"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    installer = list(checks())[-1]
    assert installer.state == "ok"
    assert str(tool) in installer.detail


def test_the_doctor_says_what_to_do_without_an_installer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capsule.frontend.wheels.installers.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.base_prefix", "/nowhere")
    installer = list(checks())[-1]
    assert (installer.state, installer.hint) == ("missing", install_line("uv"))
