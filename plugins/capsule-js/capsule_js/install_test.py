from __future__ import annotations

import multiprocessing
import threading
import time
from pathlib import Path

import pytest

from capsule_js.install import install_once


def ignore(message: str) -> None:
    pass


def fill(folder: Path) -> None:
    (folder / "a").write_text("a")


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    calls = []

    def counted(folder: Path) -> None:
        calls.append(folder)
        fill(folder)

    for _ in range(2):
        assert (install_once(tmp_path / "f", counted, ignore) / "a").read_text() == "a"
    assert len(calls) == 1


def test_a_folder_that_could_not_be_filled_is_not_there(tmp_path: Path) -> None:
    def broken(folder: Path) -> None:
        fill(folder)
        raise OSError("no network")

    with pytest.raises(OSError, match="no network"):
        install_once(tmp_path / "f", broken, ignore)
    assert [path.name for path in tmp_path.iterdir()] == ["f.lock"]
    assert install_once(tmp_path / "f", fill, ignore).is_dir()


def test_of_many_threads_one_fills_and_the_others_say_that_they_wait(tmp_path: Path) -> None:
    calls: list[Path] = []
    said: list[str] = []

    def slow(folder: Path) -> None:
        calls.append(folder)
        time.sleep(0.2)
        fill(folder)

    threads = [
        threading.Thread(target=install_once, args=(tmp_path / "f", slow, said.append)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert said == ["waiting for another process that installs the same"] * 3


def _hang(folder: Path) -> None:
    (folder / "half").write_text("")
    time.sleep(60)


def test_after_a_process_that_was_killed_the_next_one_fills(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=install_once, args=(tmp_path / "f", _hang, ignore))
    process.start()
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob(".f.*/half")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.join()
    assert not (tmp_path / "f").exists()
    folder = install_once(tmp_path / "f", fill, ignore)
    assert [path.name for path in folder.iterdir()] == ["a"]
