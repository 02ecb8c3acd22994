"""One connection for one request: to an address that was checked, within its time and bytes.

Imports urllib3, so it is itself imported at the first request.
"""

from __future__ import annotations

import functools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import urllib3.connection

from capsule.egress.policy import Target
from capsule.egress.wire import RequestFailure

CONNECT_TIMEOUT = 30.0
"""Seconds until an address that doesn't answer is given up."""

NEXT_ADDRESS_TIMEOUT = 5.0
"""The same while there are more addresses to try."""

MAX_ADDRESSES = 8

# For sockets, a day is as good as no limit, and far from what overflows in C.
_LONGEST_TIMEOUT = 24 * 3600.0


class Meter:
    """What one exchange may still use: time and bytes from the network.

    ``deadline`` is in the time of `time.monotonic`, None for no limit.
    """

    def __init__(self, deadline: float | None, max_received: int) -> None:
        self.deadline = deadline
        self.max_received = max_received
        self.received = 0
        self._lock = threading.Lock()
        self._cancelled = False
        self._on_cancel: Callable[[], None] | None = None

    def remaining(self, at_most: float = _LONGEST_TIMEOUT) -> float:
        """Seconds left; raises `RequestFailure` (``timeout``) when there are none."""
        if self.deadline is None:
            return at_most
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise self.timed_out()
        return min(left, at_most)

    def timed_out(self) -> RequestFailure:
        """The failure of an exchange whose time is over."""
        return RequestFailure("timeout", "the request's time is over")

    def receive(self, count: int) -> None:
        """Counts bytes; raises `RequestFailure` (``too-large``) when there are too many."""
        self.received += count
        if self.received > self.max_received:
            raise RequestFailure("too-large", "the response is larger than a response may be")

    def on_cancel(self, action: Callable[[], None]) -> None:
        """What ends the step that begins now; raises `RequestFailure` when it is cancelled already."""
        with self._lock:
            self._on_cancel = action
            self.check()

    def cancel(self) -> None:
        """Makes the exchange fail soon. Called on any thread."""
        with self._lock:
            self._cancelled = True
            if self._on_cancel is not None:
                self._on_cancel()

    def check(self) -> None:
        """Raises `RequestFailure` when the exchange was cancelled, or its time is over."""
        if self._cancelled:
            raise RequestFailure("network", "the request was cancelled")
        self.remaining()


class PinnedConnection(urllib3.connection.HTTPConnection):
    """A connection to one of a target's checked addresses; TLS is verified for the target's own name."""

    def __init__(self, target: Target, addresses: Sequence[str], meter: Meter) -> None:
        super().__init__(target.host, target.port)
        self._target = target
        self._addresses = addresses[:MAX_ADDRESSES]
        self._meter = meter

    def connect(self) -> None:
        """Connects, without asking for a name's address again. Raises `RequestFailure`."""
        sock = self._connect_any()
        self.sock = sock
        if self._target.scheme == "https":
            self.sock = self._start_tls(sock)

    def _connect_any(self) -> _MeteredSocket:
        failure = "it has no address"
        for position, address in enumerate(self._addresses):
            last = position == len(self._addresses) - 1
            sock = _MeteredSocket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
            sock.meter = self._meter
            try:
                self._meter.on_cancel(functools.partial(_shut_down, sock))
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                sock.settimeout(self._meter.remaining(CONNECT_TIMEOUT if last else NEXT_ADDRESS_TIMEOUT))
                sock.connect((address, self._target.port))
            except OSError as error:
                sock.close()
                self._meter.check()
                failure = "no answer" if isinstance(error, TimeoutError) else error.strerror or str(error)
            except RequestFailure:
                sock.close()
                raise
            else:
                return sock
        raise RequestFailure("network", f"can't connect to {self._target.authority}: {failure}")

    def _start_tls(self, plain: _MeteredSocket) -> _MeteredTlsSocket:
        name = self._target.host
        sock = tls_context().wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        assert isinstance(sock, _MeteredTlsSocket)
        sock.meter = self._meter
        try:
            self._meter.on_cancel(functools.partial(_shut_down, sock))
            sock.settimeout(self._meter.remaining(CONNECT_TIMEOUT))
            sock.do_handshake()
        except (OSError, RequestFailure) as error:
            sock.close()
            self._meter.check()
            if isinstance(error, ssl.SSLCertVerificationError):
                message = f"the certificate of {name} can't be trusted: {error.verify_message}"
            elif isinstance(error, TimeoutError):
                message = f"no TLS answer from {self._target.authority}"
            else:
                message = f"no TLS connection to {self._target.authority}: {error}"
            raise RequestFailure("network", message) from None
        return sock


class _MeteredSocket(socket.socket):
    # Each single call gets what is left of the time, so that a peer that sends a byte now and then can't
    # stretch it. Failures are raised as such: urllib3 and http.client let them pass.

    meter: Meter

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.meter.remaining())
        try:
            count = super().recv_into(*args, **kwargs)
        except TimeoutError:
            raise self.meter.timed_out() from None
        self.meter.receive(count)
        return count

    def send(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.meter.remaining())
        try:
            return super().send(*args, **kwargs)
        except TimeoutError:
            raise self.meter.timed_out() from None

    def sendall(self, *args: Any, **kwargs: Any) -> None:
        self.settimeout(self.meter.remaining())
        try:
            super().sendall(*args, **kwargs)
        except TimeoutError:
            raise self.meter.timed_out() from None


class _MeteredTlsSocket(_MeteredSocket, ssl.SSLSocket):
    pass


@functools.cache
def tls_context() -> ssl.SSLContext:
    """The client's TLS settings, with the system's certificates: loaded once, at the first https request."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    context.sslsocket_class = _MeteredTlsSocket
    return context


def _shut_down(sock: socket.socket) -> None:
    # The base class's method: that of `SSLSocket` pulls the TLS state from under the reading thread.
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
