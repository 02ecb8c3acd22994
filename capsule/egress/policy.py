"""Which requests a task may make: the one module that decides.

A URL is parsed once, by `parse_url`; the `Target` that comes of it is what is checked, and what the
request is then sent to. There is no second reading of the URL that could see another host in it.

What the entries of ``allowed_hosts`` admit, on http and https alike:

=====================  ===================================================================================
``api.example.com``    this host; not its sub-domains
``*.example.com``      its sub-domains, at any depth; not ``example.com`` itself
``10.1.2.3``           this address; IPv6 as ``::1`` or ``[::1]``
``*``                  the public internet
``<any of these>:80``  the same on this port only (``[::1]:80`` for IPv6); without a port, on every port
=====================  ===================================================================================

Addresses that are not of the public internet (loopback, private, link-local with the clouds' metadata
services, shared, multicast, reserved, and the IPv6 forms that carry such an address) are open only to
those who are named: a host that an entry spells out may have any address, and an address that an entry
spells out may be reached through any admitted host. ``*`` and ``*.example.com`` name nobody, so a name
that they admit must resolve to public addresses, all of them. ``localhost`` and ``*.localhost`` count
as addresses that are not public.

Hosts are compared in one form: lower case, IDNs as punycode (IDNA 2003), no trailing dot, and IPv4
addresses in every spelling that an operating system accepts (``127.1``, ``0x7f000001``,
``017700000001``, ``::ffff:127.0.0.1``) as four decimal numbers.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias
from urllib.parse import quote

from capsule.egress.wire import MAX_URL_LENGTH, RequestFailure, quoted
from capsule.errors import PolicyError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

DEFAULT_PORTS = {"http": 80, "https": 443}

# From the IANA registries of special-purpose addresses, kept here because the answers of
# `ipaddress.is_global` differ between Python releases.
_SPECIAL = tuple(
    (ipaddress.ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared (carrier-grade NAT)"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),  # public by its number, but a platform's own service
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "reserved"),
        ("192.88.99.0/24", "reserved"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "reserved"),
        ("198.51.100.0/24", "reserved"),
        ("203.0.113.0/24", "reserved"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::1/128", "loopback"),
        ("::/128", "unspecified"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "reserved"),
        ("3fff::/20", "reserved"),
    )
)
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_URL = re.compile(r"(https?)://([^/?#]*)([^#]*)(?:#.*)?", re.ASCII | re.IGNORECASE | re.DOTALL)
_AUTHORITY = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]{0,5}))?")
_NEVER_IN_URL = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|^\s|\s$")
_LABEL = re.compile(r"[a-z0-9_-]{1,63}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# What RFC 3986 allows in a path and a query; "%" stays as it is, for it is the sender's own encoding.
_PATH_CHARACTERS = "/?:@!$&'()*+,;=-._~%[]"


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes, read from a URL. ``path`` includes the query, percent-encoded."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def address(self) -> Address | None:
        """The host as an address; None when it is a name."""
        return _address(self.host)

    @property
    def authority(self) -> str:
        """Host and port as the ``Host`` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def origin(self) -> tuple[str, str, int]:
        """What credentials are bound to."""
        return self.scheme, self.host, self.port

    @property
    def url(self) -> str:
        """The whole URL, in its one form."""
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def display(self) -> str:
        """The URL for logs: without its query, which may hold secrets."""
        return self.url.partition("?")[0]


@dataclass(frozen=True, slots=True)
class _Pattern:
    kind: Literal["any", "subdomains", "exact"]
    host: str
    port: int | None

    def admits(self, target: Target) -> bool:
        if self.port is not None and self.port != target.port:
            return False
        match self.kind:
            case "any":
                return True
            case "subdomains":
                return target.host.endswith(f".{self.host}")
            case "exact":
                return target.host == self.host

    def names(self, host: str, port: int) -> bool:
        return self.kind == "exact" and self.host == host and self.port in (None, port)


