import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.workers import frames
from capsule.workers.frames import PREFIX, Frame, FrameReader, Kind, ProtocolError, encode

HEADS = st.dictionaries(st.text(max_size=8), st.none() | st.integers() | st.text(max_size=20), max_size=4)
FRAMES = st.builds(Frame, st.sampled_from(Kind), HEADS, st.binary(max_size=200))


@settings(deadline=None)
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_frames_arrive_as_they_were_sent_however_they_are_cut(sent, cuts):
    data = b"".join(encode(frame.kind, frame.head, frame.body) for frame in sent)
    reader, got, at = FrameReader(200), [], 0
    for cut in cuts:
        got += reader.feed(data[at : at + cut])
        at += cut
    got += reader.feed(data[at:])
    assert got == sent


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=10))
def test_whatever_comes_is_frames_or_a_protocol_error(pieces):
    reader = FrameReader(1000)
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                assert len(frame.body) <= 1000
                frame.text()
    except ProtocolError:
        pass


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_frame_over_its_bounds_is_refused_at_its_first_bytes(length, kind, head_length):
    reader = FrameReader(1000)
    prefix = PREFIX.pack(length, kind, head_length)
    if head_length > min(length, frames.LARGEST_HEAD) or length - head_length > 1000:
        with pytest.raises(ProtocolError):
            list(reader.feed(prefix))


@pytest.mark.parametrize(
    "head", [b"[]", b"1", b'"x"', b"{", b"\xff", b"[" * 100_000, b'{"a":' + b"1" * 5000 + b"}"]
)
def test_a_head_that_is_no_object_is_refused(head):
    with pytest.raises(ProtocolError):
        list(FrameReader(10).feed(PREFIX.pack(len(head), Kind.OUTPUT, len(head)) + head))


def test_a_kind_that_is_not_there_is_refused():
    with pytest.raises(ProtocolError, match="kind 200"):
        list(FrameReader(10).feed(PREFIX.pack(0, 200, 0)))


def test_a_body_that_is_not_text_is_refused_as_text():
    [frame] = FrameReader(10).feed(encode(Kind.REQUEST, {}, b"\xff"))
    with pytest.raises(ProtocolError, match="UTF-8"):
        frame.text()


def test_an_empty_head_takes_no_bytes():
    assert len(encode(Kind.CANCEL, {})) == PREFIX.size
    assert json.loads(encode(Kind.CANCEL, {"a": 1})[PREFIX.size :]) == {"a": 1}
