"""Tools that a build runs as child processes: none of them outlives its host, however that ends."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from capsule.frontend.confined import Confinement, confined
from capsule.frontend.room import exceeded

MOST_OUTPUT: Final = 16 << 20
"""Bytes of a tool's output that are kept, the last ones: a compiler can be made to say gigabytes."""

_KEEPER = """
import os, signal, sys, threading
lifeline, has_locale, memory, file = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
command = sys.argv[5:]
os.set_inheritable(lifeline, False)
if memory:
    import resource
    # Data is what is written to; macOS knows this limit and does not keep it.
    bounds = {resource.RLIMIT_CORE: 0, resource.RLIMIT_DATA: memory, resource.RLIMIT_FSIZE: file}
    for kind, wanted in bounds.items():
        most = resource.getrlimit(kind)[1]
        value = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(kind, (value, value))
if not has_locale:
    os.environ.pop("LC_CTYPE", None)  # this interpreter may have set it for itself
def end_with_the_host():
    os.read(lifeline, 1)
    os.killpg(0, signal.SIGKILL)
threading.Thread(target=end_with_the_host, daemon=True).start()
tool = os.posix_spawnp(command[0], command, os.environ, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ])
code = os.waitstatus_to_exitcode(os.waitpid(tool, 0)[1])
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""
"""Runs the tool, and kills the group of both when a pipe ends of which only the host has the other end.

A host that is killed by the system tells nobody; the kernel closes its files.
"""

_LOOK_AGAIN: Final = 0.1
"""Seconds at least between two looks at what a confined tool has taken; a single file has its own limit."""

_LAST_WORDS: Final = 1.0
"""Seconds to wait for the end of the output of a tool that was killed."""

_lock = threading.Lock()
_children: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class Finished:
    """A tool that ended: its exit status, and what it wrote to stdout and stderr together."""

    status: int
    output: str


class TookTooMuchError(OSError):
    """A confined tool was killed because it took more than was meant for it; ``strerror`` says of what."""


@dataclass(frozen=True, slots=True)
class ToolLimits:
    """What each process of a tool may take, in bytes: memory it writes to, and any file it writes."""

    memory: int
    file: int


def run_tool(
    command: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    timeout: float,
    limits: ToolLimits | None = None,
    confinement: Confinement | None = None,
) -> Finished:
    """Runs a tool in a process group of its own, without standard input.

    Of its output the last `MOST_OUTPUT` bytes are kept; ``limits`` hold for each of its processes, and with
    ``confinement`` their memory also for all of them together. Raises `TimeoutError` after ``timeout``
    seconds, and `TookTooMuchError` when it takes more than ``confinement`` has for it, the tool and all its
    children killed; `OSError` when it can't be started.
    """
    variables = dict(os.environ if environment is None else environment)
    program = shutil.which(command[0], path=variables.get("PATH", os.defpath))
    if program is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    if confinement is not None:
        command = confined([str(Path(program).absolute()), *command[1:]], confinement)
    here, lifeline = os.pipe()
    try:
        return _run(command, cwd, variables, here, timeout, limits, confinement)
    finally:
        os.close(here)
        os.close(lifeline)


def _run(
    command: Sequence[str],
    cwd: Path,
    environment: Mapping[str, str],
    lifeline: int,
    timeout: float,
    limits: ToolLimits | None,
    confinement: Confinement | None,
) -> Finished:
    has_locale = "yes" if "LC_CTYPE" in environment else ""
    bounds = ("0", "0") if limits is None else (str(limits.memory), str(limits.file))
    deadline = time.monotonic() + timeout
    output = bytearray()
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _KEEPER, str(lifeline), has_locale, *bounds, *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        pass_fds=[lifeline],
        start_new_session=True,
    ) as child:
        with _lock:
            _children.add(child)
        assert child.stdout is not None
        reader = threading.Thread(target=_keep_end, args=(child.stdout, output), daemon=True)
        try:
            reader.start()
            if confinement is None:
                reader.join(timeout)
            else:
                _watch(reader, deadline, confinement, child.pid, limits)
            child.wait(max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(command[0], timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} took longer than {timeout:g} seconds") from None
        finally:
            with _lock:
                _children.discard(child)
            if child.poll() is None or reader.is_alive():
                _kill(child)
            reader.join(_LAST_WORDS)
    return Finished(child.returncode, bytes(output[-MOST_OUTPUT:]).decode("utf-8", "replace"))


def _watch(
    reader: threading.Thread,
    deadline: float,
    confinement: Confinement,
    session: int,
    limits: ToolLimits | None,
) -> None:
    """Waits for the end of a tool's output, and looks at what it takes, once more when it has ended."""
    running, pause = True, _LOOK_AGAIN
    while running:
        reader.join(max(0.0, min(pause, deadline - time.monotonic())))
        running = reader.is_alive()
        started = time.monotonic()
        if running and started >= deadline:
            # Before what takes time to look at: the tool may come to its end meanwhile, and would be in time.
            raise subprocess.TimeoutExpired("", 0)
        reason = exceeded(confinement, session, None if limits is None else limits.memory)
        if reason is not None:
            raise TookTooMuchError(errno.EDQUOT, reason)
        # Large folders take a while to look through: a tenth of a processor at most.
        pause = max(_LOOK_AGAIN, 10 * (time.monotonic() - started))


def end_children() -> None:
    """Kills every tool that is running, with its children: the host was interrupted."""
    with _lock:
        for child in _children:
            _kill(child)


def _keep_end(stream: IO[bytes], kept: bytearray) -> None:
    with suppress(OSError, ValueError):  # closed, after the tool was killed
        while chunk := stream.read(1 << 16):
            kept += chunk
            if len(kept) > 2 * MOST_OUTPUT:
                del kept[:-MOST_OUTPUT]


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
