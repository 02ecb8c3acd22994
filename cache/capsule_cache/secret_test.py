from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from capsule_cache.errors import StoreError
from capsule_cache.secret import user_secret

PRINT = """
import sys
from pathlib import Path
from capsule_cache import user_secret
sys.stdin.read()
print(user_secret(Path(sys.argv[1])).hex())
"""


def test_a_secret_is_made_once_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "capsule"
    secret = user_secret(folder)
    assert len(secret) == 32
    assert user_secret(folder) == secret
    assert (folder / "secret").read_bytes() == secret


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    previous = os.umask(0)
    try:
        user_secret(tmp_path / "capsule")
    finally:
        os.umask(previous)
    assert (tmp_path / "capsule").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "capsule" / "secret").stat().st_mode & 0o777 == 0o600


def test_two_users_have_different_secrets(tmp_path: Path) -> None:
    assert user_secret(tmp_path / "one") != user_secret(tmp_path / "other")


def test_processes_that_start_at_once_agree_and_leave_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "capsule"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", PRINT, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for child in children:
        assert child.stdin
        child.stdin.close()
    printed = set()
    for child in children:
        assert child.stdout
        with child.stdout:
            printed.add(child.stdout.read())
        assert child.wait() == 0
    assert len(printed) == 1
    assert list(folder.iterdir()) == [folder / "secret"]


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "planted").write_bytes(b"k" * 32)
    (tmp_path / "capsule").mkdir(mode=0o700)
    (tmp_path / "capsule" / "secret").symlink_to(tmp_path / "planted")
    with pytest.raises(StoreError, match="not a regular file"):
        user_secret(tmp_path / "capsule")


def test_a_dangling_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "capsule").mkdir(mode=0o700)
    (tmp_path / "capsule" / "secret").symlink_to(tmp_path / "target")
    with pytest.raises(StoreError):
        user_secret(tmp_path / "capsule")
    assert not (tmp_path / "target").exists()


def test_a_linked_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "capsule").symlink_to(tmp_path / "real")
    with pytest.raises(StoreError, match="symbolic link"):
        user_secret(tmp_path / "capsule")
    assert not list((tmp_path / "real").iterdir())


def test_a_folder_that_is_open_to_others_is_refused_with_the_command_that_helps(tmp_path: Path) -> None:
    (tmp_path / "capsule").mkdir()
    (tmp_path / "capsule").chmod(0o750)
    with pytest.raises(StoreError, match="750") as caught:
        user_secret(tmp_path / "capsule")
    assert caught.value.hint == f"chmod 700 {tmp_path / 'capsule'}"


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    user_secret(tmp_path)
    (tmp_path / "secret").chmod(0o644)
    with pytest.raises(StoreError, match="644"):
        user_secret(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("given", ["folder", "file"])
def test_what_belongs_to_another_user_is_refused(tmp_path: Path, given: str) -> None:
    user_secret(tmp_path)
    os.chown(tmp_path if given == "folder" else tmp_path / "secret", 12345, -1)
    with pytest.raises(StoreError, match="12345"):
        user_secret(tmp_path)


@pytest.mark.parametrize("content", [b"", b"k" * 31, b"k" * 33])
def test_a_damaged_secret_is_reported_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    user_secret(tmp_path)
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as caught:
        user_secret(tmp_path)
    assert "remove" in (caught.value.hint or "")
    assert (tmp_path / "secret").read_bytes() == content


def test_a_fifo_in_its_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "secret", 0o600)
    with pytest.raises(StoreError, match="not a regular file"):
        user_secret(tmp_path)


def test_a_file_in_place_of_the_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "capsule").write_text("")
    with pytest.raises(StoreError, match="capsule"):
        user_secret(tmp_path / "capsule")
