"""The interface ``http``: requests that the host makes for a guest, as its policy allows.

What may be asked is decided in `capsule.egress.policy`, and asked in `capsule.egress.fetch`; here requests
only meet their handles. Started requests run on threads of their own, a few at a time for each sandbox.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from capsule.egress.wire import RequestFailure
from capsule.runtime.host.guest import Guest, failure
from capsule.runtime.interrupt import Interrupted

MOST_STARTED = 10_000
"""Handles that one sandbox may leave untaken before a request is refused."""


def send(guest: Guest, request: str) -> Any:
    """``http.send``: the response, or the record ``error``."""
    guest.services.waiting()
    try:
        return guest.services.request(request, guest.interrupt)
    except RequestFailure as failed:
        return failure(failed.reason, failed.message)
    finally:
        guest.services.resumed()


def start(guest: Guest, request: str) -> int:
    """``http.start``: a handle; the request goes out on a thread of its own."""
    if guest.ahead:
        raise Interrupted("cancelled")
    handle = guest.ledger.open("http")
    job = partial(_carry_out, guest, handle, request)
    if guest.ledger.count > MOST_STARTED or not guest.requests.add(job, len(request)):
        message = "the requests that were started and not taken yet are too many, or too large"
        guest.ledger.end(handle, RequestFailure("too-large", message))
    return handle


def _carry_out(guest: Guest, handle: int, request: str) -> None:
    ended: str | RequestFailure
    try:
        guest.interrupt.check()
        ended = guest.services.request(request, guest.interrupt)
    except RequestFailure as failed:
        ended = failed
    except Exception as error:  # the sandbox is ending, or we are at fault: the guest hears of it
        ended = RequestFailure("network", f"the request was given up: {error}")
    if not guest.ledger.end(handle, ended):
        message = "the responses that were not taken yet hold too much already"
        guest.ledger.end(handle, RequestFailure("too-large", message))


def response(guest: Guest, handle: int) -> Any:
    """``http.response``: what came of a started request."""
    guest.services.waiting()
    try:
        ended = guest.ledger.take(handle, "http", guest.interrupt)
    except KeyError:
        return failure("unknown-handle", f"this sandbox has no request {handle}, or has taken its response")
    finally:
        guest.services.resumed()
    return failure(ended.reason, ended.message) if isinstance(ended, RequestFailure) else ended


HTTP: Mapping[str, Callable[..., Any]] = {"send": send, "start": start, "response": response}
