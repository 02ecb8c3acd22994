from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule_cache import BuildTimeout, Entry, Store, StoreError, StoreReadOnly, Verify, derive_key
from capsule_cache.key import Key
from capsule_cache.seal import Seal, encode

SECRET = b"s" * 32
KEY = derive_key(format_version=1)
OTHER_KEY = derive_key(format_version=2)
WASM = b"\0asm\x0d\0\1\0" + bytes(range(256)) * 8

BUILD = """
import os, sys, time
from pathlib import Path
from capsule_cache import Store, derive_key

def build():
    with open(sys.argv[2], "a") as log:
        log.write("built\\n")
    print("building", flush=True)
    time.sleep(float(sys.argv[3]))
    return b"wasm" * 1000

store = Store(Path(sys.argv[1]), b"s" * 32)
entry, built = store.get_or_build(derive_key(format_version=1), build)
assert entry.read() == b"wasm" * 1000
print(built)
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / ".capsule" / "wasm", SECRET, within=tmp_path)


@pytest.fixture
def entry(store: Store) -> Entry:
    return store.put(KEY, WASM)


def seal_of(entry: Entry) -> Path:
    return entry.path.with_name(f"{entry.path.name}.seal")


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def never() -> NoReturn:
    pytest.fail("must not build")


def builder(store: Store, log: Path, seconds: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILD, str(store.folder), str(log), str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
    )


# What is stored comes back.


@pytest.mark.parametrize("verify", ["content", "stat"])
@pytest.mark.parametrize("data", [WASM, b""])
def test_what_was_put_comes_back(store: Store, verify: Verify, data: bytes) -> None:
    store.put(KEY, data)
    entry = store.get(KEY, verify=verify)
    assert entry
    assert entry.read() == data
    assert entry.path.read_bytes() == data
    assert entry.size == len(data)


def test_the_folder_holds_the_payload_and_its_seal_under_readable_names(store: Store) -> None:
    store.put(KEY, WASM, name="my task", suffix=".cwasm")
    assert names(store.folder) == [f"my_task_{KEY}.cwasm", f"my_task_{KEY}.cwasm.seal"]


def test_an_absent_entry_is_none_and_makes_no_folder(store: Store) -> None:
    assert store.get(KEY) is None
    assert not store.folder.exists()


def test_name_suffix_and_key_all_tell_entries_apart(store: Store) -> None:
    store.put(KEY, b"1")
    assert store.get(OTHER_KEY) is None
    assert store.get(KEY, name="other") is None
    assert store.get(KEY, suffix=".cwasm") is None


def test_putting_again_replaces(store: Store, entry: Entry) -> None:
    store.put(KEY, b"new")
    found = store.get(KEY)
    assert found
    assert found.read() == b"new"
    assert len(names(store.folder)) == 2


def test_get_or_build_builds_once(store: Store) -> None:
    entry, built = store.get_or_build(KEY, lambda: WASM)
    assert (built, entry.read()) == (True, WASM)
    entry, built = store.get_or_build(KEY, never)
    assert (built, entry.read()) == (False, WASM)
    assert len(names(store.folder)) == 2


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = Store(Path("wasm"), SECRET)
    monkeypatch.chdir("/")
    assert store.put(KEY, b"x").path.parent == tmp_path / "wasm"


def test_misuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="secret"):
        Store(tmp_path, b"")
    with pytest.raises(ValueError, match="leaves"):
        Store(tmp_path / ".." / "x", SECRET, within=tmp_path)


# What was damaged or forged doesn't.


def flip_a_byte(entry: Entry) -> None:
    data = bytearray(entry.path.read_bytes())
    data[-1] ^= 1
    entry.path.write_bytes(data)


def truncate(entry: Entry) -> None:
    os.truncate(entry.path, entry.size - 1)


def extend(entry: Entry) -> None:
    with entry.path.open("ab") as file:
        file.write(b"x")


def remove_payload(entry: Entry) -> None:
    entry.path.unlink()


def link_payload(entry: Entry) -> None:
    entry.path.rename(entry.path.with_name("elsewhere"))
    entry.path.symlink_to("elsewhere")


def fifo_payload(entry: Entry) -> None:
    entry.path.unlink()
    os.mkfifo(entry.path)


def folder_payload(entry: Entry) -> None:
    entry.path.unlink()
    entry.path.mkdir()


def link_seal(entry: Entry) -> None:
    seal_of(entry).rename(entry.path.with_name("elsewhere"))
    seal_of(entry).symlink_to("elsewhere")


def fifo_seal(entry: Entry) -> None:
    seal_of(entry).unlink()
    os.mkfifo(seal_of(entry))


def folder_seal(entry: Entry) -> None:
    seal_of(entry).unlink()
    seal_of(entry).mkdir()


def empty_seal(entry: Entry) -> None:
    seal_of(entry).write_bytes(b"")


def huge_seal(entry: Entry) -> None:
    os.truncate(seal_of(entry), 1 << 40)


def seal_of_another_file(entry: Entry) -> None:
    # Signed with the right secret, and true of the file that it names.
    other = entry.path.with_name(entry.path.name.replace("main", "other"))
    other.write_bytes(b"other")
    seal_of(entry).write_bytes(encode(Seal.of(other.name, KEY, b"other", other.stat()), SECRET))


def seal_of_another_key(entry: Entry) -> None:
    status = entry.path.stat()
    seal_of(entry).write_bytes(encode(Seal.of(entry.path.name, OTHER_KEY, WASM, status), SECRET))


DAMAGE = [
    flip_a_byte,
    truncate,
    extend,
    remove_payload,
    link_payload,
    fifo_payload,
    folder_payload,
    link_seal,
    fifo_seal,
    folder_seal,
    empty_seal,
    huge_seal,
    seal_of_another_file,
    seal_of_another_key,
]


@pytest.mark.parametrize("verify", ["content", "stat"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_absent_removed_and_built_anew(
    store: Store, entry: Entry, damage: Callable[[Entry], None], verify: Verify
) -> None:
    damage(entry)
    assert store.get(KEY, verify=verify) is None
    assert not os.path.lexists(entry.path)
    assert not os.path.lexists(seal_of(entry))
    again, built = store.get_or_build(KEY, lambda: b"new", verify=verify)
    assert built
    assert again.read() == b"new"
    assert store.get(KEY, verify=verify)


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_mended_by_put_alone(store: Store, entry: Entry, damage: Callable[[Entry], None]) -> None:
    damage(entry)
    store.put(KEY, b"new")
    found = store.get(KEY)
    assert found
    assert found.read() == b"new"


def test_an_entry_of_another_user_is_absent_and_left_to_them(store: Store, entry: Entry) -> None:
    stranger = Store(store.folder, b"o" * 32)
    assert stranger.get(KEY) is None
    assert stranger.get(KEY, verify="stat") is None
    assert store.get(KEY)
    assert stranger.get_or_build(KEY, lambda: b"mine")[1]


def test_an_entry_under_the_name_of_another_is_absent(store: Store, entry: Entry) -> None:
    fake = entry.path.with_name(f"main_{OTHER_KEY}.wasm")
    entry.path.rename(fake)
    seal_of(entry).rename(f"{fake}.seal")
    assert store.get(OTHER_KEY) is None


def test_a_payload_without_a_seal_is_absent_and_not_touched(store: Store, entry: Entry) -> None:
    seal_of(entry).unlink()
    assert store.get(KEY) is None
    assert entry.path.exists()


def test_an_entry_that_is_being_rebuilt_is_not_removed(store: Store, entry: Entry) -> None:
    def build() -> bytes:
        flip_a_byte(entry)
        assert store.get(KEY) is None
        assert entry.path.exists()
        return b"new"

    seal_of(entry).unlink()
    assert store.get_or_build(KEY, build)[0].read() == b"new"


@given(data=st.binary(max_size=300))
def test_any_bytes_as_seal_are_absent(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = Store(tmp_path_factory.mktemp("hostile"), SECRET)
    entry = store.put(KEY, b"x")
    seal_of(entry).write_bytes(data)
    assert store.get(KEY) is None


@pytest.mark.parametrize("verify", ["content", "stat"])
def test_a_file_changed_after_it_was_found_is_not_read(store: Store, entry: Entry, verify: Verify) -> None:
    found = store.get(KEY, verify=verify)
    assert found
    flip_a_byte(entry)
    if verify == "content":
        assert found.read() == WASM
    else:
        with pytest.raises(StoreError, match="changed"):
            found.read()
        entry.path.unlink()
        with pytest.raises(StoreError, match="read any more"):
            found.read()


def test_verifying_by_status_does_not_read_the_payload(
    store: Store, entry: Entry, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = entry.path.stat()
    monkeypatch.setattr("capsule_cache.store._read_payload", never)
    assert store.get(KEY, verify="stat") == entry
    assert entry.path.stat().st_mtime_ns == status.st_mtime_ns


def test_a_copied_folder_is_verified_by_content_once_and_then_by_status(
    store: Store, entry: Entry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Store(tmp_path / "copy", SECRET)
    shutil.copytree(store.folder, copy.folder)
    assert copy.get(KEY, verify="stat")
    monkeypatch.setattr("capsule_cache.store._read_payload", never)
    assert copy.get(KEY, verify="stat")


# A hostile folder is not followed.


@pytest.mark.parametrize("where", [".capsule", ".capsule/wasm"])
def test_a_linked_folder_is_not_followed(tmp_path: Path, store: Store, where: str) -> None:
    outside = tmp_path / "outside"
    project = tmp_path / "project"
    project.mkdir()
    real = Store(outside / "wasm", SECRET)
    real.put(KEY, WASM)
    (project / where).parent.mkdir(exist_ok=True)
    (project / where).symlink_to(outside if where == ".capsule" else outside / "wasm")
    hostile = Store(project / ".capsule" / "wasm", SECRET, within=project)
    before = names(outside / "wasm")
    assert hostile.get(KEY) is None
    assert hostile.stat().entries == 0
    assert list(hostile.entries()) == []
    with pytest.raises(StoreError, match="symbolic link") as caught:
        hostile.put(OTHER_KEY, b"x")
    assert caught.value.hint
    with pytest.raises(StoreError, match="symbolic link"):
        hostile.get_or_build(KEY, never)
    with pytest.raises(StoreError, match="symbolic link"):
        hostile.clear()
    assert names(outside / "wasm") == before


def test_a_file_in_place_of_the_folder_is_reported_before_anything_is_built(store: Store) -> None:
    store.folder.parent.mkdir()
    store.folder.write_text("mine")
    assert store.get(KEY) is None
    with pytest.raises(StoreError, match="wasm"):
        store.get_or_build(KEY, never)
    assert store.folder.read_text() == "mine"


@pytest.mark.parametrize("suffix", ["", ".seal"])
def test_a_full_folder_in_place_of_a_file_is_reported_and_the_built_bytes_are_not_lost(
    store: Store, suffix: str
) -> None:
    precious = store.folder / f"main_{KEY}.wasm{suffix}" / "precious"
    precious.mkdir(parents=True)
    assert store.get(KEY) is None
    with pytest.raises(StoreError, match="is a folder") as caught:
        store.get_or_build(KEY, lambda: WASM)
    assert caught.value.data == WASM
    assert precious.exists()
    assert not [name for name in names(store.folder) if name.endswith((".tmp", ".lock"))]


def test_links_in_place_of_payload_and_seal_are_replaced_and_not_written_through(
    tmp_path: Path, store: Store
) -> None:
    store.folder.mkdir(parents=True)
    for suffix in ("", ".seal"):
        (tmp_path / f"precious{suffix}").write_text("precious")
        (store.folder / f"main_{KEY}.wasm{suffix}").symlink_to(tmp_path / f"precious{suffix}")
    entry = store.put(KEY, WASM)
    assert not entry.path.is_symlink()
    assert store.get(KEY)
    assert (tmp_path / "precious").read_text() == (tmp_path / "precious.seal").read_text() == "precious"


@pytest.mark.parametrize("name", ["../../escape", "/etc/passwd", "a/b", "..", "", "a\0b"])
def test_a_hostile_name_stays_in_the_folder(store: Store, name: str) -> None:
    assert store.put(KEY, b"x", name=name).path.parent == store.folder
    assert store.get(KEY, name=name)


# Private stores.


def test_a_private_folder_is_made_closed_to_others(tmp_path: Path) -> None:
    store = Store(tmp_path / "above" / "native", SECRET, private=True)
    store.put(KEY, WASM)
    assert stat.S_IMODE(store.folder.stat().st_mode) == 0o700
    assert store.get(KEY, verify="stat")


def test_a_private_folder_that_others_can_enter_is_not_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "native", SECRET, private=True)
    store.put(KEY, WASM)
    store.folder.chmod(0o770)
    assert store.get(KEY) is None
    with pytest.raises(StoreError, match="770") as caught:
        store.get_or_build(KEY, never)
    assert caught.value.hint == f"chmod 700 {store.folder}"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_private_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    store = Store(tmp_path / "native", SECRET, private=True)
    store.put(KEY, WASM)
    os.chown(store.folder, 12345, -1)
    assert store.get(KEY) is None
    with pytest.raises(StoreError, match="12345"):
        store.put(KEY, WASM)


# Read-only folders.

READ_ONLY = """
import os, sys
from pathlib import Path
from capsule_cache import Store, StoreReadOnly, derive_key
import capsule_cache.store
if os.geteuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
root, there = Path(sys.argv[1]), sys.argv[2] == "there"
store = Store(root / "wasm", b"s" * 32)
def never():
    raise AssertionError("must not build")
