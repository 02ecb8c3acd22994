"""The journals of this process: each project's is opened once, and closed at the end."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from capsule.project.opened import Project, prepare_state

if TYPE_CHECKING:
    from capsule.journal.writer import Journal

_lock = threading.Lock()
_journals: dict[Path, Journal] = {}


def journal(project: Project, on_problem: Callable[[str], None]) -> Journal:
    """The project's journal, opened once for each process and closed at its end."""
    from capsule.journal.writer import Journal

    with _lock:
        opened = _journals.get(project.trace)
        if opened is None:
            if not _journals:
                atexit.register(close_journals)
            prepare_state(project)
            opened = _journals[project.trace] = Journal(project.trace, on_problem)
        return opened


def close_journals() -> None:
    """Writes what has not been written yet."""
    with _lock:
        journals = list(_journals.values())
        _journals.clear()
    for opened in journals:
        opened.close()


def _forget_journals() -> None:
    """In a process that was forked from this one, nobody writes what its journals take."""
    global _lock
    _lock = threading.Lock()
    _journals.clear()


os.register_at_fork(after_in_child=_forget_journals)
