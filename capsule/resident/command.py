"""The child of a resident host that does one command, as the process that asked for it would.

It is forked ahead of time, with a process of its own that forks workers, and waits. What it takes from its
client it has from descriptors and from the kernel; the host never sees any of it.
"""

from __future__ import annotations

import fcntl
import gc
import io
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from capsule.resident.caller import Caller, Refused, Surroundings
from capsule.resident.freshness import Freshness
from capsule.resident.protocol import ALONE, BEGUN, EXITED, GO
from capsule.resident.request import Request, RequestError, receive
from capsule.resident.settings import turned_off
from capsule.workers import zygote
from capsule.workers.spawner import PASSED_ON, Forked, spawner

ASKING_SECONDS = 1.0
"""How long a client may take to say what it wants, and that it still does."""

STALE, TAKEN, ENDED = b"stale", b"taken", b"ended"
"""What the child tells its host."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """The command line that a host serves: ``run`` does ``sys.argv`` and ends the process; ``at_the_end``
    has something called with the exit code just before."""

    run: Callable[[], NoReturn]
    at_the_end: Callable[[Callable[[int], None]], None]


PYTHONS = {signal.SIGPIPE, signal.SIGXFSZ}
"""Signals that Python ignores in any process of its own."""


def serve_one(
    listener: socket.socket,
    host: socket.socket,
    lock: tuple[int, int],
    freshness: Freshness,
    line: CommandLine,
) -> NoReturn:
    """Waits for a client and does its command. Call it right after the fork. ``lock`` is the device and the
    number of the host's lock."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    _close_all_but(listener.fileno(), host.fileno())
    forker = _fork_zygote(listener, host)
    known = set(sys.modules)
    ours = Surroundings.of(os.getpid())
    while True:
        channel = _next_client(listener, host)
        with suppress(OSError, RequestError), channel:
            channel.settimeout(ASKING_SECONDS)
            request = receive(channel)
            if not freshness.holds():
                host.send(STALE)
                channel.sendall(ALONE + bytes(4))
                os._exit(0)
            caller = Caller.of(channel)
            folder = Path(f"/proc/self/fd/{request.folder}").readlink()
            if (
                caller.surroundings != ours
                or not _holds_lock(request, lock)
                or turned_off(request.arguments, folder)
            ):
                channel.sendall(ALONE + bytes(4))
                _close(request)
                continue
            listener.close()
            _do(request, caller, channel, host, forker, known, line)


def _holds_lock(request: Request, lock: tuple[int, int]) -> bool:
    """Whether a client could open a file in the folder of the sockets for writing.

    Landlock shows nowhere in /proc, and lets whoever is confined by it connect to any socket.
    """
    found = os.fstat(request.lock)
    writes = fcntl.fcntl(request.lock, fcntl.F_GETFL)
    return (found.st_dev, found.st_ino) == lock and writes & (os.O_ACCMODE | os.O_PATH) == os.O_RDWR


def _next_client(listener: socket.socket, host: socket.socket) -> socket.socket:
    while True:
        ready = select.select([listener, host], [], [])[0]
        if host in ready:  # it has ended, or wants no more of us
            os._exit(0)
        with suppress(OSError):
            return listener.accept()[0]


def _do(
    request: Request,
    caller: Caller,
    channel: socket.socket,
    host: socket.socket,
    forker: int,
    known: set[str],
    line: CommandLine,
) -> NoReturn:
    try:
        _become(request, caller, forker)
        socket.send_fds(host, [TAKEN], [channel.fileno()])
    except (OSError, ValueError, LookupError, Refused):
        with suppress(OSError):
            channel.sendall(ALONE + bytes(4))
        os._exit(0)
    try:
        channel.sendall(BEGUN + os.getpid().to_bytes(4, "little"))
        if channel.recv(1) != GO:
            os._exit(0)
    except OSError:  # it has given up: it does the command itself, or has ended
        os._exit(0)

    def farewell(code: int) -> None:
        """Lets go of the client's streams before it is told that all is over."""
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nowhere, stream)
        loaded = [name for name in list(sys.modules) if name not in known]
        with suppress(OSError):
            host.send("\0".join((ENDED.decode(), *loaded)).encode())
        with suppress(OSError):
            channel.sendall(EXITED + (code & 0xFF).to_bytes(4, "little"))

    line.at_the_end(farewell)
    gc.enable()
    try:
        line.run()
    except BaseException as error:
        if not isinstance(error, SystemExit):
            sys.excepthook(type(error), error, error.__traceback__)
        code = error.code if isinstance(error, SystemExit) and isinstance(error.code, int) else 1
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        farewell(code)
        os._exit(code)


def _become(request: Request, caller: Caller, forker: int) -> None:
    """Takes on all that makes a difference of the process that asked. Raises `Refused` and `OSError`."""
    os.fchdir(request.folder)
    os.umask(caller.mask)
    for name in list(os.environ):
        del os.environ[name]
    os.environ.update(request.environment)
    time.tzset()
    for stream in (0, 1, 2):
        os.dup2(request.descriptors[stream], stream, inheritable=True)
    _close(request)
    _open_streams(request)
    sys.argv = ["capsule", *request.arguments]
    for number in set(range(1, 32)) - PYTHONS:
        # What this process was started to ignore, as under nohup, the caller may not have been.
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in request.ignored:
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_IGN)
    # The last: a limit may be one that keeps us from doing the rest.
    caller.lead((os.getpid(), forker))


def _open_streams(request: Request) -> None:
    """Standard streams as an interpreter that starts with these descriptors makes them."""
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        encoding, errors = request.streams[number]
        raw = open(  # noqa: SIM115
            number, "wb" if number else "rb", 0 if unbuffered and number else -1, closefd=False
        )
        lines = not unbuffered and (number == 2 or raw.isatty())
        stream = io.TextIOWrapper(
            raw,
            encoding,
            errors,
            newline="\n",
            line_buffering=bool(number) and lines,
            write_through=bool(number) and unbuffered,
        )
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _fork_zygote(listener: socket.socket, host: socket.socket) -> int:
    ours, theirs = socket.socketpair()
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            for inherited in (listener, host, ours):
                inherited.close()
            zygote.forked(theirs, me, PASSED_ON)
        finally:
            os._exit(1)
    theirs.close()
    spawner().use(ours, Forked(pid))
    return pid


def _close_all_but(*kept: int) -> None:
    """Closes every descriptor from 3 on but some: the host's own, and those of other clients."""
    start = 3
    for descriptor in sorted(kept):
        os.closerange(start, descriptor)
        start = descriptor + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _close(request: Request) -> None:
    for descriptor in request.descriptors:
        os.close(descriptor)
