"""A seccomp filter: the system calls that a sandbox's process makes, some with these arguments only.

It allows by a list. What is on it was seen with `strace` under the tests of all languages, and what the C
library and Rust's fall back to was added. A call that the list leaves out fails with EPERM, one that is newer
than the list with ENOSYS: libraries take that for an older kernel, and do without. Files by name are
Landlock's to close: a filter can't look at a path.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

PR_GET_SECCOMP: Final = 21
PR_SET_SECCOMP: Final = 22
MODE_FILTER: Final = 2

ALLOW: Final = 0x7FFF0000
KILL_PROCESS: Final = 0x80000000
REFUSE: Final = 0x00050000
"""SECCOMP_RET_ERRNO; the error is in the low bits."""

LOAD_WORD: Final = 0x20
JUMP_IF_EQUAL: Final = 0x15
JUMP_IF_AT_LEAST: Final = 0x35
JUMP_IF_ANY_BIT: Final = 0x45
AND: Final = 0x54
RETURN: Final = 0x06

NUMBER_AT: Final = 0
ARCHITECTURE_AT: Final = 4
ARGUMENTS_AT: Final = 16
"""The low half of the first argument, on a little-endian machine; each takes 8 bytes."""

X32: Final = 0x40000000
"""Calls from here on are those of the x32 ABI, on x86-64."""

CLONE3: Final = 435
NEWEST: Final = 466
"""The last call that was looked at for this list; numbers from 424 on are the same everywhere."""

CLONE_THREAD: Final = 0x10000
CLONE_NEW: Final = 0x7E020080
"""Every namespace."""
AF_UNIX: Final = 1
SOCK_STREAM: Final = 1
SOCK_TYPE: Final = 0xF
"""The bits of a type that are not flags."""
FORK: Final = 0x1200000 | 17
"""The flags of the C library's ``fork``: two about thread ids, and SIGCHLD."""
PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15
PR_GET_NAME: Final = 16

SHARED_OR_STACK_OR_LOCKED: Final = 0x1 | 0x100 | 0x2000 | 0x40000
"""MAP_SHARED, MAP_GROWSDOWN, MAP_LOCKED and MAP_HUGETLB: memory that RLIMIT_DATA does not count."""

FCNTL: Final = (0, 1, 2, 3, 4, 1030)
"""Duplicates and flags of a descriptor; not F_SETOWN, which sends signals."""
IOCTL: Final = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)
"""Whether it is a terminal, what there is to read, non-blocking, close on exec."""
MADVISE: Final = (4, 8, 14, 15, 102, 103)
"""Gives pages back, huge pages or none, guards of stacks."""

