"""Lists of what a task may reach: folders, hosts, environment variables, secrets.

The parsers follow the rules of `capsule.policy.sizes`. Results are canonical: parsing what a parser
returned gives the same again. An entry that appears twice is kept once.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from capsule.errors import Location
from capsule.policy.model import FileGrant
from capsule.policy.problems import invalid, show

MAX_ENTRIES = 1000
"""The longest list; far beyond use, so that hostile input stays cheap."""

MAX_PATH = 4096
MAX_ENV_NAME = 255

MODES = {"read-write": True, "rw": True, "read-only": False, "ro": False}

_ENV_NAME = "[A-Za-z_][A-Za-z0-9_]*"
_TOOL_NAME = "[A-Za-z][A-Za-z0-9_]*"
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"


def parse_files(value: object, option: str, location: Location | None = None) -> tuple[FileGrant, ...]:
    """Folders from a list of paths and of ``{"path": ..., "mode": ...}``.

    Modes are read-write (rw), which is the default, and read-only (ro). A folder that is listed with
    both is an error.
    """
    grants: dict[str, FileGrant] = {}
    for item in _items(value, option, 'a list of folders such as ["./data", "./output"]', location):
        grant = _grant(item, option, location)
        if grants.setdefault(grant.path, grant) != grant:
            problem = f"the folder {show(grant.path)} is listed with two modes"
            raise invalid(option, value, problem, "each folder once", location)
    return tuple(grants.values())


def parse_path(value: object, option: str, location: Location | None = None) -> str:
    """A path below the project root, as ``data/in`` (or ``.`` for the root itself), from ``./data/in/``.

    Absolute paths, ``..``, backslashes, drive letters, ``~`` and control characters are errors.
    Symbolic links are not looked at here: whoever opens the folder checks them.
    """
    accepted = 'a path relative to the project root with forward slashes, such as "./data"'
    if not isinstance(value, str):
        raise invalid(option, value, "not a path", accepted, location)
    parts = [part for part in value[: MAX_PATH + 1].split("/") if part not in ("", ".")]
    problem = None
    if not value:
        problem = "the path is empty"
    elif len(value) > MAX_PATH:
        problem = f"the path is longer than {MAX_PATH} characters"
    elif value.startswith("/") or re.match("[A-Za-z]:", "/".join(parts)):
        problem = "the path is absolute"
    elif ".." in parts:
        problem = 'the path contains ".."'
    elif "\\" in value:
        problem = "the path contains a backslash"
    elif parts and parts[0].startswith("~"):
        problem = '"~" is not the home folder here'
    elif not value.isprintable():
        problem = "the path contains a character that can't be printed"
    if problem:
        raise invalid(option, value, problem, accepted, location)
    return "/".join(parts) or "."


def parse_hosts(value: object, option: str, location: Location | None = None) -> tuple[str, ...]:
    """Host patterns: ``*``, ``*.example.com``, names and addresses; all of them may have a ``:port``.

    They come back lower-case and in punycode, without a trailing dot, IPv6 addresses in brackets and
    in their short form (``[::1]:8080``).
    """
    items = _items(value, option, 'a list of hosts such as ["api.example.com", "*.example.org"]', location)
    return tuple(dict.fromkeys(_host_pattern(item, option, location) for item in items))


def parse_env(value: object, option: str, location: Location | None = None) -> tuple[str, ...]:
    """Names of environment variables: letters, digits and underscores, not starting with a digit."""
    accepted = 'a list of names such as ["API_KEY"]'
    return _names(value, option, location, accepted, is_env_name, "an environment variable")


def parse_secrets(value: object, option: str, location: Location | None = None) -> tuple[str, ...]:
    """Names of secrets, which are names of environment variables: a task finds its placeholders there."""
    accepted = 'a list of names of [secrets] in capsule.toml, such as ["OPENAI_KEY"]'
    return _names(value, option, location, accepted, is_env_name, "a secret")


def parse_tools(value: object, option: str, location: Location | None = None) -> tuple[str, ...]:
    """Names of host tools: functions that whoever starts the run hands over."""
    accepted = 'a list of names of functions such as ["search"]'
    return _names(value, option, location, accepted, is_tool_name, "a tool")


def _names(
    value: object,
    option: str,
    location: Location | None,
    accepted: str,
    is_name: Callable[[object], bool],
    what: str,
) -> tuple[str, ...]:
    names = _items(value, option, accepted, location)
    for name in names:
        if not is_name(name):
            raise invalid(option, name, f"not the name of {what}", accepted, location)
    return tuple(dict.fromkeys(names))


def is_tool_name(name: object) -> bool:
    """Whether this can be the name of a host tool: a public identifier, in ASCII."""
    return isinstance(name, str) and len(name) <= MAX_ENV_NAME and re.fullmatch(_TOOL_NAME, name) is not None


def is_env_name(name: object) -> bool:
    """Whether this can be the name of an environment variable that a task declares."""
    return isinstance(name, str) and len(name) <= MAX_ENV_NAME and re.fullmatch(_ENV_NAME, name) is not None


def _items(
    value: object, option: str, accepted: str, location: Location | None
) -> list[Any] | tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise invalid(option, value, "not a list", accepted, location)
    if len(value) > MAX_ENTRIES:
        problem = f"a list of {len(value)} entries; {MAX_ENTRIES} is the most"
        raise invalid(option, value, problem, accepted, location)
    return value


def _grant(item: object, option: str, location: Location | None) -> FileGrant:
    if isinstance(item, str) and (path := item.rpartition(":"))[2] in MODES:
        # As mounts have it. Taken as a path it would be another folder, that nobody has.
        mode = "read-write" if MODES[path[2]] else "read-only"
        import json  # for an error only: settings are read at every start

        accepted = json.dumps({"path": path[0], "mode": mode}, ensure_ascii=False)
        raise invalid(option, item, "a mode isn't written behind the path", accepted, location)
    if not isinstance(item, dict):
        return FileGrant(parse_path(item, option, location), writable=True)
    accepted = '{"path": "./data", "mode": "read-only"}, the mode being read-only (ro) or read-write (rw)'
    if "path" not in item or not item.keys() <= {"path", "mode"}:
        raise invalid(option, item, "not a folder", accepted, location)
    mode = item.get("mode", "rw")
    if not isinstance(mode, str) or mode not in MODES:
        raise invalid(option, mode, "not a mode", accepted, location)
    return FileGrant(parse_path(item["path"], option, location), writable=MODES[mode])


def _host_pattern(item: object, option: str, location: Location | None) -> str:
    accepted = 'a host such as "api.example.com", "*.example.com", "example.com:8443", "[::1]:8080" or "*"'
    # 253 characters of name, brackets, a dot, a port.
    if not isinstance(item, str) or not 0 < len(item) <= 270:
        raise invalid(option, item, "not a host", accepted, location)
    if "://" in item or "/" in item:
        raise invalid(option, item, "a host has no scheme and no path", accepted, location)
    host, port = _split_port(item)
    if port and not (re.fullmatch("[1-9][0-9]{0,4}", port) and int(port) <= 65535):
        raise invalid(option, item, "not a port between 1 and 65535", accepted, location)
    canonical = host if host == "*" else _canonical_host(host)
    if canonical is None:
        raise invalid(option, item, "not a host", accepted, location)
    return f"{canonical}:{port}" if port else canonical


def _split_port(item: str) -> tuple[str, str | None]:
    if item.startswith("["):
        host, bracket, rest = item.partition("]")
        if bracket and (not rest or rest.startswith(":")):
            return host + bracket, rest[1:] if len(rest) > 1 else (None if not rest else "0")
        return item, None
    if item.count(":") > 1:  # An IPv6 address without brackets can have no port.
        return f"[{item}]", None
    host, colon, port = item.partition(":")
    return host, (port or "0") if colon else None


def _canonical_host(host: str) -> str | None:
    """None when it is not a host."""
    if host.startswith("["):
        return _canonical_ipv6(host[1:-1]) if host.endswith("]") else None
    wildcard = host.startswith("*.")
    name = host[2:] if wildcard else host
    if not name.isascii():
        try:
            name = name.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    name = name.lower().removesuffix(".")
    labels = name.split(".")
    if len(name) > 253 or not all(re.fullmatch(_LABEL, label) for label in labels):
        return None
    # A last label that is a number makes it an IPv4 address to every resolver: only the usual form is one.
    if re.fullmatch("[0-9]+|0x[0-9a-f]*", labels[-1]):
        return None if wildcard or not _is_ipv4(labels) else name
    return f"*.{name}" if wildcard else name


def _is_ipv4(labels: list[str]) -> bool:
    return len(labels) == 4 and all(
        re.fullmatch("0|[1-9][0-9]{0,2}", label) and int(label) <= 255 for label in labels
    )


def _canonical_ipv6(text: str) -> str | None:
    from ipaddress import IPv6Address

    try:
        address = IPv6Address(text)
    except ValueError:
        return None
    return None if address.scope_id else f"[{address.compressed}]"
