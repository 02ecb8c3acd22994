"""Locks that the kernel holds for a file descriptor, and drops when its process dies."""

from __future__ import annotations

import errno
import fcntl
import os

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})
_held: set[int] = set()


def take(fd: int) -> bool | None:
    """Takes the lock on an open file, without waiting.

    False when somebody else has it, in this process or another; None when the file system has no locks.
    """
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _UNSUPPORTED:
            return None
        raise
    _held.add(fd)
    return True


def drop(fd: int) -> None:
    """Gives the lock up and closes the file; also for a file on which no lock was taken."""
    if fd in _held:
        _held.discard(fd)
        # A child that was forked meanwhile may share the descriptor: closing alone would not unlock.
        fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)


def _close_in_child() -> None:
    # A forked child that outlives its parent would go on holding the parent's locks.
    for fd in _held:
        os.close(fd)
    _held.clear()


os.register_at_fork(after_in_child=_close_in_child)
