from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from capsule_cache.remote import wire
from capsule_cache.remote.remote import FAILURES, Counts, Mode, Remote
from capsule_cache.remote.shared_key import SharedKey
from capsule_cache.remote.transport import TooLarge, Transport, open_transport
from capsule_cache.remote.uploads import Uploads
from capsule_cache.remote.url import parse_url

KEY = SharedKey.from_text("ab" * 32, "here")
OTHER = SharedKey.from_text("cd" * 32, "here")
INPUTS, OTHER_INPUTS = "1" * 64, "2" * 64


class Failing:
    """A remote that always fails in one way."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.asked = 0

    def read(self, name: str, limit: int) -> bytes | None:
        self.asked += 1
        raise self.error

    def write(self, name: str, data: bytes) -> None:
        self.asked += 1
        raise self.error

    def exists(self, name: str) -> bool:
        self.asked += 1
        raise self.error


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "remote"


@pytest.fixture
def notices() -> list[str]:
    return []


Make = Callable[..., Remote]


@pytest.fixture
def make(folder: Path, notices: list[str]) -> Make:
    def make(key: SharedKey = KEY, mode: Mode = "read-write", transport: Transport | None = None) -> Remote:
        chosen = transport or open_transport(parse_url(folder.as_uri()), timeout=30)
        return Remote(chosen, key, mode=mode, notify=notices.append)

    return make


def shared(remote: Remote, inputs: str = INPUTS, payload: bytes = b"payload") -> None:
    remote.offer(inputs, payload)
    remote.finish(30)


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


def test_what_one_machine_offers_another_fetches(make: Make, notices: list[str]) -> None:
    one, other = make(), make()
    assert one.fetch(INPUTS) is None
    shared(one)
    assert other.fetch(INPUTS) == b"payload"
    assert other.fetch(OTHER_INPUTS) is None
    assert (one.counts.misses, one.counts.uploaded, one.counts.hits) == (1, 1, 0)
    assert (other.counts.hits, other.counts.misses) == (1, 1)
    assert other.counts.bytes_down == one.counts.bytes_up > 0
    assert notices == []


def test_the_modes_read_write_or_do_both(make: Make, folder: Path) -> None:
    shared(make(mode="read"))
    assert not folder.exists()
    shared(make(mode="write"))
    assert make(mode="write").fetch(INPUTS) is None
    assert make(mode="read").fetch(INPUTS) == b"payload"


def test_push_uploads_once(make: Make, folder: Path) -> None:
    remote = make()
    assert remote.push(INPUTS, b"payload") == "pushed"
    before = only_file(folder).stat()
    assert remote.push(INPUTS, b"payload") == "there"
    assert only_file(folder).stat().st_ino == before.st_ino
    assert remote.counts.uploaded == 1


def flipped(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size - 1)


def emptied(file: Path) -> None:
    os.truncate(file, 0)


def replaced_by_a_page(file: Path) -> None:
    file.write_text("<html>Please log in")


def signed_by_somebody_else(file: Path) -> None:
    name = KEY.entry_name(INPUTS)
    file.write_bytes(wire.encode(b"poison", name, OTHER))


def moved_from_other_inputs(file: Path) -> None:
    file.write_bytes(wire.encode(b"poison", KEY.entry_name(OTHER_INPUTS), KEY))


@pytest.mark.parametrize(
    "poison",
    [
        flipped,
        cut_short,
        emptied,
        replaced_by_a_page,
        signed_by_somebody_else,
        moved_from_other_inputs,
    ],
)
def test_a_poisoned_entry_is_refused_said_once_and_healed_by_the_next_upload(
    make: Make, folder: Path, notices: list[str], poison: Callable[[Path], None]
) -> None:
    shared(make())
    poison(only_file(folder))
    remote = make()
    assert remote.fetch(INPUTS) is None
    assert remote.fetch(INPUTS) is None
    assert remote.counts == Counts(refused=2)
    (said,) = notices
    assert "refused" in said
    assert not remote.aside
    shared(remote)
    assert make().fetch(INPUTS) == b"payload"


def test_an_entry_that_is_not_what_was_asked_for_is_refused(make: Make) -> None:
    shared(make())
    remote = make()
    assert remote.fetch(INPUTS, lambda payload: payload != b"payload") is None
    assert remote.counts.refused == 1


def test_a_huge_entry_is_refused_without_reading_it_whole(
    make: Make, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared(make(), payload=os.urandom(4096))
    monkeypatch.setattr(wire, "LARGEST_ENTRY", 1000)
    remote = make()
    assert remote.fetch(INPUTS) is None
    assert remote.counts.refused == 1


def test_one_time_out_and_the_remote_is_left_alone(make: Make, notices: list[str]) -> None:
    transport = Failing(TimeoutError("no answer within 1 s"))
    remote = make(transport=transport)
    for _ in range(5):
        assert remote.fetch(INPUTS) is None
    assert transport.asked == 1
    assert remote.counts == Counts(failed=1, skipped=4)
    assert remote.aside
    shared(remote)
    assert transport.asked == 1
    assert notices == ["the shared cache is left alone from here on: no answer within 1 s"]


def test_some_failures_in_a_row_and_the_remote_is_left_alone(make: Make, notices: list[str]) -> None:
    transport = Failing(OSError("disk\x1b[2J full" + "x" * 5000))
    remote = make(transport=transport)
    for _ in range(10):
        assert remote.fetch(INPUTS) is None
    assert transport.asked == FAILURES
    (said,) = notices
    assert said.startswith("the shared cache can't be used: disk [2J full")
    assert len(said) < 300


def test_a_failure_between_successes_is_no_reason_to_give_up(make: Make, folder: Path) -> None:
    good = open_transport(parse_url(folder.as_uri()), timeout=30)

    class Flaky:
        turn = 0

        def read(self, name: str, limit: int) -> bytes | None:
            self.turn += 1
            if self.turn % 2:
                raise ConnectionResetError
            return good.read(name, limit)

        write, exists = good.write, good.exists

    remote = make(transport=Flaky())
    for _ in range(10):
        remote.fetch(INPUTS)
    assert not remote.aside
    assert (remote.counts.failed, remote.counts.misses) == (5, 5)


@pytest.mark.parametrize("error", [TooLarge("more than 1 bytes"), OSError(), ValueError("?"), RuntimeError()])
def test_no_error_of_a_back_end_comes_out(make: Make, error: Exception) -> None:
    remote = make(transport=Failing(error))
    assert remote.fetch(INPUTS) is None
    assert remote.push(INPUTS, b"x") == "failed"
    shared(remote)
    assert remote.problem()


def test_a_payload_too_large_to_share_is_said(
    make: Make, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "LARGEST_PAYLOAD", 3)
    shared(make())
    assert "not shared" in notices[0]


def test_uploads_delay_nobody_and_are_given_up_at_the_end(make: Make, notices: list[str]) -> None:
    gate = threading.Event()

    class Stuck(Failing):
        def write(self, name: str, data: bytes) -> None:
            gate.wait(60)

    remote = make(transport=Stuck(OSError()))
    for number in range(9):
        remote.offer(f"{number}" * 64, b"payload")
    remote.finish(0.05)
    assert notices == ["9 uploads to the shared cache were given up after 0.05 s"]
    gate.set()
    remote.finish(30)
    assert len(notices) == 1


def test_many_uploads_all_arrive(make: Make, folder: Path) -> None:
    remote = make()
    for number in range(50):
        remote.offer(f"{number:064}", b"%d" % number)
    remote.finish(30)
    assert remote.counts.uploaded == 50
    reader = make(mode="read")
    assert [reader.fetch(f"{number:064}") for number in range(50)] == [b"%d" % number for number in range(50)]
    assert len(list(folder.iterdir())) == 50


def test_what_waits_for_upload_is_bounded_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("capsule_cache.remote.uploads.WAITING_BYTES", 10)
    gate = threading.Event()
    done: list[str] = []

    def upload(name: str, payload: bytes) -> None:
        gate.wait(60)
        done.append(name)

    uploads = Uploads(upload)
    uploads.add("first", b"x" * 8)
    second = threading.Thread(target=uploads.add, args=("second", b"x" * 8), daemon=True)
    second.start()
    second.join(0.1)
    assert second.is_alive()
    gate.set()
    second.join(30)
    assert uploads.finish(30) == 0
    assert sorted(done) == ["first", "second"]


def test_counts_add_up() -> None:
    assert Counts(hits=1, bytes_up=5) + Counts(hits=2, failed=1) == Counts(hits=3, failed=1, bytes_up=5)
