import json
import sys
from pathlib import Path

import pytest

from capsule.errors import Location
from capsule.frontend.spec import Host
from capsule.frontend.wheels.installers import find_installer, pip_of
from capsule_python.dependencies import Dependencies
from capsule_python.installer import install

FIND_SPEC = "capsule.frontend.wheels.installers.importlib.util.find_spec"


def test_uv_on_the_path_comes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uv", "pip"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_installer()
    assert found is not None
    assert (found.name, found.command) == ("uv", (str(tmp_path / "uv"),))


def test_pip_on_the_path_is_found_where_nothing_is_installed_beside_us(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FIND_SPEC, lambda name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "nowhere"))
    assert find_installer() is None
    (tmp_path / "python3").symlink_to(sys.executable)
    (tmp_path / "pip3").write_text(f"#!{tmp_path / 'python3'}\nimport pip\n")
    (tmp_path / "pip3").chmod(0o755)
    assert find_installer() == pip_of(str(tmp_path / "python3"))


def test_a_version_manager_s_shim_is_no_installer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads the user's and the project's files to find the real one."""
    monkeypatch.setattr(FIND_SPEC, lambda name: None)
    base = tmp_path / "python" / "bin"
    for folder in (tmp_path / "shims", base):
        folder.mkdir(parents=True)
        (folder / "uv").write_text("#!/bin/sh\n")
        (folder / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.setattr(sys, "base_prefix", str(base.parent))
    found = find_installer()
    assert found is not None
    assert found.command == (str(base / "uv"),)
    (base / "uv").unlink()
    assert find_installer() is None


def test_an_installer_gets_the_operators_indexes_and_nothing_that_leads_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: Host
) -> None:
    script = f"#!{sys.executable} -I\nimport json, os, pathlib, sys\n"
    script += "settings = open(sys.argv[sys.argv.index('--config-file') + 1]).read()\n"
    script += "found = [sys.argv[1:], dict(os.environ), os.getcwd(), open(sys.argv[-1]).read(), settings]\n"
    script += (
        "pathlib.Path(sys.argv[sys.argv.index('--target') + 1], 'record').write_text(json.dumps(found))\n"
    )
    (tmp_path / "uv").write_text(script)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    dropped = ("PIP_TARGET", "UV_PROJECT", "PYTHONPATH", "VIRTUAL_ENV", "AWS_SECRET_ACCESS_KEY", "NETRC")
    for name in dropped:
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "the-users")
    monkeypatch.setenv("UV_INDEX_INNER_PASSWORD", "named")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text(
        '[[index]]\nname = "inner"\nurl = "https://inner.example/simple"\n[pip]\nno-binary = [":all:"]\n'
        'target = "/elsewhere"\nextra-index-url = ["https://more.example/simple"]\n'
    )
    site = tmp_path / "new" / "site"
    site.mkdir(parents=True)
    requirements = ("b[x] >= 2 ; python_version >= '3.14'", "old; python_version < '3.14'")
    install(Dependencies(requirements, Location("main.py")), site, host)

    arguments, environment, folder, wanted, settings = json.loads((site / "record").read_text())
    assert not {*dropped} & environment.keys()
    assert environment["UV_DEFAULT_INDEX"] == "the-users"
    assert environment["UV_INDEX_INNER_PASSWORD"] == "named"
    assert Path(environment["HOME"]).is_relative_to(site.parent)
    assert Path(folder).is_relative_to(site.parent)
    assert wanted == "b[x]>=2\n"
    assert arguments[arguments.index("--target") + 1] == str(site)
    assert arguments[arguments.index("--only-binary") + 1] == ":all:"
    assert arguments[arguments.index("--python-version") + 1] == "3.14"
    assert "https://inner.example/simple" in settings
    assert "https://more.example/simple" in settings
    assert "no-binary" not in settings
    assert "elsewhere" not in settings
    assert not (site.parent / "work").exists()
