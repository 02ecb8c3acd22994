"""Runs a command under strace, and reads what it and all its children did.

strace follows every process and thread, those of confined workers and tools as well: the kernel stops a
tracee before its own seccomp filter answers, unless that filter refuses the call, and then nothing happened.
What it does not see: memory that is shared or mapped (so what is *in* a file that was opened, and what a
process writes into one through a mapping), and calls that only look (`stat`, `readlink`, `access`).
"""

from __future__ import annotations

import codecs
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

OPENING = ("open", "openat", "openat2", "creat")
CHANGING = (
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("rmdir", "mkdir", "mkdirat", "mknod", "mknodat", "chmod", "fchmodat", "chown", "lchown", "fchownat"),
    *("truncate", "utime", "utimes", "utimensat", "setxattr", "lsetxattr", "mount", "pivot_root", "chroot"),
)
SENDING = ("connect", "sendto", "sendmsg", "sendmmsg")
WRITING = ("write", "writev", "pwrite64", "pwritev")
STRANGE = (
    "ptrace",
    "process_vm_writev",
    "io_uring_setup",
    "bpf",
    "init_module",
    "finit_module",
    "kexec_load",
)
TRACED = (
    "unshare",
    "execve",
    "execveat",
    "chdir",
    "fchdir",
    *OPENING,
    *CHANGING,
    *SENDING,
    *WRITING,
    *STRANGE,
)

TEXT_SHOWN = 1 << 14
"""Bytes of each argument that strace shows: more than a variable or a request has."""

_CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<(.*?)>)?(?:\(deleted\))?(?: [A-Z].*)?$", re.DOTALL)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PLACE = re.compile(r'(?:(AT_FDCWD|\d+)(?:<((?:[^<>]|<[^<>]*>)*?)>)?, )?"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Started:
    """A program that was started: its path, and its arguments."""

    program: str
    argv: tuple[str, ...]


@dataclass(frozen=True)
class Opened:
    """A file that was opened, as it is after all links, and whether it could be written.

    ``by`` are the arguments of the program that did it; a process that was only forked
    has none.
    """

    path: str
    writable: bool
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Changed:
    """A name that was made, moved, removed or given other rights."""

    call: str
    path: str


@dataclass(frozen=True)
class Sent:
    """A message or a connection to an address that is not of a socket pair."""

    call: str
    address: str


@dataclass
class Traced:
    """What a command did, and how it ended. ``status`` is None when it did not end in time."""

    status: int | None
    stdout: bytes
    stderr: bytes
    started: list[Started] = field(default_factory=list)
    opened: list[Opened] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    """The calls that carry text away, as strace shows them: of programs started, writes and messages."""


@cache
def why_not() -> str | None:
    """Why nothing can be traced here; None where it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    command = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=execve", "-o", os.devnull, "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else f"strace can't trace here: {done.stderr.strip()[:200]}"


def traced(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], logs: Path, timeout: float
) -> Traced:
    """Runs a command to its end, or kills it and what it started after ``timeout`` seconds."""
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir()
    options = ["-f", "-ff", "--seccomp-bpf", "-v", "-yy", "-qq", "-s", str(TEXT_SHOWN), "-e", "signal=none"]
    child = subprocess.Popen(
        ["strace", *options, "-e", "trace=" + ",".join(TRACED), "-o", str(logs / "of"), *command],
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = child.communicate(timeout=timeout)
        made = Traced(child.returncode, stdout, stderr)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        stdout, stderr = child.communicate()
        made = Traced(None, stdout, stderr)
    # The first program is the command itself, with the operator's own environment.
    files = sorted(logs.iterdir(), key=lambda file: int(file.suffix[1:]))
    for number, file in enumerate(files):
        _read(file, cwd, made, is_command=number == 0)
    shutil.rmtree(logs)
    return made


def _read(log: Path, cwd: Path, made: Traced, *, is_command: bool) -> None:
    here = str(cwd)
    by: tuple[str, ...] = ()
    own_mounts = False
    in_memory: list[str] = []
    for number, line in enumerate(_lines(log)):
        call = _CALL.match(line)
        if call is None:
            continue
        name, arguments, result, named = call.groups()
        failed = result.startswith("-")
        at = re.search(r"AT_FDCWD<(/[^>]*)>", arguments)
        here = at[1] if at else here
        if name in ("execve", "execveat"):
            if not failed:
                made.started.append(_started(arguments, here))
                by = made.started[-1].argv
                if not (is_command and number == 0):
                    made.words.append(line)
        elif name == "chdir" and not failed:
            here = str(Path(here) / _text("".join(_QUOTED.findall(arguments))))
        elif name in OPENING and not failed and "O_PATH" not in arguments:
            writable = name == "creat" or re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", arguments) is not None
            path = _text(re.sub(r"<(?:char|block) .*$", "", named or "?"))
            made.opened.append(Opened(path, writable, by))
        elif name == "unshare" and not failed:
            own_mounts = own_mounts or "CLONE_NEWNS" in arguments
        elif own_mounts and name in ("mount", "pivot_root"):
            # A worker's own view of the files: nobody else sees it, and what it mounts there is in memory.
            mounted = re.match(r'"capsule", "(/[^"]+)", "tmpfs"', arguments)
            in_memory += [mounted[1]] if mounted and not failed else []
        elif name in CHANGING and not failed:
            for place in _places(name, arguments, here):
                if not (name in ("mkdir", "mkdirat") and any(place.startswith(f"{m}/") for m in in_memory)):
                    made.changed.append(Changed(name, place))
        elif name in SENDING:
            made.words.append(line)
            address = re.search(r"\{sa_family=(AF_(?:INET6?|UNIX|VSOCK|PACKET).*?)\}", arguments)
            if address and not (failed and "AF_UNIX" in address[1]):
                made.sent.append(Sent(name, address[1]))
        elif name in WRITING:
            made.words.append(line)
        elif name in STRANGE and not failed:
            made.strange.append(f"{name}({arguments[:200]})")


def _lines(log: Path) -> Iterator[str]:
    yield from log.read_text(errors="replace").splitlines()


def _text(escaped: str) -> str:
    return os.fsdecode(codecs.escape_decode(escaped.encode())[0])  # type: ignore[attr-defined]


def _started(arguments: str, here: str) -> Started:
    program = _QUOTED.search(arguments)
    vector = re.search(r'"(?:[^"\\]|\\.)*", \[(.*?)\](?:, \[|, 0x|$)', arguments, re.DOTALL)
    argv = tuple(_text(one) for one in _QUOTED.findall(vector[1] if vector else ""))
    path = Path(here) / (_text(program[1]) if program else "?")
    return Started(os.path.normpath(path), argv)


def _places(call: str, arguments: str, here: str) -> Iterator[str]:
    found = list(_PLACE.finditer(arguments))
    if call in ("symlink", "symlinkat"):
        found = found[1:]  # the first is what the link says
    if call in ("setxattr", "lsetxattr"):
        found = found[:1]
    for place in found:
        path = Path(_text(place[2]) if place[2] else here) / _text(place[3])
        # The last name is what changes, not what it leads to.
        yield str(Path(os.path.realpath(path.parent)) / path.name)
