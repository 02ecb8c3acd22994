"""Frames on a worker's channel: a kind, a small JSON object, and bytes.

``<length: u32> <kind: u8> <head length: u32> <head> <body>``, little-endian; ``length`` counts head and body.
What a worker sends is hostile, since a guest may have taken it over: it is bounded before it is kept, and
whatever is not a frame ends the worker.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

PREFIX = struct.Struct("<IBI")

LARGEST_HEAD = 2 << 20
"""Bytes of JSON in front of a body: messages and tracebacks of failures, environments, words for limits."""


class Kind(IntEnum):
    """What a frame says. Up to `COPY` the broker speaks, from `LOADED` on the worker."""

    PROGRAM = 1
    START = 2
    ANSWER = 3
    ENDED = 4
    CANCEL = 5
    TURN = 6
    FORK = 7
    COPY = 8
    LOADED = 16
    OUTPUT = 17
    START_TASK = 18
    REQUEST = 19
    WAITING = 20
    RESUMED = 21
    RESULT = 22
    PREPARED = 23
    DENIAL = 24
    HERE = 25


class ProtocolError(Exception):
    """The other side of a channel doesn't keep to the protocol."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. ``head`` is parsed JSON, and not yet trusted to have the right fields."""

    kind: Kind
    head: Mapping[str, Any]
    body: bytes = b""

    def text(self) -> str:
        """The body as text. Raises `ProtocolError`."""
        try:
            return self.body.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ProtocolError(f"a body that is not UTF-8: {error.reason}") from None


def encode(kind: Kind, head: Mapping[str, Any], body: bytes = b"") -> bytes:
    """A frame's bytes."""
    text = json.dumps(head, separators=(",", ":")).encode() if head else b""
    return PREFIX.pack(len(text) + len(body), kind, len(text)) + text + body


class FrameReader:
    """Takes bytes as they come and gives the frames that are complete.

    ``largest`` is how many bytes a body may have. Raises `ProtocolError` from the first bytes on that can't
    begin a frame, and for ever after.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Gives the frames that ``data`` completes."""
        self._buffer += data
        while len(self._buffer) >= PREFIX.size:
            length, kind, head_length = PREFIX.unpack_from(self._buffer)
            if head_length > min(length, LARGEST_HEAD) or length - head_length > self.largest:
                raise ProtocolError(f"a frame of {length} bytes, {head_length} of them its head")
            end = PREFIX.size + length
            if len(self._buffer) < end:
                return
            middle = PREFIX.size + head_length
            head = bytes(self._buffer[PREFIX.size : middle])
            body = bytes(memoryview(self._buffer)[middle:end])
            del self._buffer[:end]
            yield Frame(_kind(kind), _head(head), body)


def _kind(number: int) -> Kind:
    try:
        return Kind(number)
    except ValueError:
        raise ProtocolError(f"no frame is of kind {number}") from None


def _head(data: bytes) -> Mapping[str, Any]:
    if not data:
        return {}
    try:
        head = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a head that is not JSON: {str(error)[:100]}") from None
    if not isinstance(head, dict):
        raise ProtocolError("a head that is no object")
    return head
