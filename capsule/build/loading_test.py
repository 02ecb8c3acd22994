import pytest

from capsule.artifact.sections import ProgramTable, pack_program
from capsule.build.loading import unpack_files
from capsule.errors import ArtifactError
from capsule.frontend.spec import Program


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CAPSULE_CACHE_DIR", str(tmp_path / "cache"))


def table(files):
    return ProgramTable(pack_program(Program(entries={}, files=files)))


def test_a_program_s_files_are_unpacked_once():
    folder = unpack_files(table({"pkg/data.txt": b"hello", "top": b"\x00\xff"}), b"d1")
    assert (folder / "pkg" / "data.txt").read_bytes() == b"hello"
    assert (folder / "top").read_bytes() == b"\x00\xff"
    assert unpack_files(table({"pkg/data.txt": b"other"}), b"d1") == folder
    assert (folder / "pkg" / "data.txt").read_bytes() == b"hello"


@pytest.mark.parametrize(
    "name",
    ["../escape", "a/../../escape", "/etc/escape", "a\\..\\escape", "", ".", "a\0b", "x/" * 300 + "y" * 300],
)
def test_a_path_that_leaves_the_folder_or_can_t_be_is_refused(name, tmp_path):
    with pytest.raises(ArtifactError):
        unpack_files(table({name: b"x"}), b"d2")
    assert not list(tmp_path.rglob("escape"))
    assert not list((tmp_path / "cache" / "files").iterdir()), "nothing half-made is left"


def test_a_file_in_the_place_of_a_folder_is_refused():
    with pytest.raises(ArtifactError):
        unpack_files(table({"a": b"x", "a/b": b"y"}), b"d3")
