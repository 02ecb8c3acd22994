"""Namespaces: a process has networks, and what processes share by System V and POSIX, of its own.

Without capabilities it takes a namespace of users, too, which gives those rights and no others: who one is to
the file system stays as it was. A process that has capabilities makes none, because it would lose what they
let it do to the files of others.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

CLONE_NEWNS: Final = 0x20000
CLONE_NEWIPC: Final = 0x08000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

CAPABILITY_VERSION: Final = 0x20080522


def leave_networks() -> bool:
    """Leaves this process empty networks and an empty room for what processes share.

    Call it while there is one thread. Returns False, with all as it was, where that isn't to be had.
    """
    try:
        unshare(CLONE_NEWIPC | CLONE_NEWNET)
    except OSError:
        return False
    return True


def unshare(kinds: int) -> None:
    """Gives this process new namespaces of these kinds. Raises `OSError`."""
    if capable():
        call("unshare", kinds)
        return
    user, group = os.geteuid(), os.getegid()
    call("unshare", kinds | CLONE_NEWUSER)
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    except OSError:
        drop_capabilities()
        raise


def capable() -> bool:
    """Whether this process has any capability in its namespace of users."""
    data = (ctypes.c_uint32 * 6)()
    call("capget", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), data)
    return bool(data[0] or data[3])


def in_own_users() -> bool:
    """Whether this process's namespace of users is one that `unshare` made, here or in a parent."""
    user = os.geteuid()
    return user != 0 and Path("/proc/self/uid_map").read_text().split() == [str(user), str(user), "1"]


def drop_capabilities() -> None:
    """Gives up all capabilities."""
    call("capset", (ctypes.c_uint32 * 2)(CAPABILITY_VERSION, 0), (ctypes.c_uint32 * 6)())


def tried(attempt: Callable[[], bool]) -> bool:
    """What ``attempt`` comes to in a process of its own, False where there is no Linux."""
    if sys.platform != "linux":
        return False
    pid = os.fork()
    if pid == 0:
        try:
            os._exit(0 if attempt() else 1)
        finally:
            os._exit(1)
    return os.waitpid(pid, 0)[1] == 0


def call(name: str, *arguments: object) -> int:
    """Calls a function of the C library with integers as wide as registers. Raises `OSError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    result = int(getattr(libc, name)(*wide))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{name}: {os.strerror(code)}")
    return result
