"""Where a remote is: the addresses that can be used, and why others can't."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from capsule_cache.errors import StoreError

SCHEMES = ("file", "http", "https", "s3")
_LONGEST = 1024


class BadUrl(StoreError):
    """No remote can be at this address."""


@dataclass(frozen=True, slots=True)
class RemoteUrl:
    """A checked address. ``base`` is what an entry's name is put behind: a URL, a path, or bucket/prefix."""

    scheme: str
    base: str
    host: str

    @property
    def secret_safe(self) -> bool:
        """Whether credentials may be sent there: over TLS, or to this very machine."""
        if self.scheme == "https":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        return self.base if self.scheme in ("http", "https") else f"{self.scheme}://{self.base}"


def parse_url(text: str) -> RemoteUrl:
    """Checks an address. Raises `BadUrl`, which never repeats what may be a password."""
    if len(text) > _LONGEST or not text.isprintable() or " " in text:
        raise BadUrl("not an address", hint=_examples())
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise BadUrl("not an address", hint=_examples()) from None
    if parts.scheme not in SCHEMES:
        raise BadUrl(f"no address that starts with {' or '.join(SCHEMES)}", hint=_examples())
    if "@" in parts.netloc:
        raise BadUrl(
            "a name or password doesn't belong into the address",
            hint="set CAPSULE_CACHE_AUTHORIZATION, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3://",
        )
    if parts.query or parts.fragment or "?" in text or "#" in text:
        raise BadUrl("an address with ? or #", hint=_examples())
    if ".." in parts.path.split("/"):
        raise BadUrl("an address with ..", hint=_examples())
    path = parts.path.rstrip("/")
    match parts.scheme:
        case "file":
            if parts.netloc or not path.startswith("/"):
                raise BadUrl("file:// needs a whole path", hint='remote = "file:///srv/capsule-cache"')
            return RemoteUrl("file", path, "")
        case "s3":
            if not re.fullmatch("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", parts.netloc):
                raise BadUrl("not the name of a bucket", hint='remote = "s3://my-bucket/capsule"')
            return RemoteUrl("s3", parts.netloc + path, "")
        case scheme:
            if not host:
                raise BadUrl("an address without a host", hint=_examples())
            shown = f"[{host}]" if ":" in host else host
            authority = shown if port is None else f"{shown}:{port}"
            return RemoteUrl(scheme, f"{scheme}://{authority}{path}", host)


def _examples() -> str:
    return "use file:///srv/cache, https://cache.example.com/capsule or s3://my-bucket/capsule"
