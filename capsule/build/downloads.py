"""What a frontend downloads while it builds: over the rules that guests' requests have."""

from __future__ import annotations

import os
import time
from typing import Final

from capsule.errors import BuildError, ConfigError, PolicyError

HOSTS_VARIABLE: Final = "CAPSULE_DOWNLOAD_HOSTS"
"""Hosts that builds may download from what a program names by address, separated by commas, as
``allowed_hosts`` has them; the public internet without a word."""

TIMEOUT: Final = 120.0


def download(url: str, most: int) -> bytes:
    """What an http or https address has, at most ``most`` bytes of it.

    Every address that a name resolves to is checked, at each redirect: this machine and private networks
    only when `HOSTS_VARIABLE` names them. Raises `BuildError`, and `ConfigError` for hosts that are none.
    """
    from capsule.egress.fetch import Fetcher
    from capsule.egress.policy import AllowList
    from capsule.egress.wire import HttpRequest, RequestFailure

    named = os.environ.get(HOSTS_VARIABLE, "*")
    hosts = tuple(host for host in (part.strip() for part in named.split(",")) if host)
    try:
        allow = AllowList(hosts, HOSTS_VARIABLE)
    except PolicyError as error:
        raise ConfigError(error.message.replace("allowed_hosts", HOSTS_VARIABLE), hint=error.hint) from None
    request = HttpRequest(method="GET", url=url, headers=(("Accept-Encoding", "identity"),), body=b"")
    try:
        response = Fetcher(allow, max_response_bytes=most).fetch(request, time.monotonic() + TIMEOUT)
    except RequestFailure as failure:
        raise BuildError(f"{url.partition('?')[0]} can't be downloaded: {failure.message}") from None
    if response.status != 200:
        raise BuildError(f"{url.partition('?')[0]} can't be downloaded: status {response.status}")
    return response.body
