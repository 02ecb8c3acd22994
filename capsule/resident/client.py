"""The console script: hands a command line to the resident host, or does it itself.

What a command needs of this process goes along: its streams and folder as descriptors, its words and its
variables as text. The rest (user, limits, mask, namespaces) the other side reads from the kernel. This module
imports no more than it must, since that is most of what a command takes; `capsule.cli` comes in when there is
no host, or when it says no. Nothing has been done then.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _socket
import os
import sys

from capsule.resident import place
from capsule.resident.protocol import BEGUN, EXITED, GO, SIGNALLED

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NoReturn

PATIENCE = 2.0
"""Seconds that the resident host may take to begin."""

FORWARDED = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP, _signal.SIGQUIT)

PEER = 17
"""SO_PEERCRED: process, user and group of the other side, as the kernel knows them."""

LOST = 70
"""The exit code when nobody says how a command ended."""


class _Signals:
    """Signals of this process, for the command that another one does."""

    def __init__(self) -> None:
        self._before = {number: _signal.getsignal(number) for number in (*FORWARDED, _signal.SIGTSTP)}
        self.command = 0
        for number, before in self._before.items():
            if before not in (_signal.SIG_IGN, None):
                stops = number == _signal.SIGTSTP
                _signal.signal(number, self._stop if stops else self._forward)

    def restore(self) -> None:
        for number, before in self._before.items():
            if before is not None:
                _signal.signal(number, before)

    def ignored(self) -> list[int]:
        """The signals that this process was started to ignore."""
        numbers = [number for number in range(1, 32) if number not in (_signal.SIGPIPE, _signal.SIGXFSZ)]
        return [
            number
            for number in numbers
            if self._before.get(number, _signal.getsignal(number)) == _signal.SIG_IGN
        ]

    def _forward(self, number: int, frame: object) -> None:
        if not self.command:  # nothing has begun, and nothing will
            if number == _signal.SIGINT:
                os.write(2, b"interrupted\n")
                os._exit(130)
            os._exit(143) if number == _signal.SIGTERM else _die(number)
        try:
            # A terminal tells all processes of a group, a supervisor the one that it started.
            kill = os.killpg if number == _signal.SIGINT and _in_front() else os.kill
            kill(self.command, number)
        except OSError:
            pass  # it has ended: how comes next

    def _stop(self, number: int, frame: object) -> None:
        if self.command:
            try:
                os.killpg(self.command, _signal.SIGSTOP)
            except OSError:
                return
        os.kill(os.getpid(), _signal.SIGSTOP)
        if self.command:
            try:
                os.killpg(self.command, _signal.SIGCONT)
            except OSError:
                return


def main() -> NoReturn:
    """The ``capsule`` command."""
    arguments = sys.argv[1:]
    paths = list(sys.path)
    start = False
    if place.wanted(arguments):
        signals = _Signals()
        start = _try_resident(arguments, signals)
        signals.restore()
    from capsule.cli import main as do

    do((arguments, paths) if start else None)


def _try_resident(arguments: list[str], signals: _Signals) -> bool:
    """Has a command done elsewhere, and ends as it does. Returns whether a host should be started instead."""
    folder = place.folder()
    if os.path.lexists(folder) and not place.private(folder):
        return False
    # What a closed stream's number stands for afterwards is somebody else's.
    for stream in (0, 1, 2):
        try:
            os.fstat(stream)
        except OSError:
            return False
    channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    channel.settimeout(PATIENCE)
    path = place.socket_of(place.key(sys.path))
    try:
        channel.connect(path)
        lock = os.open(place.lock_of(path), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        if (
            int.from_bytes(channel.getsockopt(_socket.SOL_SOCKET, PEER, 12)[4:8], sys.byteorder)
            != os.getuid()
        ):
            return False
        _ask(channel, arguments, signals.ignored(), lock)
        answer = _exactly(channel, 5)
    except OSError:
        return False
    if answer[:1] != BEGUN:
        return False
    signals.command = int.from_bytes(answer[1:5], "little")
    channel.settimeout(None)
    try:
        channel.send(GO)
    except OSError:
        return False
    _end_like_it(channel)


def _ask(channel: _socket.socket, arguments: list[str], ignored: list[int], lock: int) -> None:
    folder = os.open(".", os.O_PATH | os.O_CLOEXEC) if sys.platform == "linux" else -1
    streams = [
        f"{stream.encoding} {stream.errors}" if stream else ""
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ]
    variables = [f"{name}={value}" for name, value in os.environ.items()]
    parts = (arguments, variables, streams, [str(number) for number in ignored])
    texts = [text for part in parts for text in (str(len(part)), *part)]
    message = "\0".join(texts).encode("utf-8", "surrogatepass")
    descriptors = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2, folder, lock))
    channel.sendmsg(
        [len(message).to_bytes(4, "little")], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, descriptors)]
    )
    os.close(folder)
    os.close(lock)
    channel.sendall(message)


def _end_like_it(channel: _socket.socket) -> NoReturn:
    """Waits until the command ends, and ends in the same way."""
    try:
        said = _exactly(channel, 5)
    except OSError:
        said = b""
    number = int.from_bytes(said[1:5], "little")
    if said[:1] == EXITED:
        os._exit(number)
    if said[:1] == SIGNALLED:
        _die(number)
    os.write(2, b"error: capsule broke down: the resident host's process for this command has gone\n")
    os.write(2, b"hint: CAPSULE_RESIDENT=0 does without it\n")
    os._exit(LOST)


def _die(number: int) -> NoReturn:
    """Ends by a signal."""
    try:
        _signal.signal(number, _signal.SIG_DFL)
    except (OSError, ValueError):  # SIGKILL has no other
        os.kill(os.getpid(), _signal.SIGKILL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def _exactly(channel: _socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count and (part := channel.recv(count - len(data))):
        data += part
    return data


def _in_front() -> bool:
    """Whether this process is in the foreground of a terminal."""
    for stream in (0, 1, 2):
        try:
            return os.tcgetpgrp(stream) == os.getpgrp()
        except OSError:
            continue
    return False
