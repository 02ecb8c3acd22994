"""What is looked at before a wheel of anybody's is unpacked, and before what was installed is used.

Metadata decides what an installer does next, so none that asks for an address gets as far as that; and no
file is read before its size is known.
"""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

MAX_METADATA: Final = 4 << 20
MAX_UNPACKED: Final = 1 << 30
MAX_ENTRIES: Final = 50_000
_MAX_DIRECTORY: Final = 8 << 20
"""Bytes of an archive's list of its entries, each of which takes some 500 bytes of memory when it is read."""

_END: Final = struct.Struct("<4s4H2LH")
_LOCATOR_64: Final = b"PK\x06\x07"


class UnfitError(Exception):
    """A wheel, or what was installed, is not taken; the message says why."""


def check_wheel(file: Path) -> None:
    """Looks through a wheel without unpacking it. Raises `UnfitError`."""
    try:
        _check_directory(_tail(file))
        with zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            _check_entries(entries)
            listed = [entry for entry in entries if _is_metadata(entry.filename)]
            if len(listed) != 1 or listed[0].file_size > MAX_METADATA:
                raise UnfitError("it does not have one METADATA file of at most 4 MiB")
            with archive.open(listed[0]) as metadata:
                text = metadata.read(MAX_METADATA + 1)
    except (OSError, zipfile.BadZipFile, NotImplementedError, ValueError, EOFError, RuntimeError) as error:
        raise UnfitError(f"it can't be read: {error}") from None
    check_metadata(text)


def check_metadata(text: bytes) -> list[str]:
    """The requirements in a METADATA file. Raises `UnfitError` when one of them is an address."""
    from email.parser import BytesHeaderParser

    from packaging.requirements import InvalidRequirement, Requirement

    if len(text) > MAX_METADATA:
        raise UnfitError("its METADATA has more than 4 MiB")
    required = [str(line) for line in BytesHeaderParser().parsebytes(text).get_all("Requires-Dist") or []]
    for line in required:
        try:
            address = Requirement(line).url
        except InvalidRequirement:
            address = line if "@" in line or "://" in line else None
        if address is not None:
            raise UnfitError(f"it requires something by address: {line[:200]!r}")
    return required


def check_installed(site: Path) -> None:
    """Looks through what an installer made: no links, no addresses, no more than is unpacked of a wheel.

    Raises `UnfitError`.
    """
    total = count = 0
    for folder, names, files in os.walk(site):
        for name in (*names, *files):
            count += 1
            facts = Path(folder, name).lstat()
            if not stat.S_ISREG(facts.st_mode) and not stat.S_ISDIR(facts.st_mode):
                raise UnfitError(f"{name} is no file, but a link or something else")
            total += facts.st_size
    if count > 4 * MAX_ENTRIES or total > 4 * MAX_UNPACKED:
        raise UnfitError(f"there are {count:,} files of {total >> 20} MiB")
    for info in sorted(site.glob("*.dist-info")):
        metadata, record = info / "METADATA", info / "RECORD"
        sizes = [path.stat().st_size for path in (metadata, record) if path.is_file()]
        if max(sizes, default=0) > MAX_METADATA * 4:
            raise UnfitError(f"{info.name} has more than 16 MiB of metadata")
        if metadata.is_file():
            try:
                check_metadata(metadata.read_bytes())
            except UnfitError as error:
                raise UnfitError(f"{info.name.removesuffix('.dist-info')}: {error}") from None


def _tail(file: Path) -> bytes:
    with file.open("rb") as opened:
        opened.seek(-min(file.stat().st_size, 1024), os.SEEK_END)
        return opened.read()


def _check_directory(tail: bytes) -> None:
    """The size of the archive's list, before `zipfile` reads it."""
    end = tail[-_END.size :]
    if len(end) < _END.size or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise UnfitError("it is no archive, or has something behind its end")
    if tail[-_END.size - 20 :][:4] == _LOCATOR_64 or _END.unpack(end)[5] > _MAX_DIRECTORY:
        raise UnfitError("it has too many entries")


def _check_entries(entries: Iterable[zipfile.ZipInfo]) -> None:
    total = 0
    for count, entry in enumerate(entries, 1):
        total += entry.file_size
        if count > MAX_ENTRIES or total > MAX_UNPACKED:
            raise UnfitError(f"it unpacks to more than {MAX_ENTRIES:,} files or {MAX_UNPACKED >> 20} MiB")
        path = PurePosixPath(entry.filename)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in entry.filename
            or not entry.filename.isprintable()
        ):
            raise UnfitError(f"it has an entry with the name {entry.filename[:100]!r}")
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise UnfitError(f"{entry.filename[:100]!r} is no file, but a link or something else")


def _is_metadata(name: str) -> bool:
    folder, _, file = name.partition("/")
    return file == "METADATA" and folder.endswith(".dist-info")
