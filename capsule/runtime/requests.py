"""HTTP requests of a run: counted, bounded, recorded, and made as each task's policy allows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from capsule import events
from capsule.egress.wire import RequestFailure, parse_request, render_response
from capsule.runtime.interrupt import Interrupt

if TYPE_CHECKING:
    from capsule.egress.fetch import Credentials, Fetcher, Hop, HostPolicy
    from capsule.egress.policy import Target


class Requests:
    """The requests of one run. ``count`` and ``size`` (bytes both ways) are its budget, None for no limit.

    ``ceiling`` is ``[limits] allowed_hosts``: every request has to pass it besides the task's own list.
    ``origin`` says where a limit was set. ``dress`` gives what fills the requests of a task, by its number,
    besides its own credentials.
    """

    def __init__(
        self,
        count: int | None,
        size: int | None,
        ceiling: tuple[str, ...] | None,
        origin: Callable[[str], str] = "[limits] {}".format,
        dress: Callable[[int, Credentials | None], Credentials | None] = lambda task, own: own,
    ) -> None:
        self._dress = dress
        self._count_left = count
        self._bytes_left = size
        self._ceiling = ceiling
        self._origin = origin
        self._lock = threading.Lock()
        self._fetchers: dict[tuple[tuple[str, ...], str], Fetcher] = {}

    def make(
        self,
        text: str,
        hosts: tuple[str, ...],
        interrupt: Interrupt,
        *,
        run: str,
        task: int,
        emit: Callable[[events.Event], None],
        whose: str = "",
        credentials: Credentials | None = None,
    ) -> str:
        """Makes the request that a guest asks for in ``text``. Raises `RequestFailure`.

        ``whose`` says of which task ``hosts`` is the list; ``credentials`` are that task's secrets.
        """

        def record(hop: Hop) -> None:
            emit(
                events.Requested(
                    run,
                    task,
                    time.time() - hop.duration,
                    hop.method,
                    hop.url,
                    hop.status,
                    hop.failure,
                    hop.duration,
                    hop.sent,
                    hop.received,
                )
            )

        try:
            request = parse_request(text)
            self._spend(1, len(request.body))
            response = self._fetcher(hosts, whose).fetch(
                request, interrupt.deadline, record, self._dress(task, credentials)
            )
            self._spend(0, len(response.body))
            return render_response(response)
        except RequestFailure as failed:
            if failed.rule is not None:
                emit(events.Refused(run, task, time.time(), failed.rule, failed.message))
            raise

    def close(self) -> None:
        """Ends the requests that are under way: the run is over."""
        with self._lock:
            fetchers = list(self._fetchers.values())
        for fetcher in fetchers:
            fetcher.close()

    def _fetcher(self, hosts: tuple[str, ...], whose: str) -> Fetcher:
        from capsule.egress.fetch import Fetcher
        from capsule.egress.policy import AllowList

        with self._lock:
            fetcher = self._fetchers.get((hosts, whose))
            if fetcher is None:
                allow: HostPolicy = AllowList(hosts, whose=whose)
                if self._ceiling is not None:
                    allow = Both(allow, AllowList(self._ceiling, name=self._origin("allowed_hosts")))
                fetcher = self._fetchers[hosts, whose] = Fetcher(allow)
            return fetcher

    def _spend(self, count: int, size: int) -> None:
        with self._lock:
            if self._count_left is not None:
                if self._count_left < count:
                    message = f"the run has made all its requests ({self._origin('http_requests')})"
                    raise RequestFailure("denied", message, rule="http_requests")
                self._count_left -= count
            if self._bytes_left is not None:
                if self._bytes_left < size:
                    message = f"the run's requests took all their bytes ({self._origin('http_bytes')})"
                    raise RequestFailure("too-large", message, rule="http_bytes")
                self._bytes_left -= size


@dataclass(frozen=True, slots=True)
class Both:
    """Two allow-lists that both have to agree: a task's own, and the ceiling.

    A ceiling of ``*`` can't be told by patterns alone: a task that names a host may reach it at a
    private address, and under the ceiling it may not.
    """

    own: HostPolicy
    ceiling: HostPolicy

    def check_url(self, url: str) -> Target:
        """Where a URL leads. Raises `RequestFailure`."""
        self.ceiling.check_url(url)
        return self.own.check_url(url)

    def check_addresses(self, target: Target, addresses: Iterable[str]) -> tuple[str, ...]:
        """Those addresses, when both agree to each. Raises `RequestFailure`."""
        found = tuple(addresses)
        self.ceiling.check_addresses(target, found)
        return self.own.check_addresses(target, found)
