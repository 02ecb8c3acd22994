"""HTTP for task code: ``from capsule.http import get, post``.

Inside a sandbox every request goes through the policy of the task. The same code runs outside a sandbox,
where a ``@task`` function is just a function, as in a unit test, and sends real requests, to any host, this
machine included. What differs is `transport`, the module beside this one; the Python engine is built with a
copy of this text (see `capsule.frontend.sdk`), which therefore imports nothing else.
"""

from __future__ import annotations

import base64
import json as _json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypedDict, Unpack
from urllib.parse import urlencode

from .transport import RequestFailure, send

__all__ = [
    "ConnectionFailed",
    "Headers",
    "HttpError",
    "InvalidRequest",
    "PermissionDenied",
    "Response",
    "ResponseTooLarge",
    "Timeout",
    "delete",
    "get",
    "head",
    "patch",
    "post",
    "put",
    "request",
]

# The number is the contract's (capsule:runtime@1), which host and guest have in common.
USER_AGENT = "capsule/1"

Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]


class HttpError(OSError):
    """A request that failed, or for `Response.raise_for_status` a response that says so.

    ``response`` is that response, else None.
    """

    def __init__(self, message: str, response: Response | None = None) -> None:
        super().__init__(message)
        self.response = response


class PermissionDenied(HttpError, PermissionError):
    """The task's ``allowed_hosts`` doesn't admit the host."""


class Timeout(HttpError, TimeoutError):
    """The request's time-out, or the task's deadline, passed."""


class ConnectionFailed(HttpError, ConnectionError):
    """Name resolution, connection, TLS or protocol failed."""


class InvalidRequest(HttpError, ValueError):
    """Not an http or https URL, or a method, header, body or time-out that can't be sent."""


class ResponseTooLarge(HttpError):
    """The response, or the request, is larger than the host accepts."""


class Headers(Mapping[str, str]):
    """Headers by name, whatever its case. The values of a repeated header are joined with ``", "``."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        self._pairs = tuple((str(name), str(value)) for name, value in pairs)

    def get_all(self, name: str) -> list[str]:
        """Each value of a header that may be repeated, such as ``Set-Cookie``."""
        lowered = name.lower()
        return [value for key, value in self._pairs if key.lower() == lowered]

    def __getitem__(self, name: str) -> str:
        values = self.get_all(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self.get_all(name))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def __repr__(self) -> str:
        return f"Headers({list(self._pairs)!r})"

    def _names(self) -> list[str]:
        names: dict[str, str] = {}
        for name, _ in self._pairs:
            names.setdefault(name.lower(), name)
        return list(names.values())


class Text(str):
    """A body as text, which may be called, too: programs are written with ``text`` and with ``text()``."""

    __slots__ = ()

    def __call__(self) -> str:
        """The same text."""
        return str(self)


class Response:
    """A response, complete, its body decoded. ``url`` is the one that answered, after redirects."""

    def __init__(self, status_code: int, reason: str, url: str, headers: Headers, content: bytes) -> None:
        self.status_code = status_code
        self.reason = reason
        self.url = url
        self.headers = headers
        self.content = content

    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status_code < 300

    @property
    def text(self) -> Text:
        """The body as text: in the charset that the response names, else UTF-8. ``text()`` is the same.

        What can't be decoded becomes replacement characters.
        """
        named = re.search(r'charset="?([^\s;"]+)', self.headers.get("Content-Type", ""), re.IGNORECASE)
        encoding = named[1] if named else "utf-8"
        try:
            return Text(self.content.decode(encoding, errors="replace"))
        except (LookupError, ValueError):
            return Text(self.content.decode("utf-8", errors="replace"))

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError` when it isn't."""
        try:
            return _json.loads(self.content)
        except RecursionError:
            raise ValueError("the JSON is nested too deeply") from None

    def raise_for_status(self) -> None:
        """Raises `HttpError` for a status of 400 or more."""
        if self.status_code >= 400:
            raise HttpError(f"{self.status_code} {self.reason} for {self.url}".replace("  ", " "), self)

    def __repr__(self) -> str:
        return f"<Response [{self.status_code}]>"


class Options(TypedDict, total=False):
    """What `request` takes besides the method and the URL."""

    params: Pairs | str | None
    data: bytes | str | Pairs | None
    json: Any
    body: bytes | str | Pairs | None
    json_data: Any
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None
    timeout: float | None
    allow_redirects: bool


def request(method: str, url: str, **options: Unpack[Options]) -> Response:
    """Sends a request and returns its response, whatever its status.

    ``params`` are added to the URL's query; a value may be a list, and None leaves the name out. The body
    is either ``json``, any JSON value but None, or ``data``: bytes, text (sent as UTF-8), or names and values
    (sent as a form). ``json_data`` and ``body`` are other names of these two. ``timeout`` is seconds for the
    whole exchange, redirects and body included.

    Raises `PermissionDenied`, `Timeout`, `ConnectionFailed`, `InvalidRequest` or `ResponseTooLarge`, all
    of them `HttpError`.
    """
    text = build_request(method, url, **options)
    try:
        return read_response(send(text))
    except RequestFailure as error:
        raise failure(error.reason, error.message) from None


