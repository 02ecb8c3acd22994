"""What two lists of grants have in common: how a ceiling narrows a declaration.

Each function returns what *both* lists allow, and the first list itself when the second allows all of
it. A list allows what any of its entries allows, so a read-only entry below a writable one takes
nothing away: a guest could write there through the upper folder.
"""

from __future__ import annotations

from capsule.policy.model import FileGrant

Files = tuple[FileGrant, ...]
Names = tuple[str, ...]


def common_files(first: Files, second: Files) -> Files:
    """The folders that both lists allow, writable where both are."""
    if all(any(_allows(other, one) for other in second) for one in first):
        return first
    found: dict[str, bool] = {}
    for one in first:
        for other in second:
            path = _deeper(one.path, other.path)
            if path is not None:
                found[path] = found.get(path, False) or (one.writable and other.writable)
    grants = [FileGrant(path, writable) for path, writable in found.items()]
    return tuple(
        grant for grant in grants if not any(other != grant and _allows(other, grant) for other in grants)
    )


def common_folders(first: Names, second: Names) -> Names:
    """The folders that lie in both lists of folders."""
    both = common_files(
        tuple(FileGrant(path, True) for path in first), tuple(FileGrant(path, True) for path in second)
    )
    return tuple(grant.path for grant in both)


def common_hosts(first: Names, second: Names) -> Names:
    """The host patterns that both lists allow.

    ``*`` is the public internet. It has nothing in common with ``localhost``, nor with an address,
    public or not: a ceiling has to name those. A name may still resolve to an address that is not
    public, and only the one who connects can tell: check the connection against both lists.
    """
    if all(any(_common_host(one, other) == one for other in second) for one in first):
        return first
    common = (_common_host(one, other) for one in first for other in second)
    return tuple(dict.fromkeys(host for host in common if host is not None))


def common_names(first: Names, second: Names) -> Names:
    """The names that are in both lists, in the order of the first."""
    return tuple(name for name in first if name in second)


def _allows(grant: FileGrant, other: FileGrant) -> bool:
    return grant.writable >= other.writable and _deeper(grant.path, other.path) == other.path


def _deeper(path: str, other: str) -> str | None:
    """The one of two paths that lies in the other; None when neither does."""
    if other == "." or path == other or path.startswith(other + "/"):
        return path
    return other if path == "." or other.startswith(path + "/") else None


def _common_host(one: str, other: str) -> str | None:
    host, port = _split(one)
    other_host, other_port = _split(other)
    if port and other_port and port != other_port:
        return None
    if _within(host, other_host):
        narrower = host
    elif _within(other_host, host):
        narrower = other_host
    else:
        return None
    both = port or other_port
    return f"{narrower}:{both}" if both else narrower


def _within(host: str, pattern: str) -> bool:
    """Whether all that ``host`` stands for is within ``pattern``."""
    if host == pattern:
        return True
    if pattern == "*":
        return _may_be_public(host)
    return pattern.startswith("*.") and host.removeprefix("*").endswith(pattern[1:])


def _split(pattern: str) -> tuple[str, str]:
    host, colon, port = pattern.rpartition(":")
    return (host, port) if colon and not port.endswith("]") else (pattern, "")


def _may_be_public(host: str) -> bool:
    # The parser lets a last label of digits through in IPv4 addresses only.
    is_address = host.startswith("[") or host.rpartition(".")[2].isdigit()
    return not is_address and host != "localhost" and not host.endswith(".localhost")
