"""asyncio in a sandbox: an event loop that waits in the host."""

from __future__ import annotations

import asyncio
import asyncio.events
import time
from collections.abc import Callable
from typing import Any

from . import host, started
from .net.exchange import Exchange, failed
from .net.sockets import Socket
from .net.tls import SSLObject

_POLL_EVERY = 0.001
"""Seconds between looks at the host while the loop is busy."""

_PIECE = 256 * 1024


async def wait(handle: int) -> None:
    """Waits until something started has ended."""
    if started.ended(handle):
        return
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wake() -> None:
        # Whoever waited may have been cancelled, and its loop closed.
        if not future.done():
            future.set_result(None)

    started.call_when_ended(handle, wake)
    await future


class SandboxSelector:
    """What the event loop waits with: the host's ``pending.wait-any`` and its clock."""

    def __init__(self) -> None:
        self._looked = 0.0

    def select(self, timeout: float | None) -> list[Any]:
        """Waits for something started, at most ``timeout`` seconds; wakes what waits for it.

        Raises RuntimeError when nothing could ever end the wait.
        """
        if timeout is not None and timeout <= 0:
            if started.waiting() and time.monotonic() - self._looked > _POLL_EVERY:
                started.gather(0)
                self._looked = time.monotonic()
        elif started.waiting():
            started.gather(timeout)
        elif timeout is not None:
            host.sleep(timeout)
        else:
            raise RuntimeError(
                "deadlock: the event loop waits, and neither a sleep, a task nor a request could wake it"
            )
        return []

    def close(self) -> None:
        """Nothing is held."""


class SandboxEventLoop(asyncio.BaseEventLoop):
    """An event loop for one thread, without descriptors, signals or child processes."""

    def __init__(self, selector: object = None) -> None:
        super().__init__()
        self._selector = SandboxSelector()

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass  # nobody else could wake the loop

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """Runs the call now, and returns its future, done."""
        future = self.create_future()
        try:
            result = func(*args)
        except Exception as error:
            future.set_exception(error)
        else:
            future.set_result(result)
        return future

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.Protocol],
        host: Any = None,
        port: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: str | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A connection over which HTTP can be spoken."""
        connection = sock if isinstance(sock, Socket) else Socket()
        if sock is None:
            connection.connect((host, port))
        if connection.exchange is None:
            raise OSError("the socket is not connected")
        protocol = protocol_factory()
        transport = ExchangeTransport(self, connection, connection.exchange, protocol)
        if ssl:
            transport.secure(ssl, server_hostname)
        protocol.connection_made(transport)
        return transport, protocol

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: Any,
        *,
        server_hostname: str | None = None,
        **options: Any,
    ) -> asyncio.Transport:
        """Secures a connection; the transport stays the same."""
        assert isinstance(transport, ExchangeTransport)
        transport.set_protocol(protocol)
        transport.secure(sslcontext, server_hostname)
        return transport

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connects a socket."""
        sock.connect(address)

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        """Sends bytes of a request."""
        sock.sendall(data)

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        """Bytes of the response."""
        received: bytes = sock.recv(nbytes)
        return received


class ExchangeTransport(asyncio.Transport):
    """A transport over an `Exchange`: requests of several connections wait side by side."""

    def __init__(self, loop: SandboxEventLoop, connection: Socket, exchange: Exchange, protocol: Any) -> None:
        super().__init__({"socket": connection, "peername": (exchange.server, exchange.port)})
        self._loop = loop
        self._connection = connection
        self._exchange = exchange
        self._protocol = protocol
        self._reading = asyncio.Event()
        self._reading.set()
        self._closing = False
        self._answering: asyncio.Task[None] | None = None

    def secure(self, context: Any, server_hostname: str | None) -> None:
        """Makes the requests go over TLS."""
        self._exchange.tls = True
        incoming: Any = None
        self._extra["ssl_object"] = SSLObject(incoming, incoming, context, server_hostname)  # type: ignore[attr-defined]
        self._extra["sslcontext"] = context  # type: ignore[attr-defined]

    def write(self, data: Any) -> None:
        """Takes bytes of a request; a whole one is started at once."""
        if self._closing:
            return
        self._exchange.feed(bytes(data))
        if self._answering is None:
            self._next()

    def _next(self) -> None:
        try:
            request = self._exchange.next_request()
        except OSError as error:
            self._end(error)
            return
        if request is not None:
            self._answering = self._loop.create_task(self._answer(request))
        elif self._exchange.expects_continue():
            self._loop.call_soon(self._protocol.data_received, b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _answer(self, request: str) -> None:
        try:
            handle = started.request(request)
            await wait(handle)
            response = self._exchange.respond(started.take(handle))
        except host.HttpFailure as failure:
            self._end(failed(failure))
            return
        for at in range(0, len(response), _PIECE):
            await self._reading.wait()
            if self._closing:
                return
            self._protocol.data_received(response[at : at + _PIECE])
        self._answering = None
        self._next()

    def _end(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, error)
            self._connection.close()

    def close(self) -> None:
        """Ends the connection."""
        self._end(None)
        self._reading.set()

    abort = close

    def is_closing(self) -> bool:
        """Whether the connection has ended."""
        return self._closing

    def pause_reading(self) -> None:
        """Holds the response back."""
        self._reading.clear()

    def resume_reading(self) -> None:
        """Lets the response through."""
        self._reading.set()

    def is_reading(self) -> bool:
        """Whether the response is let through."""
        return self._reading.is_set()

    def set_protocol(self, protocol: Any) -> None:
        """Sets who gets the response."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Who gets the response."""
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is held back when writing."""

    def get_write_buffer_size(self) -> int:
        """Nothing is held back when writing."""
        return 0

    def can_write_eof(self) -> bool:
        """Requests say themselves where they end."""
        return False


class _Policy:
    """What makes event loops for asyncio."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None

    def get_event_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("There is no current event loop")
        return self._loop

    def set_event_loop(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self._loop = loop

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return SandboxEventLoop()


def install() -> None:
    """Makes asyncio use this loop."""
    module: Any = asyncio
    module.events._event_loop_policy = _Policy()
    module.SelectorEventLoop = module.EventLoop = module.DefaultEventLoop = SandboxEventLoop
