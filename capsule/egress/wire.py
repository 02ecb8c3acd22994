"""HTTP requests and responses as they cross the contract: JSON text of `wit/capsule.wit`, interface `http`.

A request comes from a sandbox and is hostile: it is parsed and bounded here, and only the frozen
`HttpRequest` goes further. Headers that frame a message or belong to one connection (`FRAMING_HEADERS`
and ``Proxy-*``) are dropped, not refused: HTTP libraries in a guest set them as a matter of course, and
the host writes its own from what it really sends.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from dataclasses import dataclass
from typing import Literal

Reason = Literal["denied", "invalid-request", "network", "timeout", "too-large"]
"""Why a request has no response: cases of ``http.failure`` in the contract."""

Headers = tuple[tuple[str, str], ...]

MAX_BODY_BYTES = 64 * 1024 * 1024
MAX_URL_LENGTH = 16 * 1024
MAX_HEADERS = 100
MAX_HEADER_NAME = 256
MAX_HEADERS_LENGTH = 64 * 1024
MAX_TIMEOUT = 24 * 3600.0
"""Seconds; a longer time-out counts as this one."""

# A body grows by a third in base64; what else a request may hold fits into the rest.
MAX_REQUEST_TEXT = MAX_BODY_BYTES * 4 // 3 + 1024 * 1024

FRAMING_HEADERS = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)

_FIELDS = frozenset({"method", "url", "headers", "body", "timeout", "redirects"})
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
# CONNECT and the two below make the other end, or a proxy on the way, do something else than answer.
_REFUSED_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})


class RequestFailure(Exception):
    """A request without a response. ``message`` is a sentence for people, and goes to the sandbox.

    ``rule`` names the rule that refused it, for the journal; None when it failed for another reason.
    """

    def __init__(self, reason: Reason, message: str, *, rule: str | None = None) -> None:
        super().__init__(message)
        self.reason: Reason = reason
        self.message = message
        self.rule = "allowed_hosts" if rule is None and reason == "denied" else rule


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A checked request, all but its URL: that is `capsule.egress.policy`'s to judge.

    ``timeout`` is seconds for the whole exchange, redirects and body included; None for no limit of its
    own. ``headers`` holds no `FRAMING_HEADERS`.
    """

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""
    timeout: float | None = None
    redirects: bool = True


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response, its body decoded. ``url`` is the one that answered, after redirects."""

    status: int
    reason: str
    url: str
    headers: Headers
    body: bytes


def quoted(text: str) -> str:
    """Text of others for use in a message: short, in quotes, and ASCII without control characters."""
    return json.dumps(text if len(text) <= 200 else text[:200] + "...")


def parse_request(text: str) -> HttpRequest:
    """Reads a request as a sandbox sends it.

    Raises `RequestFailure`: ``too-large`` for a body over `MAX_BODY_BYTES`, else ``invalid-request``.
    """
    if len(text) > MAX_REQUEST_TEXT:
        raise RequestFailure("too-large", f"a request's body can have {MAX_BODY_BYTES} bytes at most")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError):
        raise _invalid("the request is not JSON") from None
    if not isinstance(fields, dict):
        raise _invalid("the request is not a JSON object")
    for name in fields:
        if name not in _FIELDS:
            raise _invalid(f"a request has no field {quoted(name)}")
    return HttpRequest(
        method=_method(fields.get("method")),
        url=_url(fields.get("url")),
        headers=_headers(fields.get("headers", [])),
        body=_body(fields.get("body")),
        timeout=_timeout(fields.get("timeout")),
        redirects=_flag(fields.get("redirects", True)),
    )


def render_response(response: HttpResponse) -> str:
    """The JSON text that the sandbox gets; plain ASCII."""
    return json.dumps(
        {
            "status": response.status,
            "reason": response.reason,
            "url": response.url,
            "headers": response.headers,
            "body": base64.b64encode(response.body).decode("ascii"),
        }
    )


def is_framing(name: str) -> bool:
    """Whether a header belongs to one connection or frames a message, and so is never passed on."""
    lowered = name.lower()
    return lowered in FRAMING_HEADERS or lowered.startswith("proxy-")


def _invalid(message: str) -> RequestFailure:
    return RequestFailure("invalid-request", message)


def _method(value: object) -> str:
    if not isinstance(value, str) or len(value) > 32 or not _TOKEN.fullmatch(value):
        raise _invalid("the method is not an HTTP token")
    method = value.upper()
    if method in _REFUSED_METHODS:
        raise _invalid(f"the method {method} is not supported")
    return method


def _url(value: object) -> str:
    if not isinstance(value, str):
        raise _invalid("the URL is not a string")
    if len(value) > MAX_URL_LENGTH:
        raise _invalid(f"the URL is longer than {MAX_URL_LENGTH} characters")
    return value


def _headers(value: object) -> Headers:
    if not isinstance(value, list):
        raise _invalid("headers are not a list of [name, value]")
    if len(value) > MAX_HEADERS:
        raise _invalid(f"a request can have {MAX_HEADERS} headers at most")
    headers = []
    length = 0
    for item in value:
        match item:
            case [str(name), str(content)]:
                pass
            case _:
                raise _invalid("headers are not a list of [name, value]")
        if len(name) > MAX_HEADER_NAME or not _TOKEN.fullmatch(name):
            raise _invalid(f"{quoted(name)} can't be a header's name")
        if not _HEADER_VALUE.fullmatch(content):
            raise _invalid(f"the header {name} has a character that can't be sent")
        length += len(name) + len(content)
        if not is_framing(name):
            headers.append((name, content.strip(" \t")))
    if length > MAX_HEADERS_LENGTH:
        raise _invalid(f"a request's headers can have {MAX_HEADERS_LENGTH} characters at most")
    return tuple(headers)


def _body(value: object) -> bytes:
    if value is None:
        return b""
    if not isinstance(value, str):
        raise _invalid("the body is neither base64 text nor null")
    try:
        body = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise _invalid("the body is not base64 text") from None
    if len(body) > MAX_BODY_BYTES:
        raise RequestFailure("too-large", f"a request's body can have {MAX_BODY_BYTES} bytes at most")
    return body


def _timeout(value: object) -> float | None:
    if value is None:
        return None
    # NaN fails the comparison; `min` first, since an integer may be too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise _invalid("the timeout is not a positive number of seconds")
    return float(min(value, MAX_TIMEOUT))


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _invalid("redirects is neither true nor false")
    return value
