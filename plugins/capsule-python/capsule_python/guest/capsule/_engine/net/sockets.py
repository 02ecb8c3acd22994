"""The stand-in for ``socket``: connections that speak HTTP with the host's help."""

from __future__ import annotations

import errno
import io
import itertools
import select
import socket
from collections.abc import Iterable
from typing import Any, NoReturn

from .. import host
from .exchange import Exchange, NotHttp, failed

_NO_NETWORK = "a sandbox has no network of its own: only HTTP requests can leave it"
_numbers = itertools.count(1_000_000)
_wasi_select = select.select
_open: dict[int, Socket] = {}
_default_timeout: float | None = None


class Socket:
    """A TCP connection as clients use it. Names are not looked up: the host does that."""

    def __init__(
        self,
        family: int = socket.AF_INET,
        type: int = socket.SOCK_STREAM,
        proto: int = 0,
        fileno: int | None = None,
    ) -> None:
        self.family = socket.AF_INET if family == -1 else family
        self.type = socket.SOCK_STREAM if type == -1 else type
        self.proto = proto if proto >= 0 else 0
        self.exchange: Exchange | None = None
        self._timeout = _default_timeout
        self._incoming = io.BytesIO()
        self._number = next(_numbers)
        self._closed = False
        self._makefiles = 0
        _open[self._number] = self

    def connect(self, address: Any) -> None:
        """Notes where requests go; nothing is sent yet."""
        if self.family not in (socket.AF_INET, socket.AF_INET6) or self.type & 0xF != socket.SOCK_STREAM:
            raise OSError(errno.EPROTONOSUPPORT, _NO_NETWORK)
        server, port = address[0], int(address[1])
        self.exchange = Exchange(server.decode() if isinstance(server, bytes) else str(server), port)

    def connect_ex(self, address: Any) -> int:
        """`connect`, with an error number instead of an exception."""
        try:
            self.connect(address)
        except OSError as error:
            return error.errno or errno.EIO
        return 0

    def _connected(self) -> Exchange:
        if self._closed:
            raise OSError(errno.EBADF, "Bad file descriptor")
        if self.exchange is None:
            raise OSError(errno.ENOTCONN, "the socket is not connected")
        return self.exchange

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Takes bytes of a request."""
        self._connected().feed(bytes(data))

    def send(self, data: Any, flags: int = 0) -> int:
        """Takes bytes of a request, all of them."""
        self.sendall(data)
        return len(memoryview(data).cast("B"))

    def sendmsg(self, buffers: Iterable[Any], *ignored: Any) -> int:
        """Takes bytes of a request from several buffers."""
        return sum(self.send(buffer) for buffer in buffers)

    def _fill(self) -> None:
        exchange = self._connected()
        exchange.timeout = self._timeout
        request = exchange.next_request()
        if request is None:
            if exchange.expects_continue():
                self._incoming = io.BytesIO(b"HTTP/1.1 100 Continue\r\n\r\n")
                return
            if exchange.waiting():
                raise NotHttp("the request is not complete")
            if not exchange.used:
                raise NotHttp("there is no answer before a request")
            return
        try:
            response = host.send_request(request)
        except host.HttpFailure as failure:
            raise failed(failure) from None
        self._incoming = io.BytesIO(exchange.respond(response))

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Bytes of the response; the first call after a request makes it. Empty when there is no more."""
        if flags & getattr(socket, "MSG_PEEK", 0):
            at = self._incoming.tell()
            data = self._incoming.read(size)
            self._incoming.seek(at)
            return data
        data = self._incoming.read(size)
        if not data and size:
            self._fill()
            data = self._incoming.read(size)
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """`recv` into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view))
        view[: len(data)] = data
        return len(data)

    def pending(self) -> int:
        """Bytes that can be read without a request."""
        return len(self._incoming.getbuffer()) - self._incoming.tell()

    def makefile(
        self,
        mode: str = "r",
        buffering: int | None = None,
        *,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> Any:
        """A file over the connection, as ``http.client`` reads it."""
        raw = _SocketFile(self, mode)
        self._makefiles += 1
        if buffering == 0:
            return raw
        size = io.DEFAULT_BUFFER_SIZE if buffering is None or buffering < 0 else buffering
        file: Any
        if raw.readable() and raw.writable():
            file = io.BufferedRWPair(raw, raw, size)
        elif raw.readable():
            file = io.BufferedReader(raw, size)
        else:
            file = io.BufferedWriter(raw, size)
        return file if "b" in mode else io.TextIOWrapper(file, encoding, errors, newline)

    def _file_closed(self) -> None:
        self._makefiles -= 1
        if self._closed and self._makefiles <= 0:
            _open.pop(self._number, None)

    def close(self) -> None:
        """Ends the connection; files made from it can still read what has come."""
        self._closed = self._makefiles <= 0 or self._closed
        _open.pop(self._number, None)
        self._number = -1

    def detach(self) -> int:
        """Refused: there is no descriptor behind the connection."""
        raise OSError(errno.EOPNOTSUPP, _NO_NETWORK)

    def shutdown(self, how: int) -> None:
        """Nothing is left to do: each request is whole when it is made."""

    def fileno(self) -> int:
        """A number that `select` and `poll` here know; -1 when closed."""
        return self._number

    def settimeout(self, value: float | None) -> None:
        """Sets the time-out of requests, in seconds."""
        if value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        self._timeout = value

    def gettimeout(self) -> float | None:
        """The time-out of requests, in seconds."""
        return self._timeout

    timeout = property(gettimeout)

    def setblocking(self, flag: bool) -> None:
        """Non-blocking code waits on the event loop, never here."""
        self._timeout = None if flag else 0.0

    def getblocking(self) -> bool:
        """Whether calls may wait."""
        return self._timeout != 0.0

    def setsockopt(self, *args: Any) -> None:
        """There is nothing to set."""

    def getsockopt(self, *args: Any) -> int:
        """There is nothing set: no error either."""
        return 0

    def getpeername(self) -> tuple[str, int]:
        """The server's name and port."""
        exchange = self._connected()
        return exchange.server, exchange.port

    def getsockname(self) -> tuple[str, int]:
        """No address of this side's is known."""
        return "0.0.0.0", 0  # noqa: S104 - nothing listens

    def _refuse(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise OSError(errno.EOPNOTSUPP, _NO_NETWORK)

    bind = listen = accept = sendto = recvfrom = recvfrom_into = sendfile = dup = _refuse

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<socket {self.exchange.server}:{self.exchange.port}>" if self.exchange else "<socket>"


class _SocketFile(io.RawIOBase):
    def __init__(self, owner: Socket, mode: str) -> None:
        super().__init__()
        self._owner = owner
        self._reads = "r" in mode or "w" not in mode
        self._writes = "w" in mode

    def readable(self) -> bool:
        return self._reads

    def writable(self) -> bool:
        return self._writes

    def readinto(self, buffer: Any) -> int:
        return self._owner.recv_into(buffer)

    def write(self, data: Any) -> int:
        return self._owner.send(data)

    def fileno(self) -> int:
        return self._owner.fileno()

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner._file_closed()


def create_connection(
    address: tuple[Any, int],
    timeout: Any = ...,
    source_address: Any = None,
    *,
    all_errors: bool = False,
) -> Socket:
    """``socket.create_connection``."""
    made = Socket()
    if timeout is None or isinstance(timeout, int | float):
        made.settimeout(timeout)
    made.connect(address)
    return made


def getaddrinfo(
    host: Any,
    port: Any,
    family: int = 0,
    type: int = 0,
    proto: int = 0,
    flags: int = 0,
) -> list[tuple[Any, ...]]:
    """``socket.getaddrinfo``: the name itself stands for its address, and the host looks it up."""
    name = host.decode() if isinstance(host, bytes) else (host or "localhost")
    try:
        number = int(port or 0)
    except ValueError:
        number = {"http": 80, "https": 443}.get(str(port), 0)
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (name, number))]


