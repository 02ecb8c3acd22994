from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from capsule.confinement.mounts import seclude
from capsule.errors import PolicyError
from capsule.runtime.disk import DEEPEST, LEAST, DiskQuota, TooDeep, size_of

MIB = 1 << 20


def test_blocks_count_and_holes_do_not(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(os.urandom(MIB))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    assert MIB <= size_of([tmp_path]) < 2 * MIB


def test_every_entry_counts_as_something(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"file{number}").touch()
        (tmp_path / f"folder{number}").mkdir()
        (tmp_path / f"link{number}").symlink_to("nowhere")
    assert size_of([tmp_path]) >= 150 * LEAST


def test_a_file_with_many_names_counts_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "a/one").write_bytes(os.urandom(MIB))
    for number in range(50):
        (tmp_path / f"b/{number}").hardlink_to(tmp_path / "a/one")
    assert size_of([tmp_path / "a", tmp_path / "b"]) < 2 * MIB


def test_links_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "away/large").write_bytes(os.urandom(MIB))
    (tmp_path / "here").mkdir()
    (tmp_path / "here/link").symlink_to("../away")
    (tmp_path / "here/file").symlink_to("../away/large")
    (tmp_path / "instead").symlink_to("away")
    assert size_of([tmp_path / "here", tmp_path / "instead"]) <= 2 * LEAST


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of files without a name")
def test_a_file_that_was_removed_counts_while_it_is_open(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with (tmp_path / "data/file").open("wb", buffering=0) as file, (tmp_path / "other").open("wb") as other:
        file.write(os.urandom(MIB))
        other.write(os.urandom(MIB))
        (tmp_path / "data/file").unlink()
        (tmp_path / "other").unlink()
        assert MIB <= size_of([tmp_path / "data"]) < 2 * MIB
    assert size_of([tmp_path / "data"]) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has mounts of a process's own")
@pytest.mark.parametrize("folders", [["data"], ["data", "more"]], ids=["one folder", "two in one mount"])
def test_a_file_that_a_secluded_process_removed_counts(tmp_path: Path, folders: list[str]) -> None:
    """Its folders are mounts of their own there: the system says ``/file (deleted)``, not where it was."""
    for name in folders:
        (tmp_path / name).mkdir()
    done, end = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            own = [os.open(tmp_path / name, os.O_RDONLY | os.O_DIRECTORY) for name in folders]
            secluded = seclude([(folder, True) for folder in own])
            file = os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=own[0])
            os.write(file, os.urandom(MIB))
            os.unlink("file", dir_fd=own[0])
            os.write(done[1], b"y" if secluded else b"n")
            os.read(end[0], 1)
        finally:
            os._exit(0)
    try:
        if os.read(done[0], 1) != b"y":
            pytest.skip("this machine lets this user have no mounts of their own")
        quota = DiskQuota(MIB // 2)
        quota.grant([tmp_path / name for name in folders[:1]])
        quota._before = 0  # as if the process had begun only now
        other = DiskQuota(MIB // 2)
        (tmp_path / "other").mkdir()
        other.grant([tmp_path / "other"])
        assert (ran(quota), ran(other)) == (True, False)
    finally:
        os.write(end[1], b"x")
        os.waitpid(pid, 0)


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    assert size_of([tmp_path / "gone"]) == 0


def nest(folder: Path, levels: int) -> None:
    for _ in range(levels):
        folder /= "d"
        folder.mkdir()


def test_folders_as_deep_as_may_be_are_measured_and_deeper_ones_are_an_error(tmp_path: Path) -> None:
    nest(tmp_path, DEEPEST)
    assert size_of([tmp_path]) >= DEEPEST * LEAST
    (tmp_path / "/".join("d" * DEEPEST) / "d").mkdir()
    with pytest.raises(TooDeep):
        size_of([tmp_path])
    with pytest.raises(PolicyError, match="can't be measured"):
        DiskQuota(MIB).grant([tmp_path])
    if sys.platform == "linux":
        opened = [os.path.realpath(entry) for entry in Path("/proc/self/fd").iterdir()]
        assert not [path for path in opened if path.startswith(str(tmp_path))]


def test_what_was_there_before_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(os.urandom(2 * MIB))
    quota = DiskQuota(MIB)
    quota.grant([tmp_path])
    assert not ran(quota)
    (tmp_path / "new").write_bytes(os.urandom(2 * MIB))
    assert ran(quota)


def ran(quota: DiskQuota) -> bool:
    """Whether a task that begins and ends now is over the quota."""
    task = object()
    quota.enter(task, lambda: None)
    return quota.leave(task)


@pytest.mark.parametrize("order", [["out", "out/in"], ["out/in", "out"], ["out", "out/in", "out"]])
def test_a_folder_inside_of_another_counts_once(tmp_path: Path, order: list[str]) -> None:
    (tmp_path / "out/in").mkdir(parents=True)
    (tmp_path / "out/in/old").write_bytes(os.urandom(4 * MIB))
    quota = DiskQuota(2 * MIB)
    for name in order:
        quota.grant([tmp_path / name])
    (tmp_path / "out/in/new").write_bytes(os.urandom(MIB))
    assert not ran(quota)
    (tmp_path / "out/new").write_bytes(os.urandom(MIB + 8 * LEAST))
    assert ran(quota)


def test_a_folder_that_is_granted_later_keeps_what_was_added_before(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    quota = DiskQuota(MIB)
    quota.grant([tmp_path / "one"])
    (tmp_path / "one/new").write_bytes(os.urandom(2 * MIB))
    quota.grant([tmp_path / "two"])
    assert ran(quota)


def test_what_runs_is_ended_as_soon_as_the_quota_is_passed(tmp_path: Path) -> None:
    quota = DiskQuota(MIB)
    quota.grant([tmp_path])
    ended = threading.Event()
    quota.enter("task", ended.set)
    assert not ended.wait(0.3)
    (tmp_path / "new").write_bytes(os.urandom(2 * MIB))
    assert ended.wait(30)
    assert quota.exceeded
    assert quota.leave("task")


def test_a_task_that_never_entered_is_not_over_anything(tmp_path: Path) -> None:
    quota = DiskQuota(0)
    quota.grant([tmp_path])
    (tmp_path / "new").write_bytes(b"x")
    assert not quota.leave("another task")
