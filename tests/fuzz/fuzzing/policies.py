"""What people, sources and artifacts write about policies: amounts, lists, mounts, URLs."""

from __future__ import annotations

import json
import tempfile
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from capsule.egress.policy import AllowList, parse_url
from capsule.egress.wire import RequestFailure
from capsule.errors import PolicyError, UsageError
from capsule.policy.grants import parse_env, parse_files, parse_hosts, parse_path, parse_secrets
from capsule.policy.limits import Limits
from capsule.policy.sizes import (
    MAX_INT,
    MAX_SECONDS,
    parse_compute,
    parse_duration,
    parse_retries,
    parse_size,
)
from capsule.runtime.preopens import parse_mount
from fuzzing.target import target, text

AMOUNTS = (
    b"KB",
    b"MiB",
    b"GB",
    b"1h",
    b"30m",
    b"ms",
    b".",
    b" ",
    b"-",
    b"1e9",
    b"9" * 20,
    b"HIGH",
    "٣".encode(),
)


@target(tokens=AMOUNTS)
def amounts(data: bytes) -> None:
    """A number as people write it is in its range, or a `PolicyError`."""
    value = text(data)
    values: list[object] = [value]
    with suppress(ValueError, RecursionError):
        values.append(json.loads(value))
    for one in values:
        with suppress(PolicyError):
            assert 1 <= parse_size(one, "ram") <= MAX_INT
        with suppress(PolicyError):
            assert 0 < parse_duration(one, "timeout") <= MAX_SECONDS
        with suppress(PolicyError):
            assert 1 <= parse_compute(one, "compute") <= MAX_INT
        with suppress(PolicyError):
            assert 0 <= parse_retries(one, "max_retries") <= 100


LISTS = (
    b'"*"',
    b'"*.example.com"',
    b'"localhost:80"',
    b'"[::1]:8080"',
    b'"::ffff:127.0.0.1"',
    b'"0x7f.1"',
    b'"xn--"',
    b'"\xe3\x80\x82"',
    b'"./a/../b"',
    b'"C:"',
    b'"~"',
    b'{"path":"a","mode":"ro"}',
    b'{"path":"a","mode":"rw"}',
    b"[",
    b"]",
    b",",
    b":",
    b".",
    b"*",
    b"\\u0000",
    b"\\ud800",
)


@target(ValueError, RecursionError, tokens=LISTS)
def grants(data: bytes) -> None:
    """Lists of folders, hosts and names: what comes of them is canonical, and of use to who checks by it."""
    value = json.loads(data)
    with suppress(PolicyError):
        folders = parse_files(value, "allowed_files")
        again = [{"path": folder.path, "mode": "rw" if folder.writable else "ro"} for folder in folders]
        assert parse_files(again, "allowed_files") == folders
        for folder in folders:
            assert not PurePosixPath(folder.path).is_absolute()
            assert ".." not in folder.path.split("/")
            assert parse_path(folder.path, "x") == folder.path
    with suppress(PolicyError):
        hosts = parse_hosts(value, "allowed_hosts")
        assert parse_hosts(list(hosts), "allowed_hosts") == hosts
        # The other reader of these patterns, which decides about requests, takes whatever this one does.
        try:
            AllowList(hosts)
        except PolicyError as error:
            raise AssertionError(f"declared, but of no use: {hosts}") from error
    for parse in (parse_env, parse_secrets):
        with suppress(PolicyError):
            for name in parse(value, "names"):
                assert name.isascii()
                assert name.replace("_", "a").isalnum()


@target(
    UsageError, PolicyError, tokens=(b"=", b",", b":ro", b":rw", b"ram=", b"on_exceed=", b"disk=", *AMOUNTS)
)
def limit_arguments(data: bytes) -> None:
    """``--limit name=value``: merging what is given with itself changes nothing."""
    given = text(data).split("\n")
    limits = Limits.parse_arguments(given)
    again = limits.merge(Limits.parse_arguments(given))
    for name in ("compute", "ram", "timeout", "tasks", "depth", "disk", "on_exceed"):
        assert getattr(again, name) == getattr(limits, name)


@target(UsageError, tokens=(b"::", b":ro", b":rw", b"..", b"/", b"~", b".", b"\0", b"data"), cost=2)
def mounts(data: bytes) -> None:
    """``--mount``: a folder that is there, under an absolute path without ``..``."""
    with tempfile.TemporaryDirectory(prefix="capsule-fuzz-") as folder:
        (Path(folder) / "data").mkdir()
        mount = parse_mount(text(data), Path(folder))
        assert mount.host.is_dir()
        assert mount.guest.startswith("/")
        assert ".." not in mount.guest.split("/")


URLS = (
    b"http://",
    b"https://",
    b"HTTP:",
    b"//",
    b"@",
    b"#",
    b"?",
    b"\\",
    b"%2e",
    b"%00",
    b":80",
    b":0",
    b":",
    b"[::1]",
    b"[::ffff:127.0.0.1]",
    b"127.1",
    b"0x7f000001",
    b"2130706433",
    b"good.example",
    b"sub.good.example",
    b".",
    "。".encode(),
    "ⓔ".encode(),
    "ß".encode(),
    b"xn--",
    b"\t",
    b"\r\n",
    b" ",
)

ALLOWED = AllowList(("good.example", "*.good.example"))


@target(RequestFailure, tokens=URLS)
def url(data: bytes) -> None:
    """A URL is read once, to one form, and another reader sees the same host in that form."""
    written = text(data)
    found = parse_url(written)
    assert parse_url(found.url) == found
    other = urlsplit(found.url)
    assert other.hostname == found.host
    assert (other.port or {"http": 80, "https": 443}[other.scheme]) == found.port
    assert found.url.isascii()
    assert found.url.isprintable()
    assert " " not in found.url
    assert found.display.partition("?")[0] == found.display
    with suppress(RequestFailure):
        admitted = ALLOWED.check_url(written)
        assert admitted == found
        assert found.host == "good.example" or found.host.endswith(".good.example")
    # The public internet, to which no address belongs that is this machine's or its network's.
    with suppress(RequestFailure):
        address = AllowList(("*",)).check_url(written).address
        assert address is None or not (address.is_loopback or address.is_link_local or address.is_private)