@dataclass(frozen=True, slots=True)
class AllowList:
    """The hosts that a task may reach: the entries of ``allowed_hosts``.

    Denials call it ``name``, and say after it ``whose`` it is.

    Raises `PolicyError` for an entry that is none of the forms that the module describes.
    """

    patterns: tuple[str, ...]
    name: str = field(default="allowed_hosts", repr=False)
    whose: str = field(default="", repr=False)
    _parsed: tuple[_Pattern, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_parsed", tuple(_parse_pattern(pattern) for pattern in self.patterns))

    def check_url(self, url: str) -> Target:
        """Where this URL leads, if a request may be sent there.

        Raises `RequestFailure`: ``invalid-request`` for what isn't an absolute http or https URL,
        ``denied`` for a host or address that the list does not admit.
        """
        target = parse_url(url)
        if not self.admits(target):
            by_port = any(pattern.host == target.host for pattern in self._parsed)
            port = f" on port {target.port}" if by_port else ""
            raise RequestFailure("denied", f'host "{target.host}"{port} is not in {self._rule}')
        if target.address is not None:
            self.check_addresses(target, (target.host,))
        elif _is_local_name(target.host) and not self._names(target.host, target.port):
            raise RequestFailure("denied", self._not_public(f'host "{target.host}" is this machine'))
        return target

    def admits(self, target: Target) -> bool:
        """Whether an entry is for this host and port; what address the host has is not looked at."""
        return any(pattern.admits(target) for pattern in self._parsed)

    def check_addresses(self, target: Target, addresses: Iterable[str]) -> tuple[str, ...]:
        """The addresses that a host resolved to, in their one form, if a request may go to each of them.

        Raises `RequestFailure` (``denied``) when one is not open to this target. The message says of what
        kind the address is, not which it is: a sandbox is not to learn a network's inner addresses.
        """
        checked = []
        for text in addresses:
            address = _address(text)
            if address is None:
                raise RequestFailure(
                    "denied", f'host "{target.host}" has an address with a zone, or none at all'
                )
            kind = special_kind(address)
            if (
                kind
                and not self._names(target.host, target.port)
                and not self._names(str(address), target.port)
            ):
                subject = (
                    f'address "{target.host}" is {kind}'
                    if target.address is not None
                    else f'host "{target.host}" resolves to an address that is {kind}'
                )
                raise RequestFailure("denied", self._not_public(subject))
            checked.append(str(address))
        return tuple(checked)

    def _names(self, host: str, port: int) -> bool:
        return any(pattern.names(host, port) for pattern in self._parsed)

    def _not_public(self, subject: str) -> str:
        return f"{subject}, not of the public internet, and {self._rule} does not name it"

    @property
    def _rule(self) -> str:
        return f"{self.name} {self}{' ' if self.whose else ''}{self.whose}"

    def __str__(self) -> str:
        shown = ", ".join(quoted(pattern) for pattern in self.patterns[:8])
        more = len(self.patterns) - 8
        return f"[{shown}, and {more} more]" if more > 0 else f"[{shown}]"


def parse_url(url: str) -> Target:
    """Reads an absolute http or https URL, strictly.

    User names and passwords, backslashes, control characters, percent-encoded hosts, IPv6 zones and port
    0 are refused. A fragment is dropped. Characters of the path and query that can't be sent as they are
    get percent-encoded as UTF-8. Raises `RequestFailure` (``invalid-request``).
    """
    if len(url) > MAX_URL_LENGTH:
        raise _invalid(f"the URL is longer than {MAX_URL_LENGTH} characters")
    if _NEVER_IN_URL.search(url):
        raise _invalid(f"the URL {quoted(url)} has a backslash, a control character or space around it")
    parts = _URL.fullmatch(url)
    if parts is None:
        raise _invalid(f"{quoted(url)} is not an absolute http or https URL")
    scheme, authority, path = parts[1].lower(), parts[2], parts[3]
    if "@" in authority:
        raise _invalid("a user name or password in a URL is not supported; send an Authorization header")
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        raise _invalid(f"{quoted(authority)} is not a host, or host:port")
    port = int(place[2]) if place[2] else DEFAULT_PORTS[scheme]
    if not 0 < port < 65536:
        raise _invalid(f"{port} is not a port")
    try:
        encoded = quote(path if path.startswith("/") else f"/{path}", safe=_PATH_CHARACTERS)
    except UnicodeEncodeError:
        raise _invalid("the URL has a character that is not Unicode text") from None
    return Target(scheme, _canonical_host(place[1]), port, encoded)


def special_kind(address: Address) -> str | None:
    """What sets an address apart from the public internet ("loopback", "private", ...), or None."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return special_kind(inner)
    for network, kind in _SPECIAL:
        if address in network:
            return kind
    if address.version == 6 and address not in _GLOBAL_UNICAST:
        return "reserved"
    return None


def is_loopback(target: Target) -> bool:
    """Whether a request to this target stays on this machine, by what its URL says."""
    if target.address is None:
        return _is_local_name(target.host)
    return special_kind(target.address) == "loopback"


def _invalid(message: str) -> RequestFailure:
    return RequestFailure("invalid-request", message)


def _address(text: str) -> Address | None:
    if "%" in text:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # The operating system connects to a mapped address over IPv4: it is that IPv4 address.
    return getattr(address, "ipv4_mapped", None) or address


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def _canonical_host(text: str) -> str:
    if text.startswith("["):
        address = _address(text[1:-1])
        if address is None or ":" not in text:
            raise _invalid(f"{quoted(text)} is not an IPv6 address")
        return str(address)
    # The codec takes quadratic time, so the length comes first.
    if not 0 < len(text) <= 255 or "%" in text:
        raise _invalid(f"{quoted(text)} is not a host name")
    try:
        host = text.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError:
        raise _invalid(f"{quoted(text)} is not a host name") from None
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _invalid(f"{quoted(text)} is not a host name")
    if _NUMBER.fullmatch(labels[-1]):
        return _canonical_ipv4(host, labels)
    return host


def _canonical_ipv4(host: str, labels: list[str]) -> str:
    # The rules of inet_aton, which getaddrinfo follows: one to four numbers, the last fills the rest.
    try:
        numbers = [_number(label) for label in labels]
    except ValueError:
        raise _invalid(f"{quoted(host)} is not an IPv4 address") from None
    *first, last = numbers
    if len(first) > 3 or any(number > 255 for number in first) or last >= 256 ** (4 - len(first)):
        raise _invalid(f"{quoted(host)} is not an IPv4 address")
    value = last + sum(number << (24 - 8 * place) for place, number in enumerate(first))
    return str(ipaddress.IPv4Address(value))


def _number(label: str) -> int:
    if not _NUMBER.fullmatch(label):
        raise ValueError(label)
    if label.startswith("0x"):
        return int(label, 16)
    return int(label, 8 if label.startswith("0") else 10)


def _parse_pattern(text: str) -> _Pattern:
    error = PolicyError(
        f"allowed_hosts: {quoted(text)} is not a host",
        hint='write a host ("api.example.com"), its sub-domains ("*.example.com"), one port '
        '("api.example.com:8443"), an address, or "*" for the public internet',
    )
    bracketed = f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text
    place = _AUTHORITY.fullmatch(bracketed)
    if place is None or place[2] == "":
        raise error
    host, port = place[1], int(place[2]) if place[2] else None
    if port is not None and not 0 < port < 65536:
        raise error
    if host == "*":
        return _Pattern("any", "*", port)
    subdomains = host.startswith("*.")
    try:
        canonical = _canonical_host(host.removeprefix("*."))
    except RequestFailure:
        raise error from None
    if subdomains and _address(canonical) is not None:
        raise error
    return _Pattern("subdomains" if subdomains else "exact", canonical, port)
