"""One connection's bytes: HTTP/1.1 requests in, HTTP/1.1 responses out."""

from __future__ import annotations

import base64
import errno
import json
import re

from ... import http
from .. import host

TLS_MARKER = b"\x16capsule-tls\n"
"""What the stand-in for TLS sends instead of a handshake."""

_REQUEST_LINE = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) HTTP/1\.[01]\r\n")
_MOST_HEAD = 1 << 20
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "expect"}
)
_REFRAMED = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection", "keep-alive"})


class NotHttp(OSError):
    """Something other than HTTP was to be sent."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EPROTONOSUPPORT, f"{what}: only HTTP requests can leave a sandbox")


NotHttp.__name__ = NotHttp.__qualname__ = "OSError"
NotHttp.__module__ = "builtins"


class Exchange:
    """Takes what a client sends to ``host:port``, and says what the host is to be asked.

    ``timeout`` is the client's, in seconds, None for none. ``used`` is whether anything was sent yet.
    """

    def __init__(self, server: str, port: int) -> None:
        self.server = server
        self.port = port
        self.tls = False
        self.timeout: float | None = None
        self._sent = bytearray()
        self._method = ""
        self.used = False

    def feed(self, data: bytes) -> None:
        """Takes bytes that the client sends."""
        self.used = True
        self._sent += data
        if self._sent.startswith(TLS_MARKER):
            self.tls = True
            del self._sent[: len(TLS_MARKER)]

    def waiting(self) -> bool:
        """Whether the client has sent something that was not asked of the host yet."""
        return bool(self._sent)

    def expects_continue(self) -> bool:
        """Whether the client waits for leave to send its body."""
        head = bytes(self._sent[: self._sent.find(b"\r\n\r\n") + 1]).lower()
        return b"\nexpect: 100-continue\r" in head

    def next_request(self) -> str | None:
        """The next whole request, as the contract's JSON; None when more has yet to come.

        Raises `NotHttp` for bytes that are no HTTP request.
        """
        if not self._sent:
            return None
        line = _REQUEST_LINE.match(self._sent)
        if line is None:
            if b"\n" in self._sent or len(self._sent) > 65536 or not self._sent[:1].isalpha():
                raise NotHttp("these bytes are no HTTP request")
            return None
        head_end = self._sent.find(b"\r\n\r\n")
        if head_end < 0:
            if len(self._sent) > _MOST_HEAD:
                raise NotHttp("the request's headers do not end")
            return None
        headers = _headers(bytes(self._sent[line.end() : head_end]))
        whole = self._body(head_end + 4, headers)
        if whole is None:
            return None
        body, end = whole
        method, target = line[1].decode("ascii"), line[2].decode("latin-1")
        del self._sent[:end]
        self._method = method
        return json.dumps(
            {
                "method": method,
                "url": self._url(method, target),
                "headers": [
                    [name, value]
                    for name, value in headers
                    if name.lower() not in _HOP_BY_HOP
                    and name.lower() not in ("host", "content-length", "transfer-encoding")
                ],
                "body": base64.b64encode(body).decode("ascii") if body else None,
                "timeout": self.timeout or None,
                "redirects": False,
            }
        )

    def _body(self, start: int, headers: list[tuple[str, str]]) -> tuple[bytes, int] | None:
        named = {name.lower(): value for name, value in headers}
        if "chunked" in named.get("transfer-encoding", "").lower():
            return _unchunk(self._sent, start)
        try:
            length = int(named.get("content-length", "0"))
        except ValueError:
            raise NotHttp("Content-Length is no number") from None
        end = start + max(0, length)
        return (bytes(self._sent[start:end]), end) if len(self._sent) >= end else None

    def _url(self, method: str, target: str) -> str:
        if method == "CONNECT":
            raise NotHttp("a proxy can't be used, the host makes the connection")
        if "://" in target:
            return target
        scheme, usual = ("https", 443) if self.tls else ("http", 80)
        server = f"[{self.server}]" if ":" in self.server else self.server
        port = "" if self.port == usual else f":{self.port}"
        return f"{scheme}://{server}{port}{target}"

    def respond(self, response: str) -> bytes:
        """The host's response as the bytes of a server."""
        answer = json.loads(response)
        status = int(answer["status"])
        body = base64.b64decode(answer.get("body") or "")
        lines = [f"HTTP/1.1 {status} {_clean(answer.get('reason') or '')}"]
        bodiless = self._method == "HEAD" or status in (204, 304) or status < 200
        for name, value in answer["headers"]:
            # The body comes decoded and whole, so what the server said of its framing is no longer true.
            if name.lower() not in _REFRAMED or (bodiless and name.lower() == "content-length"):
                lines.append(f"{_clean(name)}: {_clean(value)}")
        if bodiless:
            body = b""
        else:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode("utf-8", "replace") + body


def failed(failure: host.HttpFailure) -> OSError:
    """The exception that task code sees for a request which the host did not make."""
    return http.failure(failure.reason, failure.message)


def _headers(head: bytes) -> list[tuple[str, str]]:
    found = []
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            found.append((name.strip(), value.strip()))
    return found


def _unchunk(sent: bytearray, at: int) -> tuple[bytes, int] | None:
    body = bytearray()
    while True:
        line_end = sent.find(b"\r\n", at)
        if line_end < 0:
            return None
        try:
            size = int(bytes(sent[at:line_end]).partition(b";")[0], 16)
        except ValueError:
            raise NotHttp("a chunk has no size") from None
        at = line_end + 2
        if size == 0:
            end = sent.find(b"\r\n", at)
            while end > at:  # trailers
                at = end + 2
                end = sent.find(b"\r\n", at)
            return None if end < 0 else (bytes(body), end + 2)
        if len(sent) < at + size + 2:
            return None
        body += sent[at : at + size]
        at += size + 2


def _clean(text: str) -> str:
    return str(text).replace("\r", " ").replace("\n", " ")
