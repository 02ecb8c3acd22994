from pathlib import Path

import pytest

from capsule.frontend.wheels.settings import pip_settings, uv_settings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and none of this machine's settings."""
    import os

    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home/.config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "system"))
    return tmp_path / "home"


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_a_local_index_may_be_read_with_the_files_beside_it(tmp_path: Path, home: Path) -> None:
    for name in ("simple", "other"):
        (tmp_path / "index" / name).mkdir(parents=True)
    index = tmp_path / "index"
    write(
        home / ".config/pip/pip.conf",
        f"[global]\nextra-index-url = {(index / 'simple').as_uri()}\n  {(index / 'other').as_uri()}\n",
    )
    # The machine's own file may name a certificate, too.
    assert {index, index / "other"} <= {*pip_settings(None, tmp_path).reads}


def test_an_index_beside_ones_home_opens_no_more_than_itself(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", (home / "simple").as_uri())
    monkeypatch.setenv("UV_DEFAULT_INDEX", (home.parent / "simple").as_uri())
    reads = {*pip_settings(None, home).reads}
    assert home / "simple" in reads
    assert home not in reads
    reads = {*uv_settings(None).reads}
    assert home.parent / "simple" in reads
    assert home.parent not in reads


def test_later_files_win_over_earlier_ones_and_variables_over_all(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "system/pip/pip.conf", "[global]\nindex-url = a\nretries = 1\ntimeout = 1\n")
    write(home / ".config/pip/pip.conf", "[global]\nindex_url = b\nretries = 2\n[install]\nretries = 3\n")
    monkeypatch.setenv("PIP_INDEX_URL", "c")
    variables = pip_settings(None, tmp_path).variables
    assert (variables["PIP_INDEX_URL"], variables["PIP_RETRIES"], variables["PIP_TIMEOUT"]) == ("c", "3", "1")


def test_what_is_no_matter_of_reaching_an_index_is_left_out(tmp_path: Path, home: Path) -> None:
    write(home / ".config/pip/pip.conf", "[global]\ntarget = /x\nno-binary = :all:\nfind-links = ./here\n")
    variables = pip_settings(None, tmp_path).variables
    assert not {"PIP_TARGET", "PIP_NO_BINARY"} & variables.keys()
    assert variables["PIP_FIND_LINKS"] == "", "a relative path means something of the project's"


@pytest.mark.parametrize("text", ["", "[", "index-url", "\0", "[pip]\nindex-url = 3", "[[index]]\nurl = [1]"])
def test_a_file_that_can_not_be_read_counts_for_nothing(tmp_path: Path, home: Path, text: str) -> None:
    write(home / ".config/pip/pip.conf", text)
    write(home / ".config/uv/uv.toml", text)
    assert "PIP_INDEX_URL" not in pip_settings(None, tmp_path).variables
    assert uv_settings(None).file == ""
