"""What is read is a regular file of bounded size in the project, whatever somebody put in its place."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from capsule.frontend import inputs
from capsule.frontend.inputs import InputError, InputMissing, is_input, read_input

MOST = 1 << 20


@pytest.fixture(params=["openat2", "in steps"])
def root(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, read in the kernel's one step, and as where the kernel has no such call."""
    if request.param == "in steps":
        monkeypatch.setattr(inputs, "_openat2", lambda: None)
    folder = tmp_path / "project"
    (folder / "a").mkdir(parents=True)
    (folder / "a/x").write_bytes(b"inside")
    (tmp_path / "outside").write_bytes(b"outside")
    return folder


@pytest.mark.parametrize("target", ["a/x", "a/../a/x", "../project/a/x", "{root}/a/x"])
def test_links_that_stay_inside_are_followed(root: Path, target: str) -> None:
    (root / "link").symlink_to(target.format(root=root))
    assert read_input(root / "link", most=MOST, within=root) == b"inside"
    assert is_input("link", within=root)


@pytest.mark.parametrize(
    "target", ["../outside", "/dev/zero", "/proc/self/environ", "/proc/self/fd/0", "/proc/self/cwd"]
)
def test_links_that_lead_out_are_not(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    (root / "folder").symlink_to("..")
    for name in ("link", "folder/outside"):
        with pytest.raises(InputError, match="leaves the project"):
            read_input(root / name, most=MOST, within=root)
        assert not is_input(root / name, within=root)


def test_pipes_sockets_and_loops_are_refused_at_once(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "loop").symlink_to("loop")
    (root / "nowhere").symlink_to("missing")
    for name, problem in (("pipe", "not a regular"), ("loop", "links"), ("nowhere", "leads nowhere")):
        for within in (root, None):
            with pytest.raises(InputError, match=problem):
                read_input(root / name, most=MOST, within=within)


def test_devices_are_refused_where_any_place_is_allowed(root: Path) -> None:
    for device in ("/dev/zero", "/dev/null"):
        with pytest.raises(InputError, match="not a regular"):
            read_input(device, most=MOST)


def test_size_is_bounded_also_of_files_that_take_no_room_or_say_that_they_are_empty(root: Path) -> None:
    with (root / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read_input(root / "sparse", most=MOST, within=root)
    with pytest.raises(InputError, match="larger than 10 bytes"):
        read_input("/proc/cpuinfo", most=10)
    (root / "fits").write_bytes(b"x" * MOST)
    assert len(read_input(root / "fits", most=MOST, within=root)) == MOST


@pytest.mark.parametrize("name", ["missing", "missing/x", "a/x/y", "a"])
def test_what_is_not_there_is_told_apart(root: Path, name: str) -> None:
    with pytest.raises(InputMissing):
        read_input(root / name, most=MOST, within=root)


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_file_exchanged_for_a_link_while_it_is_read_never_gives_what_is_outside(
    root: Path, what: str
) -> None:
    """The race that a check after opening loses: the link leads out only while the file is opened."""
    outside = root.parent / "secrets"
    outside.mkdir()
    (outside / "x").write_bytes(b"outside")
    name = "a/x" if what == "file" else "a"
    inside = (root / name).rename(root / "kept")
    ended = threading.Event()

    def exchange() -> None:
        link, place = root / "link", root / name
        while not ended.is_set():
            link.symlink_to(outside / "x" if what == "file" else outside)
            link.replace(place) if what == "file" else _swap(link, place)
            if what == "file":
                os.link(inside, root / "again")
                (root / "again").replace(place)
            else:
                place.unlink()
                inside.rename(place)
                place.rename(inside)

    def _swap(link: Path, place: Path) -> None:
        link.rename(place)

    racer = threading.Thread(target=exchange)
    racer.start()
    seen = set()
    try:
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            try:
                seen.add(read_input(root / "a/x", most=MOST, within=root))
            except InputError:
                seen.add(b"refused")
    finally:
        ended.set()
        racer.join()
    assert b"outside" not in seen
    assert b"refused" in seen
