"""A mount namespace: a process keeps its folders, and doesn't even see that there are other files.

Landlock refuses to open files, and lets everyone `stat` them. Here the process's root becomes an empty
folder, with its own descriptors in ``/proc/self/fd``. Its folders become mounts of their own: a descriptor of
a folder in the host's tree would lead upwards to all the rest of it.

Files can't be renamed from one mount to another. So the folders that may be written, if they lie in one
mount, share one of the deepest folder that holds them all, unless that is the root; Landlock still keeps the
rest of it from being opened.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from capsule.confinement.namespaces import CLONE_NEWNS, call, drop_capabilities, in_own_users, unshare

OPEN_TREE: Final = 428
MOVE_MOUNT: Final = 429
PIVOT_ROOT: Final = {"x86_64": 155, "aarch64": 41}
AT_FDCWD: Final = -100
OPEN_TREE_CLONE: Final = 1
AT_RECURSIVE: Final = 0x8000
MOVE_MOUNT_F_EMPTY_PATH: Final = 4

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 32, 4096
MS_REC_PRIVATE: Final = 0x4000 | 0x40000
MNT_DETACH: Final = 2

ROOM: Final = "/proc"
"""Where the new root is put together: a folder that is always there, and is covered for this process only."""
DESCRIPTORS: Final = "/proc/self/fd"


def seclude(folders: Sequence[tuple[int, bool]]) -> bool:
    """Leaves this process its folders (descriptors, and whether they may be written), and its descriptors.

    The descriptors keep their numbers and now lead nowhere else. Call it while there is one thread, before
    Landlock (which refuses mounts). Returns False, with all files as they were, where the kernel or this
    user's rights don't do, or a folder is not where it was opened any more. Raises `OSError` when the kernel
    stops half-way.
    """
    if sys.platform != "linux" or os.uname().machine not in PIVOT_ROOT:
        return False
    paths = [str(Path(f"{DESCRIPTORS}/{folder}").readlink()) for folder, _ in folders]
    shared = _shared(folders, paths)
    try:
        unshare(CLONE_NEWNS)
    except OSError:
        return False
    given = in_own_users()
    try:
        return _into_mounts(folders, paths, shared)
    finally:
        if given:  # root keeps its capabilities: they let it reach the files of others
            drop_capabilities()


def _into_mounts(folders: Sequence[tuple[int, bool]], paths: Sequence[str], shared: str | None) -> bool:
    clones: list[int] = []
    try:
        call("mount", None, b"/", None, MS_REC_PRIVATE, None)
        own = _clone(DESCRIPTORS, 0)
        clones = _clones(folders, paths, shared)
        _enter_empty_root(own)
    except OSError:
        for clone in clones:
            os.close(clone)
        return False
    os.close(own)
    for (folder, _), clone in zip(folders, clones, strict=True):
        os.dup2(clone, folder, inheritable=False)
        os.close(clone)
    return True


def _enter_empty_root(own: int) -> None:
    """Makes the root an empty folder that has nothing but ``own``, a mount of this process's descriptors."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    call("mount", b"capsule", ROOM.encode(), b"tmpfs", flags, b"size=64k,mode=755")
    try:
        os.chdir(ROOM)
        inside = DESCRIPTORS.lstrip("/")
        Path(inside).mkdir(parents=True)
        call("syscall", MOVE_MOUNT, own, b"", AT_FDCWD, inside.encode(), MOVE_MOUNT_F_EMPTY_PATH)
        call("mount", None, b".", None, MS_REMOUNT | MS_BIND | MS_RDONLY | flags, None)
        call("syscall", PIVOT_ROOT[os.uname().machine], b".", b".")
    except OSError:
        os.chdir("/")
        call("umount2", ROOM.encode(), MNT_DETACH)
        raise
    call("umount2", b".", MNT_DETACH)
    os.chdir("/")


def _clones(folders: Sequence[tuple[int, bool]], paths: Sequence[str], shared: str | None) -> list[int]:
    """Descriptors of mounts of the folders, and of nothing above them but ``shared``. Raises `OSError`."""
    clones: list[int] = []
    common = None if shared is None else _clone(shared, AT_RECURSIVE)
    try:
        for (folder, writable), path in zip(folders, paths, strict=True):
            if writable and common is not None and shared is not None:
                below = os.path.relpath(path, shared)
                clones.append(os.open(below, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=common))
            else:
                clones.append(_clone(path, AT_RECURSIVE))
            if not os.path.samestat(os.fstat(folder), os.fstat(clones[-1])):
                raise OSError("a folder was replaced")
    except OSError:
        for clone in clones:
            os.close(clone)
        raise
    return clones  # ``common`` stays open: with it the mount of all that is below would end


def _shared(folders: Sequence[tuple[int, bool]], paths: Sequence[str]) -> str | None:
    """The folder that holds all that may be written, if they are several and lie in one mount."""
    written = [(folder, path) for (folder, writable), path in zip(folders, paths, strict=True) if writable]
    if len(written) < 2 or len({_mount(folder) for folder, _ in written}) > 1:
        return None
    common = os.path.commonpath([path for _, path in written])
    return None if common == "/" else common


def _mount(folder: int) -> str:
    """The number of the mount that a descriptor is in."""
    with suppress(OSError):
        for line in Path(f"/proc/self/fdinfo/{folder}").read_text().splitlines():
            if line.startswith("mnt_id:"):
                return line
    return str(folder)


def _clone(path: str, flags: int) -> int:
    wanted = OPEN_TREE_CLONE | os.O_CLOEXEC | flags
    return call("syscall", OPEN_TREE, AT_FDCWD, os.fsencode(path), wanted)
