"""Files of others count only where the user says so; root makes some, which only root can."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from capsule.errors import ConfigError
from capsule.frontend.owner import VARIABLE, check_owner

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")

STRANGER = 54321


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    file = tmp_path / "capsule.toml"
    file.touch()
    os.chown(file, STRANGER, -1)
    return file


def test_a_file_of_somebody_else_is_refused_with_what_to_type(theirs: Path) -> None:
    with pytest.raises(ConfigError, match=f"uid {STRANGER}") as caught:
        check_owner(theirs)
    assert f"export {VARIABLE}={theirs.parent}" in str(caught.value)


def test_ones_own_file_and_none_at_all_are_fine(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    check_owner(tmp_path / "mine")
    check_owner(tmp_path / "missing")


def test_a_link_counts_with_its_own_owner_and_that_of_its_target(theirs: Path) -> None:
    link = theirs.with_name("link")
    link.symlink_to(theirs)
    with pytest.raises(ConfigError):
        check_owner(link)
    os.chown(theirs, os.geteuid(), -1)
    check_owner(link)
    os.lchown(link, STRANGER, -1)
    with pytest.raises(ConfigError):
        check_owner(link)


@pytest.mark.parametrize("folders", ["{parent}", "/nowhere:{parent}/", "{above}", "*"])
def test_the_user_names_folders_that_are_trusted(
    theirs: Path, monkeypatch: pytest.MonkeyPatch, folders: str
) -> None:
    monkeypatch.setenv(VARIABLE, folders.format(parent=theirs.parent, above=theirs.parent.parent))
    check_owner(theirs)


@pytest.mark.parametrize("folders", ["", "{parent}x", "{parent}/inner", ".", "{parent}/capsule"])
def test_other_folders_are_not(theirs: Path, monkeypatch: pytest.MonkeyPatch, folders: str) -> None:
    monkeypatch.chdir(theirs.parent)
    monkeypatch.setenv(VARIABLE, folders.format(parent=theirs.parent))
    with pytest.raises(ConfigError):
        check_owner(theirs)


def test_under_sudo_the_files_of_who_you_are_count(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", str(STRANGER))
    check_owner(theirs)
