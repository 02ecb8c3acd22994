"""Where the resident host's socket is, and whether a command may go there.

The command line imports this at every start, so it imports next to nothing itself.
"""

from __future__ import annotations

import os
import sys
from _blake2 import blake2b

TYPE_CHECKING = False

if TYPE_CHECKING:
    from collections.abc import Sequence

PROTOCOL = "2"

VARIABLE = "CAPSULE_RESIDENT"
"""``0`` keeps commands from a resident host, ``1`` sends them there also where ``CI`` is set."""

COMMANDS = ("run", "exec", "tasks", "build", "explain", "trace")
"""The commands that it does: those that ask nothing of a terminal, and are worth it."""

STARTUP = ("PYTHON", "LD_", "DYLD_", "LC_", "LANG", "MALLOC_", "GLIBC_", "OPENSSL_")
"""What the variables begin with that a process reads when it starts: a host is of use for one set of them."""

KNOWN_TO_PYTHON = (
    *(
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONUNBUFFERED",
        "PYTHONDONTWRITEBYTECODE",
        "PYTHONUTF8",
        "PYTHONHASHSEED",
    ),
    *("PYTHONIOENCODING", "PYTHONNOUSERSITE", "PYTHONUSERBASE", "PYTHONSAFEPATH", "PYTHONCOERCECLOCALE"),
    *("PYTHONPYCACHEPREFIX",),
)
"""Settings of Python's under which a host does the same; whoever has others looks into the interpreter."""

_OFF = ("", "0", "false", "no", "off")


def wanted(arguments: Sequence[str]) -> bool:
    """Whether a command line may be done by a resident host."""
    chosen = os.environ.get(VARIABLE)
    in_ci = os.environ.get("CI", "").lower() not in _OFF
    return (
        (not in_ci if chosen is None else chosen.lower() not in _OFF)
        and sys.platform == "linux"
        and bool(arguments)
        and arguments[0] in COMMANDS
        # With the rights of somebody else (set-user-ID), or for somebody else's host: never.
        and os.getuid() == os.geteuid()
        and os.getgid() == os.getegid()
        and not any(_only_here(word) for word in arguments)
        and _ordinary_interpreter()
    )


def _only_here(word: str) -> bool:
    """Whether a word names something that only this process has, or that a terminal gives only to it."""
    if "/dev/fd/" in word or "/proc/" in word:
        return True
    return (word == "-" or word.endswith("=-")) and os.isatty(0)


def _ordinary_interpreter() -> bool:
    flags = sys.flags
    unusual = (
        *(flags.debug, flags.inspect, flags.interactive, flags.optimize, flags.isolated, flags.verbose),
        *(flags.no_site, flags.ignore_environment, flags.dev_mode, flags.bytes_warning),
        *(sys._xoptions, sys.warnoptions, sys.gettrace(), sys.getprofile()),
    )
    return (
        not any(unusual)
        and all(path.startswith("/") for path in sys.path)
        and all(name in KNOWN_TO_PYTHON for name in os.environ if name.startswith("PYTHON"))
    )


def startup_variables() -> dict[str, str]:
    """The variables that a host for this process is started with, and no others."""
    return {name: value for name, value in os.environ.items() if name.startswith(STARTUP)}


def folder() -> str:
    """The folder of the sockets, in the user's runtime directory; it need not be there."""
    user = os.getuid()
    for parent in (os.environ.get("XDG_RUNTIME_DIR", ""), f"/run/user/{user}"):
        if parent.startswith("/") and _own(parent, others=0o022):
            return f"{parent}/capsule"
    return f"/tmp/capsule-{user}"  # noqa: S108  # its owner is looked at before it is used


def socket_of(key: str) -> str:
    """The socket of a host."""
    return f"{folder()}/{key}.socket"


def lock_of(socket: str) -> str:
    """The file beside a socket that the host of it holds locked."""
    return f"{socket.removesuffix('.socket')}.lock"


def private(path: str) -> bool:
    """Whether a path is a folder of this user's, no link, and closed to others."""
    return _own(path, others=0o077)


def _own(path: str, *, others: int) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return found.st_mode & 0o170000 == 0o040000 and found.st_uid == os.getuid() and not found.st_mode & others


def key(paths: Sequence[str]) -> str:
    """What a host is one of: of this interpreter, what it imports from, and variables that it starts with."""
    facts = [PROTOCOL, sys.executable, sys.version, __file__, os.environ.get("HOME", ""), *paths, ""]
    facts += sorted(f"{name}={value}" for name, value in startup_variables().items())
    return blake2b("\0".join(facts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
