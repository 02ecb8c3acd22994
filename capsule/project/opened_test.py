from __future__ import annotations

from pathlib import Path

import pytest

from capsule.errors import ConfigError, UsageError
from capsule.frontend.manager import Plugins
from capsule.project.config import Config
from capsule.project.opened import Project, open_project, prepare_state

NONE = Plugins(list)


def test_without_settings_the_root_is_the_working_directory_that_holds_the_source(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_text("")
    assert open_project(Path("src/main.py"), tmp_path, NONE).root == tmp_path


def test_without_settings_the_root_of_a_source_elsewhere_is_its_folder(tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there/main.py").write_text("")
    project = open_project(tmp_path / "there/main.py", tmp_path / "here", NONE)
    assert project.root == tmp_path / "there"
    assert project.state == tmp_path / "there/.capsule"
    assert project.trace == tmp_path / "there/.capsule/trace.db"


def test_the_folder_of_the_settings_is_the_root(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/capsule.toml").write_text("")
    (tmp_path / "a/b/main.py").write_text("")
    project = open_project(tmp_path / "a/b/main.py", tmp_path / "a/b", NONE)
    assert project.root == tmp_path / "a"
    assert project.source == tmp_path / "a/b/main.py"


def test_a_source_behind_a_symbolic_link_is_what_it_leads_to(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/main.py").write_text("")
    (tmp_path / "link.py").symlink_to(tmp_path / "real/main.py")
    assert open_project(Path("link.py"), tmp_path, NONE).source == tmp_path / "real/main.py"


def test_the_entrypoint_is_the_source_when_none_is_named(tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src/main.py").write_text("")
    (tmp_path / "capsule.toml").write_text('[workflow]\nentrypoint = "src/main.py"\n')
    for cwd in (tmp_path, tmp_path / "src"):
        assert open_project(None, cwd, NONE).source == tmp_path / "src/main.py"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing.py", "no such file"),
        (".", "is a folder"),
        ("a\0b", "not a path"),
        ("x" * 5000, "not a path|no such"),
    ],
)
def test_what_is_no_file_is_a_usage_error(tmp_path, name, words):
    with pytest.raises(UsageError, match=words):
        open_project(Path(name), tmp_path, NONE)


def test_without_a_file_and_an_entrypoint_the_hint_says_what_to_type(tmp_path):
    with pytest.raises(UsageError) as caught:
        open_project(None, tmp_path, NONE)
    assert "capsule run main.py" in str(caught.value.hint)


def test_bad_settings_are_a_config_error(tmp_path):
    (tmp_path / "main.py").write_text("")
    (tmp_path / "capsule.toml").write_text("[nonsense]\n")
    with pytest.raises(ConfigError, match="nonsense"):
        open_project(Path("main.py"), tmp_path, NONE)


def project(root):
    return Project(root, root / "main.py", Config(root))


def test_the_state_folder_ignores_itself_and_holds_the_contract(tmp_path):
    prepare_state(project(tmp_path))
    assert (tmp_path / ".capsule/.gitignore").read_text() == "*\n"
    assert "package capsule:runtime@1.0.0" in (tmp_path / ".capsule/wit/capsule.wit").read_text()
    (tmp_path / ".capsule/.gitignore").write_text("mine")
    prepare_state(project(tmp_path))
    assert (tmp_path / ".capsule/.gitignore").read_text() == "mine"


def test_a_state_folder_that_is_something_else_is_left_alone(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.capsule").symlink_to(tmp_path / "outside")
    prepare_state(project(tmp_path / "a"))
    assert list((tmp_path / "outside").iterdir()) == []
    (tmp_path / "b").mkdir()
    (tmp_path / "b/.capsule").write_text("mine")
    prepare_state(project(tmp_path / "b"))
    assert (tmp_path / "b/.capsule").read_text() == "mine"


def test_links_in_the_state_folder_are_not_written_through(tmp_path):
    (tmp_path / ".capsule").mkdir()
    (tmp_path / ".capsule/.gitignore").symlink_to(tmp_path / "outside")
    (tmp_path / ".capsule/wit").symlink_to(tmp_path / "elsewhere")
    prepare_state(project(tmp_path))
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "elsewhere").exists()
