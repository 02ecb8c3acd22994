"""What a tool of a build gives up before it starts: files, system calls, networks, and leaving its group.

A tool is somebody's program, and what all of them need isn't known: its filter refuses by a list, where a
worker's allows by one. On it is what no compiler and no installer has a use for. A tool may start programs
that it is granted, and nothing that it wrote.
"""

from __future__ import annotations

import errno
import marshal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.confinement import landlock, seccomp
from capsule.confinement.seccomp import step

_LAUNCHER: Final = str(Path(__file__).parent / "launcher.py")

AF_INET: Final = 2
AF_INET6: Final = 10
AF_NETLINK: Final = 16
"""How the C library learns which kinds of addresses this machine has."""

REFUSED: Final[Mapping[int, Mapping[str, int]]] = {
    seccomp.X86_64.architecture: {
        # Other processes, and leaving the group that is killed as one.
        "setpgid": 109, "setsid": 112, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311,
        "kcmp": 312, "shmget": 29, "semget": 64, "msgget": 68, "mq_open": 240,
        # Files by other names, and other users' rights.
        "mknod": 133, "mknodat": 259, "name_to_handle_at": 303, "open_by_handle_at": 304,
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
    seccomp.AARCH64.architecture: {
        "setpgid": 154, "setsid": 157, "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271,
        "kcmp": 272, "shmget": 194, "semget": 190, "msgget": 186, "mq_open": 180,
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
}  # fmt: skip

EVERYWHERE: Final = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_getfd": 438,
    "process_madvise": 440, "mount_setattr": 442, "quotactl_fd": 443,
}  # fmt: skip

SOCKET: Final = {seccomp.X86_64.architecture: 41, seccomp.AARCH64.architecture: 198}
STARTING: Final = {seccomp.X86_64.architecture: (57, 58, 59, 322), seccomp.AARCH64.architecture: (221, 281)}
"""fork, vfork, execve and execveat, where there are these."""


@dataclass(frozen=True, slots=True)
class Granted:
    """What a tool keeps: paths of files and folders. A path that isn't there is left out."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    """What it may execute, and read."""
    network: bool = False


def launched(command: Sequence[str], granted: Granted) -> list[str]:
    """``command`` (its program an absolute path), started so that the kernel keeps it to what is granted.

    That holds for all that it starts, too. A small process of ours confines itself and becomes the tool.
    """
    rules = landlock.rules(reads=granted.reads, writes=granted.writes, programs=granted.programs)
    attributes = landlock.attributes(connect=granted.network)
    code = b"".join(_filter(network=granted.network)) if seccomp.available() else b""
    orders = marshal.dumps((attributes, [(rule.of_folder, rule.of_file) for rule in rules], code)).hex()
    return [sys.executable, "-I", "-S", _LAUNCHER, orders, *(rule.path for rule in rules), *command]


def no_processes() -> bytes:
    """A filter that refuses a process, for ever, to start another; empty where there is none for it."""
    return b"".join(_no_processes()) if seccomp.available() else b""


def _filter(*, network: bool) -> list[bytes]:
    here = seccomp.machine()
    if here is None:
        return []
    code = _head(here)
    for number in (*REFUSED[here.architecture].values(), *EVERYWHERE.values()):
        code += _refuse(number)
    kinds = (AF_INET, AF_INET6, AF_NETLINK) if network else ()
    # Sockets in the file system (of a container engine, of an agent with keys) are open to no tool.
    code += _first_argument(SOCKET[here.architecture], kinds)
    code += _first_argument(here.examined["socketpair"], (seccomp.AF_UNIX,))
    return [*code, step(seccomp.RETURN, seccomp.ALLOW)]


def _no_processes() -> list[bytes]:
    here = seccomp.machine()
    if here is None:
        return []
    code = _head(here)
    for number in STARTING[here.architecture]:
        code += _refuse(number)
    code += [
        step(seccomp.JUMP_IF_EQUAL, here.examined["clone"], 0, 3),
        step(seccomp.LOAD_WORD, seccomp.ARGUMENTS_AT),
        step(seccomp.JUMP_IF_ANY_BIT, seccomp.CLONE_THREAD, 1, 0),
        step(seccomp.RETURN, seccomp.REFUSE | errno.EPERM),
    ]
    return [*code, step(seccomp.RETURN, seccomp.ALLOW)]


def _head(here: seccomp.Machine) -> list[bytes]:
    """Programs for this processor only, by its own system calls, and none whose arguments can't be seen."""
    code = [
        step(seccomp.LOAD_WORD, seccomp.ARCHITECTURE_AT),
        step(seccomp.JUMP_IF_EQUAL, here.architecture, 1, 0),
        step(seccomp.RETURN, seccomp.KILL_PROCESS),
        step(seccomp.LOAD_WORD, seccomp.NUMBER_AT),
    ]
    if here is seccomp.X86_64:
        code += [
            step(seccomp.JUMP_IF_AT_LEAST, seccomp.X32, 0, 1),
            step(seccomp.RETURN, seccomp.REFUSE | errno.EPERM),
        ]
    # The C library and Go's start threads and processes with clone when there is no clone3.
    return [*code, *_refuse(seccomp.CLONE3, errno.ENOSYS)]


def _refuse(number: int, error: int = errno.EPERM) -> list[bytes]:
    return [step(seccomp.JUMP_IF_EQUAL, number, 0, 1), step(seccomp.RETURN, seccomp.REFUSE | error)]


def _first_argument(number: int, accepted: Sequence[int]) -> list[bytes]:
    """Allows a call whose first argument is one of these, and refuses it with any other."""
    return [
        step(seccomp.JUMP_IF_EQUAL, number, 0, 3 + len(accepted)),
        step(seccomp.LOAD_WORD, seccomp.ARGUMENTS_AT),
        *(step(seccomp.JUMP_IF_EQUAL, kind, len(accepted) - place, 0) for place, kind in enumerate(accepted)),
        step(seccomp.RETURN, seccomp.REFUSE | errno.EPERM),
        step(seccomp.RETURN, seccomp.ALLOW),
    ]
