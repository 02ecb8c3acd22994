from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from capsule_cache import build_lock
from capsule_cache.build_lock import BuildLock, Owner
from capsule_cache.errors import BuildTimeout, StoreError
from capsule_cache.files import open_regular

FILE = f"main_{'0' * 32}.wasm"
LOCK = f"{FILE}.lock"

HOLD = """
import os, sys, time
from capsule_cache.build_lock import BuildLock
fd = os.open(sys.argv[1], os.O_RDONLY)
with BuildLock(fd, sys.argv[2]).attempt() as free:
    if len(sys.argv) > 3 and os.fork() == 0:
        # A worker that outlives the builder.
        time.sleep(60)
        os._exit(0)
    print(free, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


@contextmanager
def holder(path: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), FILE, *more],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout
        assert child.stdout.readline() == "True\n"
        yield child
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def test_the_lock_excludes_other_processes_and_names_its_owner(tmp_path: Path, folder: int) -> None:
    before = time.time()
    with holder(tmp_path) as child:
        with BuildLock(folder, FILE).attempt() as free:
            assert not free
        owners: list[Owner | None] = []
        with (
            pytest.raises(BuildTimeout, match=f"process {child.pid} on"),
            BuildLock(folder, FILE).waiting(0.1, owners.append),
        ):
            pytest.fail("two owners")
        (owner,) = owners
        assert owner
        assert owner.pid == child.pid
        assert before - 60 < owner.since < time.time()


def test_threads_exclude_each_other(folder: int) -> None:
    inside: list[int] = []
    overlaps: list[int] = []

    def work() -> None:
        with BuildLock(folder, FILE).waiting(30):
            overlaps.append(len(inside))
            inside.append(1)
            time.sleep(0.005)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == [0] * 6


def test_the_lock_is_gone_after_use(tmp_path: Path, folder: int) -> None:
    with BuildLock(folder, FILE).waiting(1):
        assert [file.name for file in tmp_path.iterdir()] == [LOCK]
    assert not list(tmp_path.iterdir())


def test_the_lock_is_released_when_its_holder_fails(tmp_path: Path, folder: int) -> None:
    with pytest.raises(ZeroDivisionError), BuildLock(folder, FILE).waiting(1):
        raise ZeroDivisionError
    with BuildLock(folder, FILE).attempt() as free:
        assert free


@pytest.mark.parametrize("more", [(), ("with a forked worker",)])
def test_a_dead_owners_lock_is_taken_over_at_once(tmp_path: Path, folder: int, more: tuple[str, ...]) -> None:
    with holder(tmp_path, *more) as child:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        assert (tmp_path / LOCK).exists()
        with BuildLock(folder, FILE).waiting(1):
            pass


def test_a_forked_child_that_unwinds_does_not_release_its_parents_lock(tmp_path: Path, folder: int) -> None:
    class InChild(Exception):
        pass

    try:
        with BuildLock(folder, FILE).waiting(1):
            pid = os.fork()
            if pid == 0:
                raise InChild
            assert os.waitpid(pid, 0)[1] == 0
            assert (tmp_path / LOCK).exists()
            with BuildLock(folder, FILE).attempt() as free:
                assert not free
    except InChild:
        os._exit(0)
    except OSError:
        # Only the child can come here: it has no descriptor to close.
        os._exit(1)


def test_a_file_that_its_holder_removed_before_it_could_be_locked_is_no_lock(
    tmp_path: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[int] = []

    with ExitStack() as others:

        def overtaken(folder: int, name: str, flags: int) -> int:
            fd = open_regular(folder, name, flags)
            opened.append(fd)
            if len(opened) == 1:
                # The holder lets go, and somebody else takes the lock, in a new file.
                (tmp_path / LOCK).unlink()
                assert others.enter_context(BuildLock(folder, FILE).attempt())
            return fd

        monkeypatch.setattr(build_lock, "open_regular", overtaken)
        with BuildLock(folder, FILE).attempt() as free:
            assert not free
        assert (tmp_path / LOCK).exists()


def test_a_lock_left_behind_by_a_dead_process_is_no_lock(tmp_path: Path, folder: int) -> None:
    (tmp_path / LOCK).write_text(json.dumps({"pid": 1, "host": "here", "since": 1.0}))
    with BuildLock(folder, FILE).attempt() as free:
        assert free


def plant_link(lock: Path) -> None:
    (lock.parent / "precious").write_text("precious")
    lock.symlink_to(lock.parent / "precious")


def plant_hard_link(lock: Path) -> None:
    (lock.parent / "precious").write_text("precious")
    lock.hardlink_to(lock.parent / "precious")


@pytest.mark.parametrize("plant", [plant_link, plant_hard_link, os.mkfifo, os.mkdir])
def test_what_is_planted_in_the_locks_place_is_replaced_and_never_written_through(
    tmp_path: Path, folder: int, plant: Callable[[Path], None]
) -> None:
    plant(tmp_path / LOCK)
    with BuildLock(folder, FILE).waiting(1):
        pass
    assert not os.path.lexists(tmp_path / LOCK)
    if (tmp_path / "precious").exists():
        assert (tmp_path / "precious").read_text() == "precious"


def test_a_full_folder_in_the_locks_place_is_reported_and_kept(tmp_path: Path, folder: int) -> None:
    (tmp_path / LOCK / "precious").mkdir(parents=True)
    with pytest.raises(StoreError, match="is a folder"), BuildLock(folder, FILE).waiting(1):
        pass
    assert (tmp_path / LOCK / "precious").exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"[" * 5000,
        b"[]",
        b'{"pid": "1", "host": "h", "since": 1.0}',
        b'{"pid": -1, "host": "h", "since": 1.0}',
        b'{"pid": 1, "host": "\\u001b[2J", "since": 1.0}',
        b'{"pid": 1, "host": "h", "since": Infinity}',
    ],
)
def test_a_forged_owner_is_not_shown(tmp_path: Path, folder: int, content: bytes) -> None:
    with holder(tmp_path):
        (tmp_path / LOCK).write_bytes(content)
        with pytest.raises(BuildTimeout, match="another process"), BuildLock(folder, FILE).waiting(0):
            pass
