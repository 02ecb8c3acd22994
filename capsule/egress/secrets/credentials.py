"""Puts the values of secrets into requests, and takes them out of responses: one task's part in it.

It is asked at every hop of a redirect chain, with the request as the guest wrote it, so that a value which
went to one host is never a part of what goes to the next.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass, replace
from urllib.parse import quote_plus, unquote

from capsule.egress.policy import Target, is_loopback
from capsule.egress.secrets.vault import Held, Vault
from capsule.egress.wire import (
    MAX_BODY_BYTES,
    MAX_HEADERS_LENGTH,
    HttpRequest,
    HttpResponse,
    RequestFailure,
    quoted,
)
from capsule.policy.secrets import Place

_BASIC = re.compile(r"(basic +)([A-Za-z0-9+/]+={0,2})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TaskCredentials:
    """The secrets that one task may use, ``names``; ``task`` says which task that is, and where."""

    vault: Vault
    names: tuple[str, ...]
    task: str

    def fill(self, request: HttpRequest, target: Target) -> HttpRequest:
        """The request as it is sent to this target: with values in the place of placeholders.

        Raises `RequestFailure` (``denied``, rule ``secrets``) for a placeholder where none may be.
        """
        self._check_address(request)
        if any(name.lower() == "range" for name, _ in request.headers):
            self._refuse_range(target)
        headers = tuple((name, self._header(name, content, target)) for name, content in request.headers)
        if headers != request.headers and _length(headers) > MAX_HEADERS_LENGTH:
            raise RequestFailure(
                "too-large",
                f"with its secrets, the request's headers have over {MAX_HEADERS_LENGTH} characters",
            )
        return replace(request, headers=headers, body=self._body(request, target))

    def clear(self, response: HttpResponse, target: Target) -> HttpResponse:
        """The response without values: where one was echoed, its placeholder is again."""
        coded = any(
            name.lower() == "content-encoding" and content.strip().lower() not in ("", "identity")
            for name, content in response.headers
        )
        if coded and response.body:
            for held in self.vault.held.values():
                if held.allow.admits(target):
                    message = (
                        f"the response is encoded in a way that can't be searched for {held.described}, "
                        f"which {quoted(target.host)} may know"
                    )
                    raise _denied(message)
        echoed = self.vault.echoed
        body = echoed.data(response.body, MAX_BODY_BYTES)
        if body is None:
            message = f"with its secrets masked, the response has over {MAX_BODY_BYTES} bytes"
            raise RequestFailure("too-large", message)
        return replace(
            response,
            reason=echoed.text(response.reason),
            headers=tuple(
                (echoed.text(name), echoed.text(content))
                for name, content in response.headers
                if body == response.body or name.lower() != "content-length"
            ),
            body=body,
        )

    def mask(self, message: str) -> str:
        """A message without values, for the guest and the journal."""
        return self.vault.shown.text(message)

    def _check_address(self, request: HttpRequest) -> None:
        address = unquote(request.url).lower()
        names = [name.lower() for name, _ in request.headers]
        for held in self.vault.held.values():
            if held.placeholder in address:
                raise _denied(f"{held.described} can't be a part of a URL: send it in a header")
            if any(held.placeholder in name for name in names):
                raise _denied(f"{held.described} can't be a part of a header's name")

    def _refuse_range(self, target: Target) -> None:
        for held in self.vault.held.values():
            if held.allow.admits(target):
                raise _denied(
                    f"no Range header can be sent to {quoted(target.host)}, which may know {held.described}: "
                    "parts of a response can't be searched for it"
                )

    def _header(self, name: str, content: str, target: Target) -> str:
        if name.lower() == "authorization":
            basic = _BASIC.fullmatch(content)
            if basic is not None:
                return basic[1] + self._basic(basic[2], target)
        for held in self._permitted(content.encode(), "headers", target):
            size = len(content) + content.count(held.placeholder) * (len(held.value) - len(held.placeholder))
            if size > MAX_HEADERS_LENGTH:
                message = f"with its secrets, the header {name} has over {MAX_HEADERS_LENGTH} characters"
                raise RequestFailure("too-large", message)
            content = content.replace(held.placeholder, held.value)
        return content

    def _basic(self, encoded: str, target: Target) -> str:
        try:
            plain = base64.b64decode(encoded, validate=True).decode("latin-1")
        except (binascii.Error, ValueError):
            return encoded
        filled = self._header("", plain, target)
        return encoded if filled == plain else base64.b64encode(filled.encode("latin-1")).decode()

    def _body(self, request: HttpRequest, target: Target) -> bytes:
        body = request.body
        for held in self._permitted(body, "body", target):
            old, new = held.placeholder.encode(), _written(held.value, request).encode()
            if len(body) + body.count(old) * (len(new) - len(old)) > MAX_BODY_BYTES:
                message = f"with its secrets, the request's body has over {MAX_BODY_BYTES} bytes"
                raise RequestFailure("too-large", message)
            body = body.replace(old, new)
        return body

    def _permitted(self, content: bytes, place: Place, target: Target) -> list[Held]:
        """The secrets whose placeholders are there; raises `RequestFailure` when one may not be."""
        found = [held for held in self.vault.held.values() if held.placeholder.encode() in content]
        for held in found:
            secret = held.secret
            if secret.name not in self.names:
                raise _denied(f"{self.task} doesn't name {held.described} in its secrets")
            if not held.allow.admits(target):
                raise _denied(
                    f"{held.described} can't go to {quoted(target.host)}: its hosts are {held.allow}"
                )
            if target.scheme == "http" and not secret.allow_http and not is_loopback(target):
                message = f"{held.described} can't go to {quoted(target.host)} over http, only over https"
                raise _denied(f"{message}; allow_http = true allows it")
            if place not in secret.places:
                raise _denied(
                    f'{held.described} can\'t be in the {place} of a request; in = ["{place}"] allows it'
                )
        return found


def _written(value: str, request: HttpRequest) -> str:
    """A value as the body's type writes it, so that it can't become anything but a value there."""
    kind = next((content for name, content in request.headers if name.lower() == "content-type"), "").lower()
    if "json" in kind:
        return json.dumps(value)[1:-1]
    return quote_plus(value) if "x-www-form-urlencoded" in kind else value


def _length(headers: tuple[tuple[str, str], ...]) -> int:
    return sum(len(name) + len(content) for name, content in headers)


def _denied(message: str) -> RequestFailure:
    return RequestFailure("denied", message, rule="secrets")
