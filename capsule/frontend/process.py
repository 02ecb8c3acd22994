"""Tools that a build runs as child processes: none of them outlives its host, however that ends."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_KEEPER = """
import os, signal, sys, threading
lifeline, has_locale, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
os.set_inheritable(lifeline, False)
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

_lock = threading.Lock()
_children: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True, slots=True)
class Finished:
    """A tool that ended: its exit status, and what it wrote to stdout and stderr together."""

    status: int
    output: str


def run_tool(
    command: Sequence[str], *, cwd: Path, environment: Mapping[str, str] | None = None, timeout: float
) -> Finished:
    """Runs a tool in a process group of its own, without standard input.

    Raises `TimeoutError` after ``timeout`` seconds, the tool and all its children killed, and `OSError`
    when it can't be started.
    """
    variables = dict(os.environ if environment is None else environment)
    if shutil.which(command[0], path=variables.get("PATH", os.defpath)) is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), command[0])
    here, lifeline = os.pipe()
    try:
        return _run(command, cwd, variables, here, timeout)
    finally:
        os.close(here)
        os.close(lifeline)


def _run(
    command: Sequence[str], cwd: Path, environment: Mapping[str, str], lifeline: int, timeout: float
) -> Finished:
    has_locale = "yes" if "LC_CTYPE" in environment else ""
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _KEEPER, str(lifeline), has_locale, *command],
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=[lifeline],
        start_new_session=True,
    ) as child:
        with _lock:
            _children.add(child)
        try:
            output, _ = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{command[0]} took longer than {timeout:g} seconds") from None
        finally:
            with _lock:
                _children.discard(child)
            if child.poll() is None:
                _kill(child)
    return Finished(child.returncode, output.decode("utf-8", "replace"))


def end_children() -> None:
    """Kills every tool that is running, with its children: the host was interrupted."""
    with _lock:
        for child in _children:
            _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        os.killpg(child.pid, signal.SIGKILL)
