"""Tests of the folders that a path leads through."""

import os

import pytest

from capsule.project.passed import folders_passed, working_folder_as_typed


@pytest.fixture
def real(tmp_path):
    return tmp_path.resolve()


def test_a_plain_path_leads_through_its_parents_and_itself(real):
    (real / "a/b").mkdir(parents=True)
    (real / "a/b/main.py").touch()
    expected = (*reversed((real / "a/b").parents), real / "a/b")
    assert folders_passed(real / "a/b/main.py") == expected
    assert folders_passed(real / "a/b") == expected


def test_a_link_leads_through_where_it_lies_and_where_it_leads(real):
    for name in ("mine", "middle/deep", "theirs/repository"):
        (real / name).mkdir(parents=True)
    (real / "theirs/repository/main.py").touch()
    (real / "middle/deep/second").symlink_to("../../theirs/repository/main.py")
    (real / "mine/first.py").symlink_to(real / "middle/deep/second")
    passed = folders_passed(real / "mine/first.py")
    assert {real / "mine", real / "middle", real / "middle/deep", real / "theirs/repository"} <= set(passed)
    assert all(folder == folder.resolve() for folder in passed)


def test_two_dots_after_a_link_leave_what_it_leads_to(real):
    (real / "mine").mkdir()
    (real / "theirs/inner").mkdir(parents=True)
    (real / "theirs/main.py").touch()
    (real / "mine/link").symlink_to(real / "theirs/inner")
    passed = folders_passed(real / "mine/link/../main.py")
    assert {real / "mine", real / "theirs"} <= set(passed)


def test_loops_and_what_is_not_there_end(real):
    (real / "loop").symlink_to("loop")
    assert folders_passed(real / "loop/x")[-1] == real
    assert folders_passed(real / "absent/x")[-1] == real
    assert folders_passed(real / ("x" * 300))[-1] == real


def test_the_shell_s_word_counts_only_for_the_folder_it_is_about(real, monkeypatch):
    (real / "folder").mkdir()
    (real / "link").symlink_to("folder")
    monkeypatch.setenv("PWD", str(real / "link"))
    assert working_folder_as_typed(real / "folder") == real / "link"
    for lie in (str(real), "link", "", str(real / "absent")):
        monkeypatch.setenv("PWD", lie)
        assert working_folder_as_typed(real / "folder") == real / "folder"
    assert os.environ["PWD"] == str(real / "absent")
