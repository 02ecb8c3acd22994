"""What guests wrote: the beginning and the end of each task's output are kept, in parts."""

from __future__ import annotations

import sqlite3
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from capsule.events import Output
from capsule.journal.bounds import Budget, encodable, real

OUTPUT_LIMIT: Final = 65_536
"""Characters kept of a task's output: this many from its beginning, and as many from its end."""

PART_LIMIT: Final = 8_192
"""Characters in one part: one row."""

TaskKey = tuple[int, int]
"""A run's key and a task's number."""


@dataclass(slots=True)
class OutputState:
    """Where one task's output stands: all that it wrote, the last part's number, and what is kept."""

    total: int = 0
    part: int = 0
    head: int = 0
    tail: int = 0
    tail_parts: deque[list[int]] = field(default_factory=deque)


@dataclass(frozen=True, slots=True)
class _Part:
    at: float
    stream: str
    text: str


class OutputBatch:
    """The parts of one transaction: many small writes make one row, and what is soon dropped makes none.

    A task's parts are numbered upwards; a number is missing where text is missing.
    """

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int, int], _Part] = {}
        self._dropped: list[tuple[int, int, int]] = []

    def add(self, key: TaskKey, state: OutputState, budget: Budget, event: Output) -> None:
        """Takes what a task wrote."""
        text = encodable(event.text)
        state.total += len(text)
        room = OUTPUT_LIMIT - state.head
        head, rest = text[:room], text[room:]
        state.head += len(head)
        for piece in _pieces(head):
            self._append(key, state, budget, _Part(real(event.at), event.stream, piece), tail=False)
        if len(rest) > OUTPUT_LIMIT:
            rest = rest[-OUTPUT_LIMIT:]
            state.part += 1
        for piece in _pieces(rest):
            self._append(key, state, budget, _Part(real(event.at), event.stream, piece), tail=True)
            self._trim(key, state, budget)

    def write(self, connection: sqlite3.Connection) -> None:
        """Writes the parts, inside the caller's transaction. Raises `sqlite3.Error`."""
        if self._dropped:
            connection.executemany(
                "DELETE FROM output WHERE run = ? AND task = ? AND part = ?", self._dropped
            )
            self._dropped.clear()
        if self._parts:
            connection.executemany(
                "INSERT INTO output (run, task, part, at, stream, text) VALUES (?,?,?,?,?,?)",
                [(*key, part.at, part.stream, part.text) for key, part in self._parts.items()],
            )
            self._parts.clear()

    def _append(self, key: TaskKey, state: OutputState, budget: Budget, new: _Part, *, tail: bool) -> None:
        size = len(new.text)
        last = (*key, state.part)
        before = self._parts.get(last)
        if (
            before is not None
            and before.stream == new.stream
            and len(before.text) + size <= PART_LIMIT
            and tail == bool(state.tail_parts)
        ):
            self._parts[last] = _Part(before.at, before.stream, before.text + new.text)
            budget.spent += size
            if tail:
                state.tail_parts[-1][1] += size
                state.tail += size
            return
        state.part += 1
        if not budget.affords(size):
            return
        self._parts[*key, state.part] = new
        if tail:
            state.tail_parts.append([state.part, size])
            state.tail += size

    def _trim(self, key: TaskKey, state: OutputState, budget: Budget) -> None:
        while state.tail > OUTPUT_LIMIT:
            number, size = state.tail_parts.popleft()
            state.tail -= size
            budget.refund(size)
            part = (*key, number)
            if self._parts.pop(part, None) is None:
                self._dropped.append(part)


def _pieces(text: str) -> list[str]:
    return [text[start : start + PART_LIMIT] for start in range(0, len(text), PART_LIMIT)]
