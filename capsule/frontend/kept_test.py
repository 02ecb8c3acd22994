from __future__ import annotations

from pathlib import Path

import pytest

from capsule.frontend.kept import read_kept, write_kept


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    assert read_kept(file) is None
    for value in ({"a": [1, None, "é"]}, ["other"]):
        write_kept(file, value)
        assert read_kept(file) == value
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:70] + b"x" + b[71:], lambda b: b"", lambda b: b"{}"]
)
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: object) -> None:
    file = tmp_path / "record.json"
    write_kept(file, {"key": "value"})
    assert callable(damage)
    file.write_bytes(damage(file.read_bytes()))
    assert read_kept(file) is None


def test_what_cannot_be_written_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "record.json"
    write_kept(file, 1)
    with pytest.raises(TypeError):
        write_kept(file, object())
    assert read_kept(file) == 1
    assert list(tmp_path.iterdir()) == [file]
