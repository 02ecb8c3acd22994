"""What a client hands over: words, variables, and descriptors of its streams and folder."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from capsule.workers.passing import exactly, received_descriptors

LARGEST = 16 << 20
"""Bytes of a request: the kernel gives a program 6 MiB of words and variables."""

STREAMS = 3
DESCRIPTORS = STREAMS + 2
"""Standard input, output, errors, the working folder, and the host's lock, open for writing."""

_PARTS = 4


class RequestError(Exception):
    """What came is no request."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command line that a client wants done. ``streams`` gives the encoding and the error handler of each
    standard stream, ``ignored`` the signals that the client was started to ignore. Whoever has it closes its
    ``descriptors``."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    streams: tuple[tuple[str, str], ...]
    ignored: tuple[int, ...]
    descriptors: tuple[int, ...]

    @property
    def folder(self) -> int:
        """The client's working folder."""
        return self.descriptors[STREAMS]

    @property
    def lock(self) -> int:
        """What shows that the client may write to the folder of the sockets."""
        return self.descriptors[STREAMS + 1]


def receive(channel: socket.socket) -> Request:
    """Reads a request. Raises `RequestError`, and `OSError` when the client has gone or is too slow."""
    head, descriptors = received_descriptors(channel, 4)
    try:
        if len(head) < 4 or len(descriptors) != DESCRIPTORS:
            raise RequestError("no request")
        length = int.from_bytes(head, "little")
        if length > LARGEST:
            raise RequestError(f"a request of {length} bytes")
        data = exactly(channel, length)
        if len(data) < length:
            raise RequestError("a request that ends too early")
        arguments, variables, streams, ignored = _parts(data)
        return Request(
            tuple(arguments),
            dict(_pair(variable, "=") for variable in variables),
            tuple(_pair(stream, " ") for stream in streams),
            tuple(int(number) for number in ignored),
            tuple(descriptors),
        )
    except BaseException as error:
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(error, ValueError):
            raise RequestError(str(error)) from None
        raise


def _parts(data: bytes) -> list[Sequence[str]]:
    texts = data.decode("utf-8", "surrogatepass").split("\0")
    parts: list[Sequence[str]] = []
    place = 0
    for _ in range(_PARTS):
        if place >= len(texts):
            raise RequestError("a request without all of its parts")
        end = place + 1 + int(texts[place])
        if not place < end <= len(texts):
            raise RequestError("a part that is not there")
        parts.append(texts[place + 1 : end])
        place = end
    if place != len(texts) or len(parts[2]) != STREAMS:
        raise RequestError("a request with more than its parts")
    return parts


def _pair(text: str, separator: str) -> tuple[str, str]:
    # A variable's name can begin with "=", as the shells of other systems make them.
    place = text.index(separator, 1)
    return text[:place], text[place + 1 :]
