import sys
from pathlib import Path

import pytest

from capsule.errors import Location
from capsule.frontend.spec import Host
from capsule_python.dependencies import Dependencies
from capsule_python.installer import Tool, find_tool, install


def test_uv_on_the_path_comes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uv", "pip"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tool() == Tool("uv", (str(tmp_path / "uv"),))


def test_pip_on_the_path_is_found_where_nothing_is_installed_beside_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capsule_python.installer.importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tool() is None
    (tmp_path / "pip3").write_text("#!/bin/sh\n")
    (tmp_path / "pip3").chmod(0o755)
    assert find_tool() == Tool("pip", (str(tmp_path / "pip3"),))


def test_the_tool_gets_the_users_settings_and_nothing_that_leads_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    record = tmp_path / "record"
    script = f"#!{sys.executable}\nimport json, os, pathlib, sys\n"
    script += "found = [sys.argv[1:], dict(os.environ), os.getcwd(), open(sys.argv[-1]).read()]\n"
    script += f"pathlib.Path({str(record)!r}).write_text(json.dumps(found))\n"
    (tmp_path / "uv").write_text(script)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("PIP_TARGET", "UV_PROJECT", "PYTHONPATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "the-users")
    site = tmp_path / "new" / "site"
    site.mkdir(parents=True)
    requirements = ("b[x] >= 2 ; python_version >= '3.14'", "old; python_version < '3.14'")
    install(Dependencies(requirements, Location("main.py")), site, host)

    import json

    arguments, environment, folder, wanted = json.loads(record.read_text())
    assert not {"PIP_TARGET", "UV_PROJECT", "PYTHONPATH", "VIRTUAL_ENV"} & environment.keys()
    assert environment["UV_DEFAULT_INDEX"] == "the-users"
    assert Path(folder) == site.parent
    assert wanted == "b[x]>=2\n"
    assert arguments[arguments.index("--target") + 1] == str(site)
    assert arguments[arguments.index("--only-binary") + 1] == ":all:"
    assert arguments[arguments.index("--python-version") + 1] == "3.14"
