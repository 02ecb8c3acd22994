"""Confines itself and becomes a tool: a script, which an interpreter of its own runs.

This is part of each start of a tool. So it imports next to nothing, and is told all numbers by
`capsule.confinement.tool`: what Landlock handles, the rights on each place, and the filter of system calls.
"""

import ctypes
import marshal
import os
import resource
import sys

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
MODE_FILTER = 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
SIGPIPE, SIGXFSZ = 13, 25
DIRECTORY = 0o040000

libc = ctypes.CDLL(None, use_errno=True)


class Rule(ctypes.Structure):
    """The kernel's ``landlock_path_beneath_attr``."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class Filter(ctypes.Structure):
    """The kernel's ``sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def main(arguments: list[str]) -> None:
    """Takes orders, the places that they are about, and the tool's command. Raises `OSError`."""
    attributes, rights, code = marshal.loads(bytes.fromhex(arguments[0]))  # noqa: S302 - the host wrote it
    places, command = arguments[1 : 1 + len(rights)], arguments[1 + len(rights) :]
    for number in (SIGPIPE, SIGXFSZ):
        libc.signal(number, None)  # the interpreter ignores them
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    checked(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if attributes:
        keep_to(attributes, zip(places, rights, strict=True))
    if code:
        checked(libc.prctl(PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(Filter(len(code) // 8, code)), 0, 0))
    os.execv(command[0], command)  # noqa: S606


def keep_to(attributes: bytes, places: "zip[tuple[str, tuple[int, int]]]") -> None:
    """Gives up all files but these places, each with its rights if it is a folder, and if it is a file."""
    ruleset = called(CREATE_RULESET, attributes, len(attributes), 0)
    for path, (of_folder, of_file) in places:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # it isn't there
        is_folder = os.fstat(place).st_mode & 0o170000 == DIRECTORY
        rule = Rule(of_folder if is_folder else of_file, place)
        called(ADD_RULE, ruleset, PATH_BENEATH, ctypes.byref(rule), 0)
        os.close(place)
    called(RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def called(number: int, *arguments: object) -> int:
    """A system call's result."""
    wide = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return checked(libc.syscall(ctypes.c_long(number), *wide))


def checked(result: int) -> int:
    """The result, if it isn't an error."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"a tool can't be confined: {os.strerror(code)}")
    return result


if __name__ == "__main__":
    main(sys.argv[1:])
