"""Runs pip so that it starts no process and follows no address that a package's metadata names.

pip takes wheels only when it is told to, but builds what a package requires *by address*, which runs that
package's code. Here it can't: a build is a process, and Python (on Linux also the kernel) refuses those.

This file is run, not imported, by the Python that has pip::

    python -I pip_alone.py FILTER WHEELS ARGUMENTS...

``FILTER`` is `capsule.confinement.tool.no_processes` in hexadecimal, ``WHEELS`` the address of the one folder
whose files may be named by address. It needs nothing of capsule's: that Python may be another one.
"""

import sys
from typing import Any

STARTING = frozenset(
    {"os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.startfile", "os.system"}
    | {"pty.spawn", "subprocess.Popen"}
)
"""Audit events of whatever starts a process."""

UNSUITED = 97
"""Exit status for a pip that can't be run like this."""

NO_NETWORK = 98
"""Exit status when pip failed, and none of its connections was made: what it says then differs by version."""


def refuse_processes(event: str, _: Any) -> None:
    """An audit hook, which can't be taken off again."""
    if event in STARTING:
        raise PermissionError("an installer starts no processes")


def forbid_processes(code: bytes) -> None:
    """Has the kernel refuse them, too, by a seccomp filter: no code gets around it."""
    import ctypes

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    program = Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
        sys.exit(UNSUITED)


def refuse_addresses(wheels: str) -> bool:
    """Has pip refuse every requirement with an address out of ``wheels``; False when this pip can't."""
    from pip._vendor.packaging.requirements import (  # type: ignore[import-not-found]
        InvalidRequirement,
        Requirement,
    )

    read = Requirement.__init__

    def checked(self: Any, text: str) -> None:
        read(self, text)
        if self.url and not self.url.startswith(wheels):
            raise InvalidRequirement(f"{self.name} is required by address, which packages can't do here")

    Requirement.__init__ = checked
    try:
        Requirement("a @ https://example.com/a-1-py3-none-any.whl")
    except InvalidRequirement:
        return True
    return False


class Connections:
    """Counts what becomes of connections."""

    def __init__(self) -> None:
        self.made = self.failed = 0

    def watch(self) -> None:
        """Has every connection, and every look-up of a name, counted."""
        import socket

        def counting(function: Any) -> Any:
            def call(*arguments: Any, **options: Any) -> Any:
                try:
                    found = function(*arguments, **options)
                except OSError:
                    self.failed += 1
                    raise
                self.made += function is not looked_up
                return found

            return call

        looked_up = socket.getaddrinfo
        socket.getaddrinfo = counting(looked_up)
        socket.socket.connect = counting(socket.socket.connect)  # type: ignore[method-assign]


def main() -> None:
    """Confines this process, and becomes pip."""
    import runpy

    code, wheels = bytes.fromhex(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]
    sys.addaudithook(refuse_processes)
    if code:
        forbid_processes(code)
    try:
        suited = refuse_addresses(wheels)
    except (ImportError, AttributeError, TypeError):
        suited = False
    if not suited:
        sys.exit(UNSUITED)
    sys.argv[0] = "pip"
    connections = Connections()
    connections.watch()
    try:
        runpy.run_module("pip", run_name="__main__", alter_sys=True)
    except SystemExit as ending:
        if ending.code and connections.failed and not connections.made:
            sys.exit(NO_NETWORK)
        raise


if __name__ == "__main__":
    main()