EVERYWHERE: Final = {"openat2": 437, "epoll_pwait2": 441}


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs from one processor to another: the AUDIT_ARCH value, and numbers of system calls."""

    architecture: int
    allowed: Mapping[str, int]
    examined: Mapping[str, int]
    """Those that are allowed with some arguments."""


X86_64: Final = Machine(
    0xC000003E,
    {
        # First those that are made most.
        "futex": 202, "read": 0, "write": 1, "recvfrom": 45, "clock_gettime": 228, "clock_nanosleep": 230,
        "munmap": 11, "mprotect": 10, "mremap": 25, "brk": 12, "poll": 7, "ppoll": 271, "pselect6": 270,
        "epoll_wait": 232, "epoll_pwait": 281, "epoll_ctl": 233, "epoll_create1": 291, "eventfd2": 290,
        "gettid": 186, "getpid": 39, "getppid": 110, "getuid": 102, "getgid": 104, "geteuid": 107,
        "getegid": 108, "sched_yield": 24, "sched_getaffinity": 204, "nanosleep": 35, "clock_getres": 229,
        "gettimeofday": 96, "time": 201, "times": 100, "getrusage": 98, "getrandom": 318,
        "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sigaltstack": 131,
        "restart_syscall": 219, "set_robust_list": 273, "set_tid_address": 218, "rseq": 334,
        "membarrier": 324, "exit": 60, "exit_group": 231,
        "getsockopt": 55, "getsockname": 51, "getpeername": 52, "shutdown": 48,
        # Open files.
        "close": 3, "fstat": 5, "lseek": 8, "dup": 32, "dup2": 33, "dup3": 292,
        "readv": 19, "writev": 20, "pread64": 17, "pwrite64": 18, "preadv": 295, "pwritev": 296,
        "preadv2": 327, "pwritev2": 328, "fsync": 74, "fdatasync": 75, "ftruncate": 77, "fallocate": 285,
        "fadvise64": 221, "getdents64": 217, "pipe2": 293,
        # Files by name.
        "openat": 257, "newfstatat": 262, "statx": 332, "readlinkat": 267, "mkdirat": 258, "unlinkat": 263,
        "renameat": 264, "renameat2": 316, "linkat": 265, "symlinkat": 266,
    },
    {
        "mmap": 9, "sendto": 44, "clone": 56, "tgkill": 234, "prctl": 157, "socketpair": 53,
        "fcntl": 72, "ioctl": 16, "madvise": 28, "utimensat": 280,
    },
)  # fmt: skip
AARCH64: Final = Machine(
    0xC00000B7,
    {
        "futex": 98, "read": 63, "write": 64, "recvfrom": 207, "clock_gettime": 113, "clock_nanosleep": 115,
        "munmap": 215, "mprotect": 226, "mremap": 216, "brk": 214, "ppoll": 73, "pselect6": 72,
        "epoll_pwait": 22, "epoll_ctl": 21, "epoll_create1": 20, "eventfd2": 19,
        "gettid": 178, "getpid": 172, "getppid": 173, "getuid": 174, "getgid": 176, "geteuid": 175,
        "getegid": 177, "sched_yield": 124, "sched_getaffinity": 123, "nanosleep": 101, "clock_getres": 114,
        "gettimeofday": 169, "times": 153, "getrusage": 165, "getrandom": 278,
        "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "sigaltstack": 132,
        "restart_syscall": 128, "set_robust_list": 99, "set_tid_address": 96, "rseq": 293,
        "membarrier": 283, "exit": 93, "exit_group": 94,
        "getsockopt": 209, "getsockname": 204, "getpeername": 205, "shutdown": 210,
        "close": 57, "fstat": 80, "lseek": 62, "dup": 23, "dup3": 24,
        "readv": 65, "writev": 66, "pread64": 67, "pwrite64": 68, "preadv": 69, "pwritev": 70,
        "preadv2": 286, "pwritev2": 287, "fsync": 82, "fdatasync": 83, "ftruncate": 46, "fallocate": 47,
        "fadvise64": 223, "getdents64": 61, "pipe2": 59,
        "openat": 56, "newfstatat": 79, "statx": 291, "readlinkat": 78, "mkdirat": 34, "unlinkat": 35,
        "renameat": 38, "renameat2": 276, "linkat": 37, "symlinkat": 36,
    },
    {
        "mmap": 222, "sendto": 206, "clone": 220, "tgkill": 131, "prctl": 167, "socketpair": 199,
        "fcntl": 25, "ioctl": 29, "madvise": 233, "utimensat": 88,
    },
)  # fmt: skip


FORKING: Final = {
    X86_64.architecture: {"wait4": 61, "recvmsg": 47},
    AARCH64.architecture: {"wait4": 260, "recvmsg": 212},
}
"""What a process that makes copies of itself needs besides."""


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def machine() -> Machine | None:
    """The tables for this machine; None for one that has none here."""
    if sys.platform != "linux" or sys.byteorder != "little":
        return None
    return {"x86_64": X86_64, "aarch64": AARCH64}.get(platform.machine())


def available() -> bool:
    """Whether this machine has tables here and its kernel takes filters."""
    # Asked about mode 2 with no filter, a kernel that has it complains of the address.
    libc = ctypes.CDLL(None, use_errno=True)
    return (
        machine() is not None
        and libc.prctl(PR_SET_SECCOMP, MODE_FILTER, None, 0, 0) != 0
        and ctypes.get_errno() == errno.EFAULT
    )


def restrict(*, forks: bool = False) -> bool:
    """Leaves this thread and those that it starts the listed system calls, for ever.

    With ``forks`` the process may make plain copies of itself, wait for them, say that it ends with its
    parent, and take descriptors over its channel. Needs no-new-privileges. Returns False where that isn't
    available. Raises `OSError` when the kernel does not take the filter.
    """
    here = machine()
    if here is None or not available():
        return False
    install(_filter(here, os.getpid(), forks=forks))
    return True


def install(code: bytes) -> None:
    """Puts a filter on this thread and those that it starts. Raises `OSError` when the kernel refuses."""
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")


def _filter(here: Machine, process: int, *, forks: bool = False) -> bytes:
    """The filter as classic BPF."""
    missing = step(RETURN, REFUSE | errno.ENOSYS)
    code = [
        step(LOAD_WORD, ARCHITECTURE_AT),
        step(JUMP_IF_EQUAL, here.architecture, 1, 0),
        step(RETURN, KILL_PROCESS),
        step(LOAD_WORD, NUMBER_AT),
    ]
    if here is X86_64:
        code += [step(JUMP_IF_AT_LEAST, X32, 0, 1), step(RETURN, REFUSE | errno.EPERM)]
    copying = FORKING[here.architecture].values() if forks else ()
    for number in (*here.allowed.values(), *EVERYWHERE.values(), *copying):
        code += [step(JUMP_IF_EQUAL, number, 0, 1), step(RETURN, ALLOW)]
    checks = _checks(process)
    if forks:
        checks["clone"] = [*_one_of(0, [FORK]), *checks["clone"]]
        checks["prctl"] = _one_of(0, [PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG])
    for name, number in here.examined.items():
        check = [*checks[name], step(RETURN, REFUSE | errno.EPERM)]
        code += [step(JUMP_IF_EQUAL, number, 0, len(check)), *check]
    # The flags of clone3 lie in memory, where a filter can't look: the C library falls back to clone.
    code += [step(JUMP_IF_EQUAL, CLONE3, 0, 1), missing]
    code += [step(JUMP_IF_AT_LEAST, NEWEST + 1, 0, 1), missing, step(RETURN, REFUSE | errno.EPERM)]
    return b"".join(code)


def _checks(process: int) -> dict[str, list[bytes]]:
    """Steps that allow a call whose arguments are right, and go on behind themselves otherwise."""
    return {
        "mmap": _none_of(3, SHARED_OR_STACK_OR_LOCKED),
        "sendto": _null(4),  # to its own other end, and to no address
        "clone": [  # threads, no processes
            _argument(0),
            step(JUMP_IF_ANY_BIT, CLONE_NEW, 2, 0),
            step(JUMP_IF_ANY_BIT, CLONE_THREAD, 0, 1),
            step(RETURN, ALLOW),
        ],
        "tgkill": _one_of(0, [process]),  # abort() ends this process
        "prctl": _one_of(0, [PR_SET_NAME, PR_GET_NAME]),
        "socketpair": [  # how Rust's reactors wake up; datagrams could be sent to others
            _argument(0),
            step(JUMP_IF_EQUAL, AF_UNIX, 0, 4),
            _argument(1),
            step(AND, SOCK_TYPE),
            step(JUMP_IF_EQUAL, SOCK_STREAM, 0, 1),
            step(RETURN, ALLOW),
        ],
        "fcntl": _one_of(1, FCNTL),
        "ioctl": _one_of(1, IOCTL),
        "madvise": _one_of(2, MADVISE),
        "utimensat": _null(1),  # of open files, not by name: Landlock does not see it
    }


def _one_of(number: int, values: Sequence[int]) -> list[bytes]:
    steps = [_argument(number)]
    for value in values:
        steps += [step(JUMP_IF_EQUAL, value, 0, 1), step(RETURN, ALLOW)]
    return steps


def _none_of(number: int, bits: int) -> list[bytes]:
    return [_argument(number), step(JUMP_IF_ANY_BIT, bits, 1, 0), step(RETURN, ALLOW)]


def _null(number: int) -> list[bytes]:
    return [
        _argument(number),
        step(JUMP_IF_EQUAL, 0, 0, 3),
        _argument(number, upper=True),
        step(JUMP_IF_EQUAL, 0, 0, 1),
        step(RETURN, ALLOW),
    ]


def _argument(number: int, *, upper: bool = False) -> bytes:
    return step(LOAD_WORD, ARGUMENTS_AT + 8 * number + 4 * upper)


def step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """One instruction; jumps count the instructions that are passed over."""
    return struct.pack("<HBBI", operation, if_true, if_false, value)
