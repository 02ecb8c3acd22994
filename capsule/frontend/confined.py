"""What a tool of a build is confined to: files, programs, networks, room on the disk, and its environment.

`capsule.frontend.process.run_tool` starts it. The kernel keeps the tool to it, by Landlock and seccomp, from
before its first instruction: a small process of ours confines itself and becomes the tool. Where the kernel
has neither, the environment, the limits, and what is watched from outside still hold; ``capsule doctor`` says
which it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from capsule.confinement.tool import Granted, launched

_PROGRAMS: Final = (
    "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
)  # fmt: skip
_READ: Final = (
    # How names are resolved, servers trusted, libraries found.
    "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf",
    "/etc/services", "/etc/protocols", "/etc/ssl", "/etc/pki", "/etc/ca-certificates",
    "/var/lib/ca-certificates", "/etc/crypto-policies", "/etc/ld.so.cache", "/etc/ld.so.preload",
    "/etc/localtime", "/etc/passwd", "/etc/group", "/etc/os-release", "/etc/debian_version",
    "/etc/mime.types", "/etc/apache2/mime.types", "/etc/httpd/conf/mime.types",
    # What kind of machine this is.
    "/dev/urandom", "/dev/random", "/dev/zero", "/proc/self", "/proc/meminfo", "/proc/cpuinfo", "/proc/stat",
    "/proc/version", "/proc/filesystems", "/proc/sys/vm", "/proc/sys/kernel/osrelease",
    "/sys/devices/system/cpu", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip

CERTIFICATES: Final = (
    "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS",
    "NIX_SSL_CERT_FILE",
)  # fmt: skip
"""Variables that name files of the certificates that the operator trusts."""

PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
"""Variables, in either case, for tools that use the network."""

LIBRARIES: Final = "LD_LIBRARY_PATH"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a tool may do besides computing. Paths are of files, or of folders with all that is in them.

    The tool's own program, the system's programs and libraries, and what it takes to resolve names and to
    trust servers, may be read and run in any case.
    """

    reads: tuple[Path, ...] = ()
    writes: tuple[Path, ...] = ()
    """What may be read and written; nothing in it may be executed."""
    programs: tuple[Path, ...] = ()
    """What may be read and executed."""
    network: bool = False
    room: int = 1 << 30
    """Bytes of all files in ``writes`` together."""
    files: int = 100_000
    """Files and folders in ``writes`` together."""
    processes: int = 32
    """Processes of the tool at one time."""


def looking_at(command: Sequence[str], places: Iterable[str | Path]) -> list[str]:
    """``command`` (its program an absolute path), started so that it may read ``places`` and nothing else.

    Places are folders, with all that lies in them, and files; one that isn't there is left out. The program
    needs no libraries: for one that does, or that starts others, there is `Confinement`. The kernel
    sees to it, by Landlock; where there is none, the command is as it was, and only `ToolLimits` hold.
    """
    return _started(command, [os.fspath(place) for place in places], (), (command[0],), network=False)


def confined(command: Sequence[str], confinement: Confinement) -> list[str]:
    """``command`` (its program an absolute path), started so that it keeps to ``confinement``.

    Whatever is no matter of the kernel's (`Confinement.room` and the following) is `run_tool`'s.
    """
    certificates = [path for name in CERTIFICATES for path in _listed(name)]
    reads = [*map(os.fspath, confinement.reads), *certificates, *_READ]
    writes = [*map(os.fspath, confinement.writes), os.devnull]
    programs = [command[0], *map(os.fspath, confinement.programs), *_listed(LIBRARIES), *_PROGRAMS]
    return _started(command, reads, writes, programs, network=confinement.network)


def private_environment(home: Path, *, network: bool = False) -> dict[str, str]:
    """Variables for a tool: a home and a temporary folder in ``home``, languages, certificates, and no more.

    With ``network``, the operator's proxies as well.
    """
    temporary = home / "tmp"
    temporary.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in (*CERTIFICATES, LIBRARIES, "LANG", "LANGUAGE")
        or name.startswith("LC_")
        or (network and name.lower() in PROXIES)
    }
    return {
        **kept,
        "PATH": os.defpath,
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "TEMP": str(temporary),
        "TMP": str(temporary),
    }


@lru_cache(maxsize=1)
def python_programs() -> tuple[Path, ...]:
    """What it takes to run this Python with its packages: folders for `Confinement.programs`."""
    places = (sys.prefix, sys.base_prefix, sys.exec_prefix, str(Path(sys.executable).parent.parent))
    real = (os.path.realpath(sys.executable), str(Path(__file__).parent.parent))
    return tuple(Path(place) for place in dict.fromkeys((*places, *real)) if place not in ("", "/"))


def _started(
    command: Sequence[str],
    reads: Sequence[str],
    writes: Sequence[str],
    programs: Sequence[str],
    *,
    network: bool,
) -> list[str]:
    if sys.platform != "linux":
        return list(command)
    granted = Granted(tuple(reads), tuple(writes), tuple(programs), network=network)
    return launched(command, granted)


def _listed(variable: str) -> list[str]:
    """The absolute paths in a variable."""
    return [path for path in os.environ.get(variable, "").split(os.pathsep) if Path(path).is_absolute()]
