"""What a worker gives up before it meets a guest: rights, system calls, files, networks, and surviving us."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.confinement import landlock, mounts, namespaces, seccomp

PR_SET_PDEATHSIG: Final = 1
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_PDEATHSIG: Final = 2
PR_SET_CHILD_SUBREAPER: Final = 36
SIGKILL: Final = 9

OPEN_FILES: Final = 1024
"""Descriptors of one worker: its channel, its folders, and what a guest opens in them."""

FIRST_TO_GO: Final = 500
"""What is added to a worker's badness when the system runs out of memory; the host's own is 0."""


@dataclass(frozen=True, slots=True)
class Offered:
    """What this machine offers this user. ``landlock`` is its ABI version, 0 for none."""

    no_new_privileges: bool
    landlock: int
    seccomp: bool
    mounts: bool
    networks: bool
    memory: bool


def offered() -> Offered:
    """What workers on this machine are confined with. Best asked while there is one thread: it forks."""
    linux = sys.platform == "linux"
    return Offered(
        no_new_privileges=linux,
        landlock=landlock.abi(),
        seccomp=linux and seccomp.available(),
        mounts=namespaces.tried(lambda: mounts.seclude([])),
        networks=namespaces.tried(namespaces.leave_networks),
        memory=linux,
    )


def die_with(parent: int) -> None:
    """Ends this process when ``parent`` ends, where the system can see to that; at once if it has.

    It is the end of the parent's *thread* that counts: only for parents that fork on their one thread.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)


def drop_privileges() -> None:
    """No process from here on gets rights from a file that it runs; no core is written."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def adopt_orphans() -> bool:
    """Makes this process the parent of its children's children, once their parents have ended.

    Returns False where the system has no such thing.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0)


def confine(folders: Sequence[tuple[int, bool]], *, forks: bool = False) -> None:
    """Leaves this process the folders (descriptors, and whether they may be written), and no others.

    With ``forks`` it may make copies of itself, which are confined as it is. Call it while there is one
    thread. Raises `OSError` when the system has a means and refuses it.
    """
    drop_privileges()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if sys.platform != "linux":
        return
    with suppress(OSError):  # a kernel without it, or /proc is not there
        Path("/proc/self/oom_score_adj").write_text(str(FIRST_TO_GO))
    _seclude(folders)
    landlock.restrict(folders)
    seccomp.restrict(forks=forks)


def _seclude(folders: Sequence[tuple[int, bool]]) -> None:
    """Takes the sight of all other files away, where that can be had."""
    parent, libc, chosen = os.getppid(), ctypes.CDLL(None), ctypes.c_int()
    libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(chosen), 0, 0, 0)
    mounts.seclude(folders)
    # The kernel forgets the signal when rights change.
    libc.prctl(PR_SET_PDEATHSIG, chosen, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
