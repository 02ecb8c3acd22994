from __future__ import annotations

import os
from pathlib import Path

import pytest

from capsule_cache.remote.shared_key import BadKey, SharedKey, read_key_file

TEXT = "0123456789abcdef" * 4


@pytest.mark.parametrize("text", [TEXT, TEXT.upper(), f" {TEXT}\n"])
def test_a_key_is_64_hex_digits(text: str) -> None:
    assert SharedKey.from_text(text, "here") == SharedKey.from_text(TEXT, "here")


@pytest.mark.parametrize("text", ["", "secret", TEXT[1:], TEXT + "0", "g" * 64, "٠" * 64, TEXT + "\0"])
def test_anything_else_is_no_key_and_is_not_repeated(text: str) -> None:
    with pytest.raises(BadKey, match="here is no key") as caught:
        SharedKey.from_text(text, "here")
    assert caught.value.hint
    assert len(text) < 4 or text not in f"{caught.value} {caught.value.hint}"


def test_names_differ_by_key_and_do_not_show_their_inputs() -> None:
    one, other = SharedKey.from_text(TEXT, ""), SharedKey.from_text("1" * 64, "")
    names = {key.entry_name(inputs) for key in (one, other) for inputs in ("a" * 64, "b" * 64)}
    assert len(names) == 4
    assert all(len(name) == 64 and int(name, 16) >= 0 for name in names)
    assert "a" * 64 not in names


def test_a_key_does_not_show_itself() -> None:
    key = SharedKey.from_text(TEXT, "")
    assert TEXT not in repr(key)
    assert key.signing.hex() not in repr(key)


def test_a_key_file_of_mine_is_read(tmp_path: Path) -> None:
    file = tmp_path / "cache.key"
    file.write_text(TEXT + "\n")
    file.chmod(0o600)
    assert read_key_file(file) == SharedKey.from_text(TEXT, "")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_file_that_others_can_read_is_not_used(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "cache.key"
    file.write_text(TEXT)
    file.chmod(mode)
    with pytest.raises(BadKey, match="open to other users") as caught:
        read_key_file(file)
    assert caught.value.hint == f"chmod 600 {file}"


def test_a_link_a_fifo_and_a_folder_are_no_key_files(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(TEXT)
    real.chmod(0o600)
    (tmp_path / "link").symlink_to(real)
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("link", "fifo", "folder"):
        with pytest.raises(BadKey, match="not a regular file"):
            read_key_file(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        read_key_file(tmp_path / "missing")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_key_file_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "cache.key"
    file.write_text(TEXT)
    file.chmod(0o600)
    os.chown(file, 12345, -1)
    with pytest.raises(BadKey, match="12345"):
        read_key_file(file)


def test_garbage_in_a_key_file_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "cache.key"
    file.write_bytes(os.urandom(9000))
    file.chmod(0o600)
    with pytest.raises(BadKey, match="no key"):
        read_key_file(file)
