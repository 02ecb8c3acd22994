from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from capsule_cache import kernel_lock
from capsule_cache.files import Folder, NotRegular, open_regular, read_all, remove, replace_file
from capsule_cache.inventory import sweep


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_replaced_file_is_whole_and_alone_and_its_status_is_the_final_one(
    tmp_path: Path, folder: int
) -> None:
    (tmp_path / "file").write_text("old")
    status = replace_file(folder, "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert names(tmp_path) == ["file"]
    now = (tmp_path / "file").stat()
    assert (status.st_ino, status.st_mtime_ns, status.st_ctime_ns) == (
        now.st_ino,
        now.st_mtime_ns,
        now.st_ctime_ns,
    )


def test_no_umask_makes_a_file_that_others_can_write(tmp_path: Path, folder: int) -> None:
    previous = os.umask(0)
    try:
        replace_file(folder, "file", b"")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_a_file_swept_before_its_writer_had_locked_it_is_written_again(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    take = kernel_lock.take
    sweeps: list[int] = []

    def swept_first(fd: int) -> bool | None:
        if not sweeps:
            sweeps.append(fd)
            sweep(folder)
        return take(fd)

    monkeypatch.setattr(kernel_lock, "take", swept_first)
    replace_file(folder, "file", b"data")
    assert sweeps
    assert (tmp_path / "file").read_bytes() == b"data"


@pytest.mark.parametrize("kind", ["link", "folder", "fifo", "dangling link"])
def test_only_regular_files_are_opened(tmp_path: Path, folder: int, kind: str) -> None:
    (tmp_path / "target").write_text("")
    odd = tmp_path / "odd"
    match kind:
        case "link":
            odd.symlink_to("target")
        case "dangling link":
            odd.symlink_to("nowhere")
        case "folder":
            odd.mkdir()
        case "fifo":
            os.mkfifo(odd)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_CREAT):
        with pytest.raises(NotRegular):
            open_regular(folder, "odd", flags)
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(("limit", "data"), [(0, b""), (3, b"abc"), (100, b"abcdef")])
def test_no_more_is_read_than_the_limit(tmp_path: Path, folder: int, limit: int, data: bytes) -> None:
    (tmp_path / "file").write_bytes(b"abcdef")
    fd = open_regular(folder, "file")
    assert read_all(fd, limit) == data
    os.close(fd)


def test_removing_says_whether_there_was_something(tmp_path: Path, folder: int) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    assert remove(folder, "file")
    assert remove(folder, "empty")
    assert not remove(folder, "file")


def test_opening_a_folder_leaks_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    before = os.dup(0)
    os.close(before)
    for path, private in (
        (tmp_path / "a" / "link" / "x", False),
        (tmp_path / "a", True),
        (tmp_path / "no", False),
    ):
        with pytest.raises(OSError), Folder(path, tmp_path, private).opened():  # noqa: PT011
            pass
    after = os.dup(0)
    os.close(after)
    assert after == before
