"""A seccomp filter: system calls that a sandbox's process never needs, and an escaped guest would.

It refuses by a list. What a worker does need depends on the C library, on Python and on wasmtime, and a
list of that breaks with their releases; what is dangerous is known, and the files and networks that the list
leaves are Landlock's to close. A refused call fails with EPERM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys
from collections.abc import Mapping
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
RETURN: Final = 0x06

NUMBER_AT: Final = 0
ARCHITECTURE_AT: Final = 4
FIRST_ARGUMENT_AT: Final = 16
"""The low half of the first argument, on a little-endian machine."""

X32: Final = 0x40000000
"""Calls from here on are those of the x32 ABI, on x86-64."""

CLONE_THREAD: Final = 0x10000
AF_UNIX: Final = 1

# Numbers from 424 on are the same everywhere.
EVERYWHERE: Final = {
    "pidfd_send_signal": 424,
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_open": 434,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "fchmodat2": 452,
    "setxattrat": 463,
    "removexattrat": 466,
}
CLONE3: Final = 435


@dataclass(frozen=True, slots=True)
class Machine:
    """What differs from one processor to another: the AUDIT_ARCH value, and numbers of system calls."""

    architecture: int
    clone: int
    tgkill: int
    socketpair: int
    refused: Mapping[str, int]


X86_64: Final = Machine(
    0xC000003E,
    56,
    234,
    53,
    {
        # Networks and other processes.
        "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
        "fork": 57, "vfork": 58, "execve": 59, "execveat": 322,
        "kill": 62, "tkill": 200, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "kcmp": 312, "setpgid": 109, "setsid": 112, "setrlimit": 160, "prlimit64": 302,
        "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240,
        # What Landlock does not see: modes, owners and attributes of files, and files by other names.
        "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260, "fchmodat": 268,
        "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190,
        "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199,
        "mknod": 133, "mknodat": 259, "name_to_handle_at": 303, "open_by_handle_at": 304,
        # Other users' rights.
        "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setgroups": 116, "setresuid": 117,
        "setresgid": 119, "setfsuid": 122, "setfsgid": 123, "capset": 126, "personality": 135,
        # The machine itself.
        "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
        "swapon": 167, "swapoff": 168, "reboot": 169, "sethostname": 170, "setdomainname": 171,
        "settimeofday": 164, "clock_settime": 227, "adjtimex": 159, "clock_adjtime": 305, "acct": 163,
        "quotactl": 179, "syslog": 103, "vhangup": 153, "iopl": 172, "ioperm": 173, "modify_ldt": 154,
        "init_module": 175, "finit_module": 313, "delete_module": 176, "kexec_load": 246,
        "kexec_file_load": 320, "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321,
        "perf_event_open": 298, "userfaultfd": 323, "fanotify_init": 300,
    },
)  # fmt: skip
AARCH64: Final = Machine(
    0xC00000B7,
    220,
    131,
    199,
    {
        "socket": 198, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "accept4": 242,
        "execve": 221, "execveat": 281,
        "kill": 129, "tkill": 130, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "kcmp": 272, "setpgid": 154, "setsid": 157, "setrlimit": 164, "prlimit64": 261,
        "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180,
        "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55,
        "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7,
        "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
        "mknodat": 33, "name_to_handle_at": 264, "open_by_handle_at": 265,
        "setuid": 146, "setgid": 144, "setreuid": 145, "setregid": 143, "setgroups": 159, "setresuid": 147,
        "setresgid": 149, "setfsuid": 151, "setfsgid": 152, "capset": 91, "personality": 92,
        "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
        "swapon": 224, "swapoff": 225, "reboot": 142, "sethostname": 161, "setdomainname": 162,
        "settimeofday": 170, "clock_settime": 112, "adjtimex": 171, "clock_adjtime": 266, "acct": 89,
        "quotactl": 60, "syslog": 116, "vhangup": 58,
        "init_module": 105, "finit_module": 273, "delete_module": 106, "kexec_load": 104,
        "kexec_file_load": 294, "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280,
        "perf_event_open": 241, "userfaultfd": 282, "fanotify_init": 262,
    },
)  # fmt: skip


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


def restrict() -> bool:
    """Refuses the listed system calls to this thread and those that it starts, for ever.

    Needs no-new-privileges. Returns False where that isn't available. Raises `OSError` when the
    kernel does not take the filter.
    """
    here = machine()
    if here is None or not available():
        return False
    code = _filter(here, os.getpid())
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(program), 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, f"seccomp: {os.strerror(number)}")
    return True


def _filter(here: Machine, process: int) -> bytes:
    """The filter as classic BPF."""
    refuse = REFUSE | errno.EPERM
    code = [
        _step(LOAD_WORD, ARCHITECTURE_AT),
        _step(JUMP_IF_EQUAL, here.architecture, 1, 0),
        _step(RETURN, KILL_PROCESS),
        _step(LOAD_WORD, NUMBER_AT),
    ]
    if here is X86_64:
        code += [_step(JUMP_IF_AT_LEAST, X32, 0, 1), _step(RETURN, refuse)]
    # The flags of clone3 lie in memory, where a filter can't look: the C library falls back to clone.
    code += [_step(JUMP_IF_EQUAL, CLONE3, 0, 1), _step(RETURN, REFUSE | errno.ENOSYS)]
    for number in (*here.refused.values(), *EVERYWHERE.values()):
        code += [_step(JUMP_IF_EQUAL, number, 0, 1), _step(RETURN, refuse)]
    for number, accepted in (
        (here.clone, _step(JUMP_IF_ANY_BIT, CLONE_THREAD, 1, 0)),  # threads, no processes
        (here.tgkill, _step(JUMP_IF_EQUAL, process, 1, 0)),  # abort() ends this process
        (here.socketpair, _step(JUMP_IF_EQUAL, AF_UNIX, 1, 0)),  # how Rust's reactors wake up
    ):
        code += [
            _step(JUMP_IF_EQUAL, number, 0, 4),
            _step(LOAD_WORD, FIRST_ARGUMENT_AT),
            accepted,
            _step(RETURN, refuse),
            _step(RETURN, ALLOW),
        ]
    code.append(_step(RETURN, ALLOW))
    return b"".join(code)


def _step(operation: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("<HBBI", operation, if_true, if_false, value)
