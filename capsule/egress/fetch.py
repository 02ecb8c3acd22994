"""Makes the requests that a policy allows: one exchange for each hop of a redirect chain.

Every hop goes the same way: the policy reads and checks its URL, the name is resolved once, the policy
checks each address, and the connection goes to a checked address, while TLS and the ``Host`` header keep
the name. A name that resolves differently a moment later changes nothing.

Nothing is taken from the environment or kept between requests: no proxies, no netrc, no cookies, no
connections. Bodies arrive decoded (gzip, deflate, and zstd where Python has it).
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urljoin

from capsule.egress.policy import Target, parse_url
from capsule.egress.wire import Headers, HttpRequest, HttpResponse, RequestFailure, is_framing

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

    from capsule.egress.connection import Meter

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
MAX_REDIRECTS = 10
MAX_HEAD_BYTES = 1024 * 1024
"""What may arrive before a response's headers are complete; `http.client` limits their lines and number."""

MAX_LOOKUPS = 32
"""Names that a `Fetcher` resolves at once: the system's resolver can't be interrupted, only left behind."""

USER_AGENT = "capsule/1"

_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CREDENTIALS = frozenset({"authorization", "cookie", "proxy-authorization"})
_BODY_HEADERS = frozenset(
    {"content-encoding", "content-language", "content-location", "content-type", "digest"}
)
# Brotli is left out: its older packages can't bound what a chunk decodes to.
_TRANSFERS = ("chunked", "identity")
_CODINGS = ("gzip", "x-gzip", "deflate", "zstd")


