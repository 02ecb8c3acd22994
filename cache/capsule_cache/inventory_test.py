from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from capsule_cache import kernel_lock
from capsule_cache.build_lock import BuildLock
from capsule_cache.key import Key, derive_key
from capsule_cache.store import Entry, Store

HOUR = 3600


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "wasm", b"s" * 32)


@pytest.fixture
def folder(store: Store) -> Iterator[int]:
    store.folder.mkdir()
    fd = os.open(store.folder, os.O_RDONLY)
    yield fd
    os.close(fd)


def key(number: int) -> Key:
    return derive_key(format_version=number)


def used(entry: Entry, hours_ago: float) -> None:
    then = time.time() - hours_ago * HOUR
    os.utime(f"{entry.path}.seal", (then, then))


def names(store: Store) -> list[str]:
    return sorted(file.name for file in store.folder.iterdir())


def test_a_missing_folder_is_an_empty_store(store: Store) -> None:
    assert list(store.entries()) == []
    assert store.stat().entries == 0
    assert store.prune(max_bytes=0).entries == 0
    assert not store.folder.exists()


def test_stat_counts_entries_and_their_bytes_with_seals(store: Store) -> None:
    entries = [store.put(key(number), b"x" * 1000) for number in range(3)]
    used(entries[1], 5)
    (store.folder / "notes.txt").write_bytes(b"n" * 5000)
    stat = store.stat()
    assert stat.entries == 3
    assert stat.bytes == sum(
        file.stat().st_size for file in store.folder.iterdir() if file.name != "notes.txt"
    )
    assert stat.oldest_use == pytest.approx(time.time() - 5 * HOUR, abs=60)
    assert stat.newest_use == pytest.approx(time.time(), abs=60)


def test_entries_lists_what_is_there(store: Store) -> None:
    entry = store.put(key(1), b"abc", name="hello")
    (item,) = store.entries()
    assert (item.file, item.key, item.sealed) == (entry.path.name, key(1), True)


def test_prune_removes_the_least_recently_used_first(store: Store) -> None:
    entries = [store.put(key(number), b"x" * 10_000) for number in range(4)]
    for entry, hours in zip(entries, (2, 9, 1, 5), strict=True):
        used(entry, hours)
    pruned = store.prune(max_bytes=25_000)
    assert pruned.entries == 2
    assert pruned.bytes > 20_000
    assert [store.get(key(number)) is not None for number in range(4)] == [True, False, True, False]


def test_prune_removes_what_was_not_used_for_long(store: Store) -> None:
    old, young = store.put(key(1), b"old"), store.put(key(2), b"young")
    used(old, 50)
    used(young, 1)
    assert store.prune(max_age_seconds=24 * HOUR).entries == 1
    assert store.get(key(1)) is None
    assert store.get(key(2))


def test_using_an_entry_keeps_it(store: Store) -> None:
    entry = store.put(key(1), b"x")
    used(entry, 50)
    assert store.get(key(1))
    assert store.prune(max_age_seconds=24 * HOUR).entries == 0


def test_use_is_recorded_at_most_once_an_hour(store: Store) -> None:
    entry = store.put(key(1), b"x")
    used(entry, 0.5)
    seal = entry.path.with_name(f"{entry.path.name}.seal")
    before = seal.stat().st_mtime_ns
    assert store.get(key(1))
    assert seal.stat().st_mtime_ns == before


def test_pruning_without_limits_keeps_every_entry(store: Store) -> None:
    store.put(key(1), b"x")
    assert store.prune().entries == 0
    assert store.get(key(1))


def test_clear_removes_entries_and_nothing_else(store: Store) -> None:
    store.put(key(1), b"x")
    store.put(key(2), b"", suffix=".cwasm")
    for other in ("notes.txt", "main_a1b2c3d4.wasm", ".hidden"):
        (store.folder / other).write_text("mine")
    assert store.clear().entries == 2
    assert names(store) == [".hidden", "main_a1b2c3d4.wasm", "notes.txt"]


def test_remnants_of_crashes_are_swept(store: Store, folder: int) -> None:
    kept = store.put(key(1), b"x")
    lone_payload, lone_seal = store.put(key(2), b"x"), store.put(key(3), b"x")
    lone_payload.path.with_name(f"{lone_payload.path.name}.seal").unlink()
    lone_seal.path.unlink()
    (store.folder / ".capsule-00.tmp").write_text("half")
    (store.folder / f"{kept.path.name}.lock").write_text("{}")
    (store.folder / ".capsule-01.tmp").symlink_to("/")
    assert store.prune().entries == 0
    assert names(store) == [kept.path.name, f"{kept.path.name}.seal"]


def test_what_is_being_written_or_built_is_left_alone(store: Store, folder: int) -> None:
    built = store.put(key(1), b"x")
    writing = store.folder / ".capsule-00.tmp"
    writing.write_text("half")
    fd = os.open(writing, os.O_RDWR)
    assert kernel_lock.take(fd)
    with BuildLock(folder, built.path.name).waiting(1):
        assert store.clear().entries == 0
        assert writing.exists()
        assert built.path.exists()
    kernel_lock.drop(fd)
    assert store.clear().entries == 1
    assert names(store) == []


def test_an_old_temporary_file_is_swept_even_when_its_writer_lives(store: Store, folder: int) -> None:
    writing = store.folder / ".capsule-00.tmp"
    writing.write_text("half")
    os.utime(writing, (0, time.time() - 2 * HOUR))
    fd = os.open(writing, os.O_RDWR)
    assert kernel_lock.take(fd)
    store.prune()
    kernel_lock.drop(fd)
    assert not writing.exists()


def test_odd_things_under_the_names_of_entries_do_not_stop_a_prune(store: Store, folder: int) -> None:
    name = "main_{}.wasm"
    (store.folder / name.format(key(1)) / "precious").mkdir(parents=True)
    (store.folder / name.format(key(2))).symlink_to("/")
    os.mkfifo(store.folder / name.format(key(3)))
    (store.folder / f"{name.format(key(4))}.lock" / "precious").mkdir(parents=True)
    assert store.stat().entries == 0
    store.put(key(5), b"x")
    assert store.clear().entries == 1
    assert names(store) == sorted([name.format(key(1)), f"{name.format(key(4))}.lock"])
