from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from capsule.sessions import tree


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[int, int]]:
    opened = []
    for name in ("source", "target"):
        (tmp_path / name).mkdir()
        opened.append(tree.opened(tmp_path / name))
    yield opened[0], opened[1]
    for each in opened:
        os.close(each)


def deep(folder: int, depth: int) -> None:
    place = os.dup(folder)
    for _ in range(depth):
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)


def test_files_folders_and_links_are_copied_with_their_times_and_nothing_else_is(
    tmp_path: Path, places: tuple[int, int]
) -> None:
    source = tmp_path / "source"
    (source / "in/ner").mkdir(parents=True)
    (source / "in/file").write_bytes(b"x" * 3_000_000)
    os.utime(source / "in/file", (1, 2))
    (source / "link").symlink_to("/etc/passwd")
    os.mkfifo(source / "pipe")
    tree.copied(*places, most=4_000_000)
    target = tmp_path / "target"
    assert sorted(each.path for each in tree.listed(places[1])) == ["in", "in/file", "in/ner", "link"]
    assert (target / "in/file").read_bytes() == b"x" * 3_000_000
    assert (target / "in/file").stat().st_mtime == 2
    assert (target / "link").readlink() == Path("/etc/passwd")


def test_more_bytes_than_were_allowed_are_not_copied(tmp_path: Path, places: tuple[int, int]) -> None:
    (tmp_path / "source/file").write_bytes(b"x" * 1001)
    with pytest.raises(tree.TooMuch, match="1000 bytes"):
        tree.copied(*places, most=1000)


def test_deep_folders_are_refused_and_removed(tmp_path: Path, places: tuple[int, int]) -> None:
    deep(places[0], 3000)
    with pytest.raises(tree.TooMuch, match="64 folders"):
        list(tree.listed(places[0]))
    tree.emptied(places[0])
    assert list((tmp_path / "source").iterdir()) == []


def test_many_files_are_refused(
    tmp_path: Path, places: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "MOST_ENTRIES", 10)
    for number in range(11):
        (tmp_path / f"source/{number}").touch()
    with pytest.raises(tree.TooMuch, match="10 files"):
        list(tree.listed(places[0]))


def test_no_link_is_followed(tmp_path: Path, places: tuple[int, int]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("theirs")
    (tmp_path / "source/link").symlink_to(outside)
    (tmp_path / "source/file").symlink_to(outside / "file")
    for attempt in (
        lambda: tree.beneath(places[0], ["link"]),
        lambda: tree.beneath(places[0], ["link"], make=True),
        lambda: tree.reads(places[0], "file"),
        lambda: tree.writes(places[0], "file"),
    ):
        with pytest.raises(OSError, match=r"symbolic links|Not a directory"):
            attempt()
    tree.removed(places[0], "link")
    tree.removed(places[0], "file")
    tree.removed(places[0], "missing")
    assert (outside / "file").read_text() == "theirs"


def test_only_regular_files_are_read_and_written(tmp_path: Path, places: tuple[int, int]) -> None:
    os.mkfifo(tmp_path / "source/pipe")
    with pytest.raises(OSError, match="regular"):
        tree.reads(places[0], "pipe")
    with pytest.raises(OSError, match=r"pipe|No such device"):
        tree.writes(places[0], "pipe")
