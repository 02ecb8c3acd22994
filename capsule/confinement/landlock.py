"""Landlock: a process gives up every file, and all of TCP, but the folders that it names.

The three system calls have no wrapper in the C library. Numbers, structures and access rights are those of
the kernel's ``landlock.h`` (Documentation/userspace-api/landlock.rst); each ABI version adds rights, and
a ruleset may only name those that the running kernel knows.
"""

from __future__ import annotations

import ctypes
import os
import stat
import struct
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CREATE_RULESET: Final = 444
ADD_RULE: Final = 445
RESTRICT_SELF: Final = 446

VERSION: Final = 1
"""The flag of ``landlock_create_ruleset`` that asks for the ABI version."""

PATH_BENEATH: Final = 1

OLDEST_ABI: Final = 2
"""Version 1 refuses every rename and link between two folders, also inside of one that was granted."""

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (1 << bit for bit in range(6, 13))
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))

READING: Final = READ_FILE | READ_DIR
WRITING: Final = (
    READING | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_SYM | REFER | TRUNCATE
)
OF_FILES: Final = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
"""What can be allowed of a single file."""
BIND_TCP, CONNECT_TCP = 0b01, 0b10
ABSTRACT_SOCKETS_AND_SIGNALS: Final = 0b11


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


def abi() -> int:
    """The kernel's Landlock ABI version; 0 where there is none, or it is switched off."""
    if sys.platform != "linux":
        return 0
    return max(0, _call(CREATE_RULESET, None, 0, VERSION))


def attributes(*, connect: bool = False) -> bytes:
    """What a ruleset is made with: all that this kernel's version can refuse; empty when it is too old.

    With ``connect``, connections to anywhere are left; listening isn't.
    """
    version = abi()
    if version < OLDEST_ABI:
        return b""
    fields = (
        _rights(version),
        (BIND_TCP if connect else BIND_TCP | CONNECT_TCP) if version >= 4 else 0,
        ABSTRACT_SOCKETS_AND_SIGNALS if version >= 6 else 0,
    )
    known = 3 if version >= 6 else 2 if version >= 4 else 1
    return struct.pack(f"={known}Q", *fields[:known])


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be done with a path, and below it where it is a folder."""

    path: str
    of_folder: int
    of_file: int


def rules(*, reads: Iterable[str], writes: Iterable[str], programs: Iterable[str]) -> list[Rule]:
    """Rules for this kernel; ``programs`` may be executed. Empty for a kernel that is too old."""
    version = abi()
    if version < OLDEST_ABI:
        return []
    handled = _rights(version)
    kinds = ((reads, READING), (writes, WRITING & handled), (programs, READING | EXECUTE))
    return [Rule(path, rights, rights & OF_FILES) for paths, rights in kinds for path in paths]


def restrict(folders: Iterable[tuple[int, bool]]) -> bool:
    """Gives up all files but those below ``folders`` (descriptors, and whether they may be written), and TCP.

    ``folders`` may be files, too.
    Holds for this thread and those that it starts, for ever. Needs no-new-privileges. Returns False when the
    kernel has no Landlock that will do. Raises `OSError` when it has and refuses.
    """
    wanted = attributes()
    if not wanted:
        return False
    handled = _rights(abi())
    ruleset = _checked(_call(CREATE_RULESET, wanted, len(wanted), 0))
    try:
        for folder, writable in folders:
            _allow(ruleset, folder, (WRITING if writable else READING) & handled)
        _checked(_call(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _allow(ruleset: int, place: int, rights: int) -> None:
    if not stat.S_ISDIR(os.fstat(place).st_mode):
        rights &= OF_FILES
    rule = _PathBeneath(rights, place)
    _checked(_call(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0))


def _rights(version: int) -> int:
    """Every access right to files that this version knows."""
    return (1 << (13 + (version >= 2) + (version >= 3) + (version >= 5))) - 1


def _call(number: int, *arguments: object) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return int(libc.syscall(ctypes.c_long(number), *wide))


def _checked(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"Landlock: {os.strerror(code)}")
    return result