def get(url: str, **options: Unpack[Options]) -> Response:
    """Sends a GET request; the options are those of `request`."""
    return request("GET", url, **options)


def head(url: str, **options: Unpack[Options]) -> Response:
    """Sends a HEAD request; the options are those of `request`."""
    return request("HEAD", url, **options)


def post(url: str, **options: Unpack[Options]) -> Response:
    """Sends a POST request; the options are those of `request`."""
    return request("POST", url, **options)


def put(url: str, **options: Unpack[Options]) -> Response:
    """Sends a PUT request; the options are those of `request`."""
    return request("PUT", url, **options)


def patch(url: str, **options: Unpack[Options]) -> Response:
    """Sends a PATCH request; the options are those of `request`."""
    return request("PATCH", url, **options)


def delete(url: str, **options: Unpack[Options]) -> Response:
    """Sends a DELETE request; the options are those of `request`."""
    return request("DELETE", url, **options)


def build_request(
    method: str,
    url: str,
    *,
    params: Pairs | str | None = None,
    data: bytes | str | Pairs | None = None,
    json: Any = None,
    body: bytes | str | Pairs | None = None,
    json_data: Any = None,
    headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    timeout: float | None = None,
    allow_redirects: bool = True,
) -> str:
    """The request as JSON text of the contract's interface ``http``. Raises `InvalidRequest`."""
    json = _either("json", json, "json_data", json_data)
    content, content_type = _body(_either("data", data, "body", body), json)
    pairs = [(str(name), value) for name, value in _pairs(headers or ())]
    for name, value in pairs:
        if not isinstance(value, str):
            raise InvalidRequest(f"the header {name} is not a string")
    given = {name.lower() for name, _ in pairs}
    defaults = {"User-Agent": USER_AGENT, "Accept": "*/*", "Content-Type": content_type}
    pairs += [(name, value) for name, value in defaults.items() if value and name.lower() not in given]
    if timeout is not None and not 0 < timeout < math.inf:
        raise InvalidRequest(f"the timeout {timeout!r} is not a positive number of seconds")
    return _json.dumps(
        {
            "method": method,
            "url": _with_params(url, params),
            "headers": pairs,
            "body": None if content is None else base64.b64encode(content).decode("ascii"),
            "timeout": timeout,
            "redirects": bool(allow_redirects),
        }
    )


def read_response(text: str) -> Response:
    """The response that the contract's JSON text describes."""
    fields = _json.loads(text)
    return Response(
        fields["status"],
        fields["reason"],
        fields["url"],
        Headers((name, value) for name, value in fields["headers"]),
        base64.b64decode(fields["body"]),
    )


def failure(reason: str, message: str) -> HttpError:
    """The exception for a failure of the contract's interface ``http``."""
    kinds: dict[str, type[HttpError]] = {
        "denied": PermissionDenied,
        "invalid-request": InvalidRequest,
        "timeout": Timeout,
        "too-large": ResponseTooLarge,
    }
    return kinds.get(reason, ConnectionFailed)(message)


def _pairs(value: Pairs) -> list[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else value
    try:
        return [(name, content) for name, content in items]
    except (TypeError, ValueError):
        raise InvalidRequest("neither a mapping nor pairs of name and value") from None


def _encoded(value: Pairs) -> str:
    try:
        return urlencode([(name, item) for name, item in _pairs(value) if item is not None], doseq=True)
    except UnicodeEncodeError:
        raise InvalidRequest("text that is not Unicode can't be sent") from None


def _with_params(url: str, params: Pairs | str | None) -> str:
    query = params if isinstance(params, str) else _encoded(params or ())
    if not query:
        return url
    address, mark, fragment = url.partition("#")
    separator = "" if address.endswith(("?", "&")) else "&" if "?" in address else "?"
    return f"{address}{separator}{query}{mark}{fragment}"


def _either(name: str, value: Any, other_name: str, other: Any) -> Any:
    if value is not None and other is not None:
        raise InvalidRequest(f"{name} and {other_name} are two names of one thing: a request has one of them")
    return other if value is None else value


def _body(data: bytes | str | Pairs | None, json: object) -> tuple[bytes | None, str | None]:
    if json is not None:
        if data is not None:
            raise InvalidRequest("a request has either json or data")
        try:
            return _json.dumps(json, allow_nan=False).encode("utf-8"), "application/json"
        except (TypeError, ValueError, RecursionError) as error:
            raise InvalidRequest(f"json: {error}") from None
    if data is None:
        return None, None
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data), None
    if isinstance(data, str):
        try:
            return data.encode("utf-8"), None
        except UnicodeEncodeError:
            raise InvalidRequest("text that is not Unicode can't be sent") from None
    return _encoded(data).encode("ascii"), "application/x-www-form-urlencoded"
