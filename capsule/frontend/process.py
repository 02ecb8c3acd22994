"""Child processes of a build: tools that a frontend runs, none of which outlives an interrupted host."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
    with subprocess.Popen(
        list(command),
        cwd=cwd,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
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