def _set_default_timeout(value: float | None) -> None:
    global _default_timeout
    _default_timeout = value


def _wait(readers: Any, writers: Any, errors: Any, timeout: float | None = None, /) -> Any:
    """``select.select`` that knows the stand-ins: always writable, readable when bytes are there."""
    mine = [item for item in [*readers, *writers] if isinstance(item, Socket) or item in _open]
    if not mine:
        return _wasi_select(readers, writers, errors, timeout)
    return [item for item in readers if _readable(item)], list(writers), []


def _readable(item: Any) -> bool:
    found = item if isinstance(item, Socket) else _open.get(item)
    return found is not None and (found.pending() > 0 or _has_request(found))


def _has_request(found: Socket) -> bool:
    return found.exchange is not None and found.exchange.waiting()


class Poll:
    """``select.poll`` for the stand-ins; only they can be waited for."""

    def __init__(self) -> None:
        self._events: dict[int, int] = {}

    def register(self, item: Any, events: int = select.POLLIN | select.POLLOUT) -> None:
        """Adds a socket."""
        self._events[item if isinstance(item, int) else item.fileno()] = events

    modify = register

    def unregister(self, item: Any) -> None:
        """Removes a socket."""
        del self._events[item if isinstance(item, int) else item.fileno()]

    def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
        """What is ready; with nothing registered, sleeps ``timeout`` milliseconds."""
        if not self._events and timeout:
            host.sleep(timeout / 1000)
        ready = []
        for number, events in self._events.items():
            found = events & select.POLLOUT
            if number not in _open:
                found = select.POLLNVAL
            elif _readable(number):
                found |= events & select.POLLIN
            if found:
                ready.append((number, found))
        return ready


def install() -> None:
    """Replaces what makes and watches connections in ``socket`` and ``select``."""
    global _wasi_select
    _wasi_select = select.select
    module: Any = socket
    module.socket = module.SocketType = Socket
    module.create_connection = create_connection
    module.getaddrinfo = getaddrinfo
    module.gethostbyname = lambda name: name
    module.gethostname = lambda: "sandbox"
    module.getfqdn = lambda name="": name or "sandbox"
    module.setdefaulttimeout = _set_default_timeout
    module.getdefaulttimeout = lambda: _default_timeout
    module.has_ipv6 = False
    watched: Any = select
    watched.select = _wait
    watched.poll = Poll
