"""How `capsule.sdk.http` sends a request outside a sandbox: for real, to any host, this machine included.

Inside a sandbox the engine's module of the same name takes its place, and asks the host.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import TYPE_CHECKING

from capsule.egress.wire import RequestFailure, parse_request, render_response

if TYPE_CHECKING:
    from capsule.egress.fetch import Fetcher

__all__ = ["RequestFailure", "send"]


def send(request: str) -> str:
    """The response to a request, both as JSON text of the contract. Raises `RequestFailure`."""
    return render_response(_fetcher().fetch(parse_request(request)))


@functools.cache
def _fetcher() -> Fetcher:
    # Imported late: what only declares tasks doesn't wait for the connection's libraries.
    from capsule.egress.fetch import Fetcher
    from capsule.egress.policy import Target, parse_url

    class Unrestricted:
        # No policy: this is the user's own process, running the user's own code.
        def check_url(self, url: str) -> Target:
            return parse_url(url)

        def check_addresses(self, target: Target, addresses: Iterable[str]) -> tuple[str, ...]:
            return tuple(addresses)

    return Fetcher(Unrestricted())
