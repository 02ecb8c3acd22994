"""Records runs in ``trace.db``, on a thread of its own: a run never waits for it and never fails by it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from capsule.events import Event, Output, RunStarted

EVENTS_WAITING: Final = 50_000
"""How many events may wait to be written; from a tenth of that, output is dropped."""

OUTPUT_WAITING: Final = 8 * 1024 * 1024
"""How many characters of output may wait to be written."""

GATHER_SECONDS: Final = 0.03
"""How long events are gathered before they are written, unless a run starts or the journal is closed."""


@dataclass(slots=True)
class _Waiting:
    """What was recorded and not taken by the thread yet."""

    events: list[Event] = field(default_factory=list)
    characters: int = 0
    dropped: dict[str, int] = field(default_factory=dict)


class Journal:
    """Records events in the database at ``path``; `record` is the `Sink` for an executor.

    Returns at once: the database is opened, and made if need be, when the first event comes.
    ``on_problem`` gets one sentence for people, mostly on the journal's thread, when recording isn't
    possible or a file was set aside; each sentence comes once.
    """

    def __init__(self, path: Path, on_problem: Callable[[str], None]) -> None:
        self._path = path.absolute()
        self._on_problem = on_problem
        self._told: set[str] = set()
        # This lock and this queue may be entered again by a signal handler that records.
        self._lock = threading.RLock()
        self._bell: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._rung = False
        self._waiting = _Waiting()
        self._written = threading.Event()
        self._off = False
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._work, name="capsule-journal", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Takes an event, on any thread, within microseconds. Never raises.

        While more waits than can be written, events are dropped and counted, output first.
        """
        if self._off:
            return
        with self._lock:
            waiting = self._waiting
            if isinstance(event, Output):
                size = len(event.text)
                full = (
                    len(waiting.events) >= EVENTS_WAITING // 10 or waiting.characters + size > OUTPUT_WAITING
                )
                waiting.characters += 0 if full else size
            else:
                full = len(waiting.events) >= EVENTS_WAITING
            if full:
                waiting.dropped[event.run] = waiting.dropped.get(event.run, 0) + 1
            else:
                waiting.events.append(event)
        urgent = isinstance(event, RunStarted)
        if urgent or not self._rung:
            self._rung = True
            self._bell.put(urgent)

    def close(self, timeout: float = 2.0) -> None:
        """Waits until what was recorded is in the database, at most ``timeout`` seconds. Never raises.

        What is recorded after it is lost.
        """
        if not self._thread.is_alive():
            return
        self._deadline = time.monotonic() + timeout
        self._bell.put(True)
        if not self._written.wait(timeout):
            self._tell(f"the end of this run may be missing in {self._path}: writing it took too long")
        self._off = True

    def _work(self) -> None:
        with ExitStack() as afterwards:
            try:
                self._write_all(afterwards)
            except Exception as error:
                # A defect of ours, or no memory: the run goes on without a record.
                self._tell(f"runs are not recorded in {self._path}: {type(error).__name__}: {error}")
            self._off = True
            self._waiting = _Waiting()
            self._written.set()

    def _write_all(self, afterwards: ExitStack) -> None:
        # Nothing is loaded before there is something to write, so that beginning a thread stays cheap.
        waiting, closing = self._take()
        while not waiting.events:
            if closing:
                return
            waiting, closing = self._take()
        from capsule.journal.database import Database
        from capsule.journal.storage import UnusableError

        database = Database(self._path, self._tell, lambda: self._deadline)
        # It may copy SQLite's log back into the file: nobody need wait for that.
        afterwards.callback(database.close)
        try:
            while True:
                if waiting.events or waiting.dropped:
                    database.write(waiting.events, waiting.dropped)
                elif closing:
                    break
                if not closing:
                    database.tidy(self._idle)
                waiting, closing = self._take()
        except UnusableError as error:
            self._tell(f"runs are not recorded: {error}")

    def _take(self) -> tuple[_Waiting, bool]:
        # Looked at before the queue, so that the last batch has what was recorded just before `close`.
        closing = self._deadline is not None
        if not closing:
            urgent = self._bell.get()
            until = time.monotonic() + GATHER_SECONDS
            while not urgent:
                try:
                    urgent = self._bell.get(timeout=max(0.0, until - time.monotonic()))
                except queue.Empty:
                    break
        self._rung = False
        with self._lock:
            waiting, self._waiting = self._waiting, _Waiting()
        return waiting, closing

    def _idle(self) -> bool:
        return self._bell.empty() and self._deadline is None

    def _tell(self, problem: str) -> None:
        with self._lock:
            if problem in self._told:
                return
            self._told.add(problem)
        try:
            self._on_problem(problem)
        except Exception:
            # Telling was all that could be done about it.
            return