if there:
    assert store.get(derive_key(format_version=1)).read() == b"x"
    assert store.get_or_build(derive_key(format_version=1), never)[1] is False
    assert store.stat().entries == 1
for refused in (
    lambda: store.put(derive_key(format_version=2), b"x"),
    lambda: store.get_or_build(derive_key(format_version=2), never),
    lambda: there and store.clear() or store.put(derive_key(format_version=2), b""),
):
    try:
        refused()
    except StoreReadOnly as error:
        assert error.hint and "can't be written" in str(error), error
    else:
        raise AssertionError("wrote")
print("fine")
"""


@pytest.mark.parametrize("state", ["there", "missing"])
def test_a_read_only_folder_can_be_read_and_says_so_before_anything_is_built(state: str) -> None:
    # pytest's own folders can't be entered by the user that this child becomes when the tests run as root.
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        store = Store(root / "wasm", SECRET)
        if state == "there":
            store.put(KEY, b"x")
            store.folder.chmod(0o555)
        root.chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", READ_ONLY, name, state], check=False, capture_output=True, text=True
        )
        root.chmod(0o755)
        if state == "there":
            store.folder.chmod(0o755)
    assert (done.stdout, done.stderr) == ("fine\n", "")


# Many at once, and sudden deaths.


def test_two_cold_processes_build_once(store: Store, tmp_path: Path) -> None:
    log = tmp_path / "log"
    children = [builder(store, log, 0.3) for _ in range(3)]
    printed = sorted(child.communicate()[0].split()[-1] for child in children)
    assert [child.returncode for child in children] == [0, 0, 0]
    assert printed == ["False", "False", "True"]
    assert log.read_text() == "built\n"
    assert len(names(store.folder)) == 2


def test_threads_build_once(store: Store) -> None:
    built: list[bool] = []

    def build() -> bytes:
        time.sleep(0.05)
        return WASM

    def work() -> None:
        entry, here = store.get_or_build(KEY, build)
        assert entry.read() == WASM
        built.append(here)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(built) == [False] * 5 + [True]


def test_different_keys_are_built_side_by_side(store: Store) -> None:
    first = threading.Barrier(2, timeout=10)

    def work(key: Key) -> None:
        store.get_or_build(key, lambda: str(first.wait()).encode())

    threads = [threading.Thread(target=work, args=(key,)) for key in (KEY, OTHER_KEY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.stat().entries == 2


def test_a_builder_killed_while_building_is_replaced_at_once(store: Store, tmp_path: Path) -> None:
    child = builder(store, tmp_path / "log", 60)
    assert child.stdout
    with child.stdout:
        assert child.stdout.readline() == "building\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    started = time.monotonic()
    entry, built = store.get_or_build(KEY, lambda: WASM, timeout=5)
    assert built
    assert time.monotonic() - started < 1
    assert entry.read() == WASM
    assert len(names(store.folder)) == 2


def test_who_is_waited_for_is_told_and_waiting_ends(store: Store, tmp_path: Path) -> None:
    owners: list[object] = []
    child = builder(store, tmp_path / "log", 60)
    assert child.stdout
    with child.stdout:
        assert child.stdout.readline() == "building\n"
        with pytest.raises(BuildTimeout, match=str(child.pid)):
            store.get_or_build(KEY, never, timeout=0.1, on_wait=owners.append)
        child.kill()
        child.wait()
    (owner,) = owners
    assert f"process {child.pid} on" in str(owner)


@pytest.mark.parametrize(
    "error", [ValueError("the build's own"), PermissionError("the build's own"), KeyboardInterrupt()]
)
def test_what_a_build_raises_comes_out_unchanged_and_leaves_nothing(
    store: Store, error: BaseException
) -> None:
    def build() -> bytes:
        raise error

    with pytest.raises(type(error)) as caught:
        store.get_or_build(KEY, build)
    assert caught.value is error
    assert names(store.folder) == []
    assert store.get_or_build(KEY, lambda: WASM, timeout=1)[1]


def test_a_folder_removed_during_a_build_is_made_again(store: Store, tmp_path: Path) -> None:
    def build() -> bytes:
        shutil.rmtree(tmp_path / ".capsule")
        return WASM

    assert store.get_or_build(KEY, build)[1]
    assert store.get(KEY)


def die_at_call(number: int) -> None:
    """Kills this process just before its ``number``th call that changes the file system."""
    calls = iter(range(number))

    def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        return call

    for name in ("open", "write", "pwrite", "fsync", "rename", "unlink", "ftruncate", "mkdir"):
        setattr(os, name, deadly(getattr(os, name)))


@pytest.mark.parametrize("existing", [None, b"old"])
def test_a_kill_at_any_step_leaves_an_entry_whole_or_absent(tmp_path: Path, existing: bytes | None) -> None:
    survived = False
    step = 0
    while not survived:
        store = Store(tmp_path / f"{step}", SECRET)
        if existing is not None:
            store.put(KEY, existing)
        pid = os.fork()
        if pid == 0:
            die_at_call(step)
            store.put(KEY, WASM)
            os._exit(0)
        survived = os.waitpid(pid, 0)[1] == 0
        found = store.get(KEY)
        allowed = {WASM} if survived else {None, existing, WASM}
        assert (found and found.read()) in allowed, f"after a kill at step {step}"
        assert store.get_or_build(KEY, lambda: WASM, timeout=1)[0].read() in allowed
        store.prune()
        assert len(names(store.folder)) == 2
        step += 1
    assert step > 10


def test_readers_never_see_a_half_entry_while_it_is_replaced(store: Store) -> None:
    versions = [bytes([number]) * 5000 for number in range(4)]
    store.put(KEY, versions[0])
    done = threading.Event()
    seen: list[Entry | None] = []

    def read() -> None:
        while not done.is_set():
            seen.append(store.get(KEY))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(40):
        assert store.put(KEY, versions[number % 4]).path.exists()
    done.set()
    for reader in readers:
        reader.join()
    assert {entry.read() for entry in seen if entry} <= set(versions)
    assert store.get(KEY)


# Speed.


def test_a_warm_get_is_quick(store: Store) -> None:
    store.put(KEY, WASM)
    times = []
    for _ in range(200):
        start = time.perf_counter()
        assert store.get(KEY)
        times.append(time.perf_counter() - start)
    # 50 us on a quiet machine; the bound is there to notice a folder scan or a sleep.
    assert sorted(times)[100] < 0.001


def test_importing_the_store_loads_nothing_heavy() -> None:
    heavy = ["tempfile", "logging", "multiprocessing", "socket", "subprocess", "random", "asyncio", "shutil"]
    check = f"import sys, capsule_cache; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_errors_know_what_they_are() -> None:
    assert issubclass(StoreReadOnly, StoreError)
    assert issubclass(BuildTimeout, StoreError)
    assert issubclass(StoreError, OSError)
