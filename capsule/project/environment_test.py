import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import ConfigError
from capsule.project.environment import MAX_BYTES, _parse, environment


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CAPSULE_A", "CAPSULE_B", "CAPSULE_C"):
        monkeypatch.delenv(name, raising=False)


def test_the_process_beats_the_given_file_which_beats_the_projects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CAPSULE_A=project\nCAPSULE_B=project\nCAPSULE_C=project\n")
    (tmp_path / "given").write_text("CAPSULE_A=given\nCAPSULE_B=given\n")
    monkeypatch.setenv("CAPSULE_A", "process")
    names = ["CAPSULE_A", "CAPSULE_B", "CAPSULE_C"]
    assert environment(tmp_path, tmp_path / "given").select(names) == {
        "CAPSULE_A": "process",
        "CAPSULE_B": "given",
        "CAPSULE_C": "project",
    }


def test_only_declared_names_that_have_a_value_are_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CAPSULE_A=1\nCAPSULE_B\n")
    monkeypatch.setenv("CAPSULE_C", "")
    assert environment(tmp_path).select(["CAPSULE_A", "CAPSULE_B", "CAPSULE_C", "CAPSULE_NONE"]) == {
        "CAPSULE_A": "1",
        "CAPSULE_C": "",
    }
    assert environment(tmp_path).select([]) == {}


def test_quotes_comments_and_export_are_understood(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        '# c\nexport CAPSULE_A="a b\\n"  # c\nCAPSULE_B=\'x # y\'\nCAPSULE_C="1\n2"\n'
    )
    assert environment(tmp_path).select(["CAPSULE_A", "CAPSULE_B", "CAPSULE_C"]) == {
        "CAPSULE_A": "a b\n",
        "CAPSULE_B": "x # y",
        "CAPSULE_C": "1\n2",
    }


def test_a_file_can_not_copy_another_variable_of_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CAPSULE_B", "secret")
    (tmp_path / ".env").write_text("CAPSULE_A=${CAPSULE_B}$CAPSULE_B\n")
    assert environment(tmp_path).select(["CAPSULE_A"]) == {"CAPSULE_A": "${CAPSULE_B}$CAPSULE_B"}


@pytest.mark.parametrize("content", [b'A=1\n\n \n  B="x\n', b"A=1\r\n\r\n\r\n'x\n", b"A=1\n\n\nB=\xff\n"])
def test_a_line_that_can_not_be_read_is_an_error_with_file_and_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(ConfigError, match=r"^\.env:4: "):
        environment(tmp_path).select(["CAPSULE_A"])


def test_a_broken_file_of_the_project_is_no_matter_to_tasks_that_do_not_need_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(b"\xff")
    monkeypatch.setenv("CAPSULE_A", "1")
    assert environment(tmp_path).select(["CAPSULE_A"]) == {"CAPSULE_A": "1"}


def test_a_given_file_that_is_not_there_or_broken_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken").write_text('CAPSULE_A="1\n')
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "broken", "fifo", "."):
        with pytest.raises(ConfigError) as caught:
            environment(tmp_path, tmp_path / name)
        assert caught.value.location is not None
        assert caught.value.location.file == str(tmp_path / name)
    with pytest.raises(ConfigError):
        environment(tmp_path, Path("a\0b"))


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: os.mkfifo(path), lambda path: None])
def test_a_folder_or_special_file_in_place_of_the_projects_file_is_left_alone(
    tmp_path: Path, make: object
) -> None:
    assert callable(make)
    make(tmp_path / ".env")
    assert environment(tmp_path).select(["CAPSULE_A"]) == {}


def test_a_link_out_of_the_project_is_not_followed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "outside").write_text("CAPSULE_A=secret\n")
    (root / ".env").symlink_to("../outside")
    with pytest.raises(ConfigError, match="symbolic link"):
        environment(root).select(["CAPSULE_A"])
    assert environment(root, root / ".env").select(["CAPSULE_A"]) == {"CAPSULE_A": "secret"}


def test_a_link_within_the_project_is_followed(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (tmp_path / "alias").symlink_to("project")
    (root / "local.env").write_text("CAPSULE_A=1\n")
    (root / ".env").symlink_to("local.env")
    assert environment(tmp_path / "alias").select(["CAPSULE_A"]) == {"CAPSULE_A": "1"}


def test_values_that_a_sandbox_can_not_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("CAPSULE_A=a\0b\n")
    with pytest.raises(ConfigError, match=r"^\.env:1: .*NUL"):
        environment(tmp_path).select(["CAPSULE_A"])
    monkeypatch.setenv("CAPSULE_A", "\udcff")
    with pytest.raises(ConfigError, match="CAPSULE_A is not UTF-8"):
        environment(tmp_path).select(["CAPSULE_A"])


def test_a_file_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="larger"):
        environment(tmp_path).select(["CAPSULE_A"])


def test_dotenv_is_not_imported_unless_a_file_is_read(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from capsule.project.environment import environment\n"
        "environment(Path(sys.argv[1])).select(['CAPSULE_A']); assert 'dotenv' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


@settings(deadline=None)
@given(st.text(max_size=60) | st.text("AB='\"\\#\n \x00${}", max_size=30))
def test_any_text_gives_texts_or_a_config_error(text: str) -> None:
    try:
        values = _parse(text, ".env")
    except ConfigError:
        return
    assert all("\0" not in value for value in values.values())
