from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from capsule.confinement import landlock
from capsule_js import npm
from capsule_js.node import Node

NPM = """
const fs = require("fs");
const read = (file) => { try { return fs.readFileSync(file, "utf8"); } catch (error) { return error.code; } };
const { npm_config_userconfig: settings } = process.env;
const tried = { environment: process.env, settings: read(settings), secret: read(SECRET) };
fs.writeFileSync("record.json", JSON.stringify(tried));
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What a program in the place of npm finds, for an operator with secrets and a registry with a token."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs a Node")
    home, folder = tmp_path / "home", tmp_path / "folder"
    for place in (home, folder, tmp_path / "npm" / "bin"):
        place.mkdir(parents=True)
    (home / "secret").write_text("hunter2")
    (home / ".npmrc").write_text(
        "registry = https://mirror.example/\n//mirror.example/:_authToken=${MIRROR_TOKEN}\n"
        "script-shell=/evil\nprefix=/elsewhere\n@inner:registry=https://inner.example/\n"
    )
    script = tmp_path / "npm" / "bin" / "npm-cli.js"
    script.write_text(NPM.replace("SECRET", json.dumps(str(home / "secret"))))
    monkeypatch.setenv("HOME", str(home))
    for name in ("AWS_SECRET_ACCESS_KEY", "NODE_OPTIONS", "npm_config_script_shell", "npm_config_prefix"):
        monkeypatch.setenv(name, "--no-warnings" if name == "NODE_OPTIONS" else "hunter2")
    monkeypatch.setenv("MIRROR_TOKEN", "named-by-the-operator")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    done = npm.install(Node(Path(node), "24.0.0", script, "the test"), script, folder)
    assert done.status == 0, done.output
    found: dict[str, object] = json.loads((folder / "record.json").read_text())
    return found


def test_npm_gets_the_operators_registry_and_no_other_setting(record: dict[str, object]) -> None:
    assert str(record["settings"]).splitlines() == [
        "registry=https://mirror.example/",
        "//mirror.example/:_authToken=${MIRROR_TOKEN}",
        "@inner:registry=https://inner.example/",
        "fetch-retries=0",
    ]


def test_npm_sees_no_variable_but_those_that_its_settings_name(record: dict[str, object]) -> None:
    environment = record["environment"]
    assert isinstance(environment, dict)
    assert environment["MIRROR_TOKEN"] == "named-by-the-operator"
    assert "hunter2" not in environment.values()
    assert "NODE_OPTIONS" not in environment
    assert Path(environment["HOME"]) != Path.home()


@pytest.mark.skipif(
    sys.platform != "linux" or landlock.abi() < landlock.OLDEST_ABI, reason="this kernel has no Landlock"
)
def test_npm_reads_no_file_of_the_operators(record: dict[str, object]) -> None:
    assert record["secret"] == "EACCES"