class HostPolicy(Protocol):
    """Who decides: `capsule.egress.policy.AllowList`. Both methods raise `RequestFailure` to refuse."""

    def check_url(self, url: str) -> Target:
        """Where a URL leads."""

    def check_addresses(self, target: Target, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those addresses, when a request for the target may go to each of them."""


class Credentials(Protocol):
    """What the guest's request lacks, and the guest must not see: `secrets.credentials.TaskCredentials`."""

    def fill(self, request: HttpRequest, target: Target) -> HttpRequest:
        """The request as it goes to this target. Raises `RequestFailure`."""

    def clear(self, response: HttpResponse, target: Target) -> HttpResponse:
        """The response as the guest may see it. Raises `RequestFailure`."""

    def mask(self, message: str) -> str:
        """A message as the guest may see it."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One exchange of a request, for the journal.

    ``url`` is without query and userinfo, empty when the URL can't be read. ``failure`` and ``message`` are
    those of the `RequestFailure`, None after a response. ``duration`` is seconds; ``sent`` counts the
    body's bytes, ``received`` those that came from the network.
    """

    method: str
    url: str
    status: int | None
    failure: str | None
    message: str | None
    duration: float
    sent: int
    received: int


class Fetcher:
    """Sends requests under a policy. One serves a whole run; `fetch` may be called on many threads.

    ``resolver`` is called like `socket.getaddrinfo`.
    """

    def __init__(
        self,
        allow: HostPolicy,
        *,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        resolver: Callable[..., Iterable[Any]] = socket.getaddrinfo,
    ) -> None:
        self._allow = allow
        self._max_response_bytes = max_response_bytes
        self._resolver = resolver
        self._lookups = threading.BoundedSemaphore(MAX_LOOKUPS)
        self._lock = threading.Lock()
        self._meters: set[Meter] = set()
        self._closed = False

    def fetch(
        self,
        request: HttpRequest,
        deadline: float | None = None,
        on_hop: Callable[[Hop], None] | None = None,
        credentials: Credentials | None = None,
    ) -> HttpResponse:
        """Sends a request, follows its redirects, and returns the response.

        ``credentials`` are filled in anew at each hop: a redirect starts from the guest's own request.

        Ends at ``deadline`` (`time.monotonic`) or after the request's own time-out, whichever comes
        first, late by no more than the decoding of one chunk of 64 KiB and the scheduling of a thread:
        some milliseconds. Without either it waits as long as the connection lives. ``on_hop`` is
        called on this thread after each hop, refused ones included.

        Raises `RequestFailure`, and nothing else.
        """
        if request.timeout is not None:
            own = time.monotonic() + request.timeout
            deadline = own if deadline is None else min(own, deadline)
        report = on_hop or (lambda hop: None)
        previous: Target | None = None
        for _ in range(MAX_REDIRECTS + 1):
            request, target, response = self._hop(request, previous, deadline, report, credentials)
            location = _location(request, response)
            if location is None:
                return response
            request = _redirected(request, response.status, target, location)
            previous = target
        raise RequestFailure("network", f"more than {MAX_REDIRECTS} redirects")

    def close(self) -> None:
        """Makes the requests in flight, and all that come later, fail with ``network``."""
        with self._lock:
            self._closed = True
            meters = list(self._meters)
        for meter in meters:
            meter.cancel()

    def _hop(
        self,
        request: HttpRequest,
        previous: Target | None,
        deadline: float | None,
        on_hop: Callable[[Hop], None],
        credentials: Credentials | None,
    ) -> tuple[HttpRequest, Target, HttpResponse]:
        # Returns the request as it was sent: credentials that were dropped once don't come back.
        from capsule.egress.connection import Meter

        started = time.monotonic()
        meter = Meter(deadline, MAX_HEAD_BYTES)
        target: Target | None = None
        response: HttpResponse | None = None
        failure: RequestFailure | None = None
        try:
            with self._registered(meter):
                target = self._check(request, previous)
                if previous is not None and previous.origin != target.origin:
                    request = _without(request, _CREDENTIALS)
                sent = request if credentials is None else credentials.fill(request, target)
                received = self._exchange(sent, target, meter)
                response = received if credentials is None else credentials.clear(received, target)
                return request, target, response
        except RequestFailure as error:
            failure = _masked(error, credentials)
            raise failure from None
        except Exception as error:
            text = f"the exchange failed: {type(error).__name__}: {error}"
            if credentials is not None:
                text = credentials.mask(text)
            failure = RequestFailure("network", text[:500])
            raise failure from None
        finally:
            with suppress(Exception):
                on_hop(
                    Hop(
                        method=request.method,
                        url=target.display if target else _display(request.url),
                        status=response.status if response else None,
                        failure=failure.reason if failure else None,
                        message=failure.message if failure else None,
                        duration=time.monotonic() - started,
                        sent=len(request.body),
                        received=meter.received,
                    )
                )

    @contextmanager
    def _registered(self, meter: Meter) -> Iterator[None]:
        with self._lock:
            self._meters.add(meter)
            if self._closed:
                meter.cancel()
        try:
            meter.check()
            yield
        finally:
            with self._lock:
                self._meters.discard(meter)

    def _check(self, request: HttpRequest, previous: Target | None) -> Target:
        if previous is None:
            return self._allow.check_url(request.url)
        try:
            target = self._allow.check_url(request.url)
        except RequestFailure as error:
            # Not the task's fault: the URL is the server's.
            reason = "network" if error.reason == "invalid-request" else error.reason
            message = f"redirect from {previous.authority}: {error.message}"
            raise RequestFailure(reason, message, rule=error.rule) from None
        if previous.scheme == "https" and target.scheme == "http":
            message = f"redirect from https to {target.display} is refused"
            raise RequestFailure("denied", message, rule="https")
        return target

    def _exchange(self, request: HttpRequest, target: Target, meter: Meter) -> HttpResponse:
        from urllib3 import HTTPHeaderDict

        from capsule.egress.connection import PinnedConnection

        addresses = self._allow.check_addresses(target, self._resolve(target, meter))
        connection = PinnedConnection(target, addresses, meter)
        headers = HTTPHeaderDict()
        for name, value in _sent_headers(request, target):
            headers.add(name, value)
        try:
            connection.request(
                request.method, target.path, request.body or None, headers, preload_content=False
            )
            response = connection.getresponse()
            if response.headers.get("transfer-encoding", "chunked").strip().lower() not in _TRANSFERS:
                raise RequestFailure("network", "the response has a transfer encoding that was not asked for")
            meter.max_received = 2 * self._max_response_bytes + MAX_HEAD_BYTES
            followed = request.redirects and response.status in _REDIRECTS and "location" in response.headers
            body = b"" if followed else self._read_body(response, meter)
        finally:
            connection.close()
        return HttpResponse(
            status=response.status,
            reason=response.reason or "",
            url=target.url,
            headers=_received_headers(response, decoded=bool(body) and _is_decoded(response)),
            body=body,
        )

    def _read_body(self, response: HTTPResponse, meter: Meter) -> bytes:
        if response.length_remaining is not None and response.length_remaining > self._max_response_bytes:
            raise self._too_large()
        chunks = []
        size = 0
        for chunk in response.stream(_CHUNK, decode_content=_is_decoded(response)):
            size += len(chunk)
            if size > self._max_response_bytes:
                raise self._too_large()
            chunks.append(chunk)
            meter.check()
        return b"".join(chunks)

    def _too_large(self) -> RequestFailure:
        return RequestFailure("too-large", f"the response is larger than {self._max_response_bytes} bytes")

    def _resolve(self, target: Target, meter: Meter) -> list[str]:
        if target.address is not None:
            return [target.host]
        answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def look_up() -> None:
            try:
                found = self._resolver(target.host, target.port, type=socket.SOCK_STREAM)
                answers.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
            except Exception as error:
                answers.put(error)
            finally:
                self._lookups.release()

        if not self._lookups.acquire(timeout=meter.remaining()):
            raise meter.timed_out()
        try:
            threading.Thread(target=look_up, name="capsule-lookup", daemon=True).start()
        except RuntimeError:
            self._lookups.release()
            raise RequestFailure("network", "no thread for resolving a name") from None
        meter.on_cancel(lambda: answers.put([]))
        try:
            answer = answers.get(timeout=meter.remaining())
        except Empty:
            raise meter.timed_out() from None
        meter.check()
        if isinstance(answer, Exception) or not answer:
            detail = f": {answer.strerror}" if isinstance(answer, OSError) and answer.strerror else ""
            raise RequestFailure("network", f'host "{target.host}" has no address{detail}')
        return answer


def _masked(failure: RequestFailure, credentials: Credentials | None) -> RequestFailure:
    if credentials is None:
        return failure
    return RequestFailure(failure.reason, credentials.mask(failure.message), rule=failure.rule)


def _sent_headers(request: HttpRequest, target: Target) -> Headers:
    from urllib3.response import BaseHTTPResponse

    given = {name.lower(): value for name, value in request.headers}
    # What a body may be encoded in is between the host, which decodes it, and the server.
    codings = ", ".join(coding for coding in _CODINGS if coding in BaseHTTPResponse.CONTENT_DECODERS)
    encoding = "identity" if given.get("accept-encoding", "").lower() == "identity" else codings
    return (
        ("Host", target.authority),
        *(("User-Agent", USER_AGENT) for _ in range("user-agent" not in given)),
        ("Accept-Encoding", encoding),
        ("Connection", "close"),
        *(
            (name, value)
            for name, value in request.headers
            if name.lower() != "accept-encoding" and not is_framing(name)
        ),
    )


def _received_headers(response: HTTPResponse, *, decoded: bool) -> Headers:
    stale = ("content-encoding", "content-length") if decoded else ()
    return tuple(
        (name, value)
        for name, value in response.headers.items()
        if name.lower() not in stale and (name.lower() == "content-length" or not is_framing(name))
    )


def _is_decoded(response: HTTPResponse) -> bool:
    # One coding only: stacked ones multiply what a small body can cost to decode.
    coding = response.headers.get("content-encoding", "").strip().lower()
    return coding in _CODINGS and coding in response.CONTENT_DECODERS


def _location(request: HttpRequest, response: HttpResponse) -> str | None:
    if not request.redirects or response.status not in _REDIRECTS:
        return None
    return next((value for name, value in response.headers if name.lower() == "location"), None)


def _redirected(request: HttpRequest, status: int, target: Target, location: str) -> HttpRequest:
    # Servers write UTF-8 here without encoding it; http.client reads headers as latin-1.
    with suppress(UnicodeError):
        location = location.encode("latin-1").decode("utf-8")
    try:
        url = urljoin(target.url, location)
    except ValueError:
        raise RequestFailure("network", f"redirect from {target.authority} to no usable URL") from None
    if (status == 303 and request.method != "HEAD") or (status in (301, 302) and request.method == "POST"):
        request = replace(_without(request, _BODY_HEADERS), method="GET", body=b"")
    return replace(request, url=url)


def _display(url: str) -> str:
    try:
        return parse_url(url).display
    except RequestFailure:
        return ""


def _without(request: HttpRequest, names: frozenset[str]) -> HttpRequest:
    kept = tuple((name, value) for name, value in request.headers if name.lower() not in names)
    return replace(request, headers=kept)
