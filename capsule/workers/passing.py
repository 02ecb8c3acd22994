"""Messages with descriptors between a broker and its zygote, two processes that trust each other."""

from __future__ import annotations

import array
import json
import os
import socket
import struct
import sys
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
    start, descriptors = received_descriptors(channel, LENGTH.size)
    head = start + exactly(channel, LENGTH.size - len(start)) if start else b""
    if len(head) < LENGTH.size:
        return None
    (length,) = LENGTH.unpack(head)
    if length > LARGEST:
        raise ValueError(f"a message of {length} bytes")
    text = exactly(channel, length)
    if len(text) < length:
        return None
    message: Mapping[str, Any] = json.loads(text)
    return message, descriptors


def received_descriptors(channel: socket.socket, count: int) -> tuple[bytes, list[int]]:
    """At most ``count`` bytes, and the descriptors that came with them. Raises `OSError`."""
    size = array.array("i").itemsize * MOST_DESCRIPTORS
    flags = socket.MSG_CMSG_CLOEXEC if sys.platform == "linux" else 0
    data, ancillary, _, _ = channel.recvmsg(count, socket.CMSG_SPACE(size), flags)
    descriptors = array.array("i")
    for level, kind, part in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            descriptors.frombytes(part[: len(part) - len(part) % descriptors.itemsize])
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return data, list(descriptors)


def exactly(channel: socket.socket, count: int) -> bytes:
    """``count`` bytes, or fewer at the end of the channel. Raises `OSError`."""
    data = b""
    while len(data) < count and (part := channel.recv(count - len(data))):
        data += part
    return data
