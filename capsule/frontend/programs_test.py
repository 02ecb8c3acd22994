from __future__ import annotations

import os
from pathlib import Path

import pytest

from capsule.frontend.programs import find_program


def planted(folder: Path, name: str = "sometool") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return str(program)


@pytest.mark.parametrize("entry", ["", ".", "bin", "{here}", "{here}/bin", "{above}/tools", "{link}"])
def test_no_program_comes_from_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    above = tmp_path / "project"
    here = above / "part"
    for folder in (here, here / "bin", above / "tools"):
        planted(folder)
    (above / "capsule.toml").write_text("")
    link = tmp_path / "link"
    link.symlink_to(here / "bin")
    good = planted(tmp_path / "usual")
    monkeypatch.chdir(here)
    first = entry.format(here=here, above=above, link=link)
    monkeypatch.setenv("PATH", os.pathsep.join([first, str(tmp_path / "usual")]))
    assert find_program("sometool") == good


def test_what_the_user_has_at_home_is_found_from_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = planted(tmp_path / ".local/bin")
    (tmp_path / ".git").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / ".local/bin"))
    monkeypatch.chdir(tmp_path)
    assert find_program("sometool") == program


def test_folders_by_name_and_places_besides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path / "shims")
    besides = planted(tmp_path / "base")
    monkeypatch.setenv("PATH", str(tmp_path / "shims"))
    monkeypatch.chdir("/")
    assert find_program("sometool", besides=[str(tmp_path / "base")], without=["shims"]) == besides
    assert find_program("sometool", without=["shims"]) is None
