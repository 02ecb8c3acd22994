"""Messages with descriptors between a broker and its zygote, two processes that trust each other."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

LENGTH = struct.Struct("<I")

MOST_DESCRIPTORS = 250
"""Descriptors in one message: Linux takes 253."""

LARGEST = 1 << 20


def send(channel: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Sends a message, and copies of descriptors with it. Raises `OSError`."""
    text = json.dumps(message).encode()
    length = LENGTH.pack(len(text))
    if descriptors:
        socket.send_fds(channel, [length], list(descriptors))
    else:
        channel.sendall(length)
    channel.sendall(text)


def receive(channel: socket.socket) -> tuple[Mapping[str, Any], list[int]] | None:
    """The next message and its descriptors, None at the end. Raises `OSError` and `ValueError`."""
    size = array.array("i").itemsize * MOST_DESCRIPTORS
    start, ancillary, _, _ = channel.recvmsg(LENGTH.size, socket.CMSG_SPACE(size))
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    head = start + _exactly(channel, LENGTH.size - len(start)) if start else b""
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if length > LARGEST:
        raise ValueError(f"a message of {length} bytes")
    text = _exactly(channel, length)
    if len(text) < length:
        return None
    message: Mapping[str, Any] = json.loads(text)
    return message, list(descriptors)


def _exactly(channel: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (part := channel.recv(count - len(data))):
        data += part
    return data
