"""What of the operator's settings for pip and uv counts: indexes, proxies and certificates, and little else.

Tools look for settings in many places, some of which a project can fill. So they are given none to look at:
what is kept here is read from the operator's own places (the system's, the user's, the environment's) and
handed over. A file that lies in the project is none of the operator's, wherever a variable or a virtual
environment points. Credentials count where the operator names them for an index: in its address, or in uv's
``UV_INDEX_..._USERNAME`` and ``_PASSWORD``; no ``.netrc``, no keyring.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from capsule.frontend.inputs import LARGEST_SETTINGS, InputError, read_input

PIP_KEPT: Final = frozenset(
    {"index-url", "extra-index-url", "no-index", "find-links", "constraint", "cert", "client-cert"}
    | {"trusted-host", "proxy", "retries", "timeout", "default-timeout", "pre", "prefer-binary"}
)
PIP_PATHS: Final = frozenset({"find-links", "constraint", "cert", "client-cert"})
PIP_ADDRESSES: Final = frozenset({"index-url", "extra-index-url"})
PIP_SECTIONS: Final = ("global", "install", "download")

UV_KEPT: Final = frozenset(
    {"index", "index-url", "extra-index-url", "no-index", "find-links", "index-strategy"}
    | {"allow-insecure-host", "native-tls", "system-certs", "exclude-newer", "prerelease"}
)
UV_VARIABLES: Final = re.compile(
    r"UV_(?:(?:DEFAULT_|EXTRA_)?INDEX(?:_URL)?|INDEX_STRATEGY|FIND_LINKS|INSECURE_HOST|NATIVE_TLS"
    r"|SYSTEM_CERTS|HTTP_TIMEOUT|HTTP_RETRIES|REQUEST_TIMEOUT|OFFLINE|EXCLUDE_NEWER|PRERELEASE"
    r"|CONSTRAINT|INDEX_[A-Z0-9_]+_(?:USERNAME|PASSWORD))|SSL_CLIENT_CERT"
)
UV_PATHS: Final = ("UV_FIND_LINKS", "UV_CONSTRAINT", "SSL_CLIENT_CERT")


@dataclass(frozen=True, slots=True)
class Settings:
    """Variables for a tool, the text of a file with settings (uv's), and what it has to read for them."""

    variables: Mapping[str, str]
    reads: tuple[Path, ...] = ()
    file: str = ""


def pip_settings(project: Path | None, prefix: Path) -> Settings:
    """The operator's settings for pip. ``prefix`` is the environment that pip is in.

    What lies in ``project`` doesn't count. A file that can't be read is passed over, as pip does.
    """
    found: dict[str, str] = {}
    for file in _pip_files(prefix):
        text = _own(file, project)
        if text is not None:
            found |= _pip_options(text)
    for name, value in os.environ.items():
        option = name.removeprefix("PIP_").replace("_", "-").lower()
        if name.startswith("PIP_") and option in PIP_KEPT:
            found[option] = value
    reads: list[Path] = []
    variables = {"PIP_CONFIG_FILE": os.devnull, "PIP_KEYRING_PROVIDER": "disabled"}
    for option, value in found.items():
        words = value.split() if option in PIP_PATHS | PIP_ADDRESSES else [value]
        kept = [_placed(word, option in PIP_PATHS, reads) for word in words]
        variables[f"PIP_{option.replace('-', '_').upper()}"] = " ".join(word for word in kept if word)
    return Settings(variables, tuple(reads))


def uv_settings(project: Path | None) -> Settings:
    """The operator's settings for uv. What lies in ``project`` doesn't count."""
    found: dict[str, Any] = {}
    for file in _uv_files():
        text = _own(file, project)
        if text is not None:
            found |= _uv_options(text)
    reads: list[Path] = []
    for name, value in list(found.items()):
        for address in _addresses(value):
            _placed(address, name == "find-links", reads)
    variables = {name: value for name, value in os.environ.items() if UV_VARIABLES.fullmatch(name)}
    for name, value in variables.items():
        for word in re.split(r"[\s,]+", value):
            place = word.partition("=")[2] if "=" in word.partition("://")[0] else word
            _placed(place, name in UV_PATHS, reads)
    return Settings(
        {**variables, "UV_KEYRING_PROVIDER": "disabled", "UV_PYTHON_DOWNLOADS": "never"},
        tuple(reads),
        "".join(_toml(found)),
    )


def _own(file: Path, project: Path | None) -> str | None:
    """The text of a file of the operator's; None for one that isn't there, or lies in the project."""
    if project is not None and Path(os.path.realpath(file)).is_relative_to(os.path.realpath(project)):
        return None
    try:
        return read_input(file, most=LARGEST_SETTINGS).decode()
    except (InputError, ValueError):
        return None


def _home() -> Path:
    return Path(os.environ.get("HOME") or "/")


def _config_home() -> Path:
    return Path(os.environ.get("XDG_CONFIG_HOME") or _home() / ".config")


def _config_folders() -> list[Path]:
    named = os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [Path(folder) for folder in named.split(os.pathsep) if Path(folder).is_absolute()]


def _pip_files(prefix: Path) -> Iterator[Path]:
    """In pip's order: a later file wins."""
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    yield from (folder / "pip" / "pip.conf" for folder in reversed(_config_folders()))
    yield Path("/etc/pip.conf")
    yield Path("/Library/Application Support/pip/pip.conf")
    yield _home() / ".pip" / "pip.conf"
    yield _home() / "Library/Application Support/pip/pip.conf"
    yield _config_home() / "pip" / "pip.conf"
    yield prefix / "pip.conf"
    if named:
        yield Path(named)


def _uv_files() -> Iterator[Path]:
    named = os.environ.get("UV_CONFIG_FILE")
    if named:
        yield Path(named)
    elif not os.environ.get("UV_NO_CONFIG"):
        yield Path("/etc/uv/uv.toml")
        yield from (folder / "uv" / "uv.toml" for folder in reversed(_config_folders()))
        yield _config_home() / "uv" / "uv.toml"


def _pip_options(text: str) -> dict[str, str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return {}
    return {
        option.replace("_", "-"): value
        for section in PIP_SECTIONS
        if parser.has_section(section)
        for option, value in parser.items(section)
        if option.replace("_", "-") in PIP_KEPT and isinstance(value, str)
    }


def _uv_options(text: str) -> dict[str, Any]:
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}
    inner = table.get("pip")
    both = {**table, **(inner if isinstance(inner, dict) else {})}
    return {name: value for name, value in both.items() if name in UV_KEPT and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(
            isinstance(item, str)
            or (isinstance(item, dict) and all(isinstance(part, str | bool) for part in item.values()))
            for item in value
        )
    return isinstance(value, str | bool)


def _addresses(value: Any) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and isinstance(item.get("url"), str):
            yield item["url"]


def _placed(word: str, path: bool, reads: list[Path]) -> str | None:
    """An address or a path as the tool gets it; a file or folder is added to what it may read.

    None for a relative path: it means something else in every folder, also in one of a project.
    """
    if word.startswith("file:"):
        index = Path(unquote(urlsplit(word).path))
        # The pages of a local index, in a folder of this name, lead to files beside it.
        whole = index.name == "simple" and not _home().is_relative_to(index.parent)
        reads.append(index.parent if whole else index)
    elif "://" not in word:
        place = _home() / word.removeprefix("~/") if word.startswith("~/") else Path(word)
        if place.is_absolute():
            reads.append(place)
            return str(place)
        return None if path else word
    return word


def _toml(options: Mapping[str, Any]) -> Iterator[str]:
    tables = {name: value for name, value in options.items() if name == "index" and isinstance(value, list)}
    for name, value in options.items():
        if name not in tables:
            yield f"{name} = {json.dumps(value)}\n"
    for name, listed in tables.items():
        for entry in listed:
            if isinstance(entry, dict):
                yield f"[[{name}]]\n"
                yield from (f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in entry.items())
