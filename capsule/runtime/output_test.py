from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from capsule.runtime.output import TAIL, Capture


def captured(limit: int, *writes: tuple[str, bytes]) -> list[tuple[str, str]]:
    events: list[tuple[str, str]] = []
    capture = Capture(limit, lambda stream, text: events.append((stream, text)))
    for stream, data in writes:
        getattr(capture, stream)(data)
    return events


def test_what_is_written_is_emitted_at_once_by_stream():
    assert captured(100, ("stdout", b"a\n"), ("stderr", b"b")) == [("stdout", "a\n"), ("stderr", "b")]


def test_a_character_that_is_split_over_writes_is_whole():
    data = "\u00e9\U0001f600".encode()
    events = captured(100, *(("stdout", data[at : at + 1]) for at in range(len(data))))
    assert "".join(text for _, text in events) == "\u00e9\U0001f600"


def test_each_stream_decodes_for_itself():
    data = "\u00e9".encode()
    events = captured(
        100, ("stdout", data[:1]), ("stderr", data[:1]), ("stdout", data[1:]), ("stderr", data[1:])
    )
    assert events == [("stdout", "\u00e9"), ("stderr", "\u00e9")]


def test_bytes_that_are_not_utf_8_become_replacement_characters():
    assert captured(100, ("stdout", b"a\xffb")) == [("stdout", "a\ufffdb")]


def test_over_the_limit_a_note_is_written_once_and_nothing_more():
    events = captured(5, ("stdout", b"abc"), ("stderr", b"defg"), ("stdout", b"hi"), ("stdout", b"j"))
    assert events[0] == ("stdout", "abc")
    assert events[1][1].startswith("de\n[capsule: output over 5 bytes")
    assert len(events) == 2


def test_exactly_the_limit_needs_no_note():
    assert captured(3, ("stdout", b"abc")) == [("stdout", "abc")]


def test_nothing_written_is_nothing_emitted():
    assert captured(3, ("stdout", b"")) == []


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(0, 200))
def test_never_more_than_the_limit_is_kept(writes, limit):
    events = captured(limit, *(("stdout", data) for data in writes))
    text = "".join(text for _, text in events).split("\n[capsule: output over")[0]
    assert len(text) <= limit


def test_the_end_of_stderr_is_remembered_past_the_limit():
    capture = Capture(1, lambda stream, text: None)
    capture.stderr(b"x" * 5000)
    capture.stderr(b"memory allocation of 8 bytes failed")
    assert capture.stderr_tail.endswith("x" * 10 + "memory allocation of 8 bytes failed")
    assert len(capture.stderr_tail) == TAIL
