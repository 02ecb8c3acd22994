"""What has come of the asks: counts by case, and everything that is wrong."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from soaking.asks import Ask

MOST_TOLD = 100
"""Violations whose words are kept; all are counted."""

BEFORE = 2.0
"""Seconds that a worker may have been dead before its run's begin: a run can get one that died just now."""

MARKS = ("SIGKILL", "SIGSEGV", "crash")
"""What an outcome says whose worker was killed; one of a sub-task's is found in its caller's."""


@dataclass(slots=True)
class Counts:
    """The runs of one case. ``excused`` are those whose worker the soak itself had killed."""

    runs: int = 0
    hostile: bool = False
    ends: Counter[str] = field(default_factory=Counter)
    excused: int = 0
    slowest: float = 0.0


class Tally:
    """Takes what callers report. Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kills: dict[int, list[float]] = {}
        self._under_way: dict[str, tuple[float, Ask]] = {}
        self.cases: dict[str, Counts] = {}
        self.kills: Counter[str] = Counter()
        self.lost = 0
        self.wrong = 0
        self.violations: list[str] = []
        self.violation_count = 0

    def killing(self, host: int) -> None:
        """The soak kills a worker of ``host`` now."""
        with self._lock:
            self._kills.setdefault(host, []).append(time.monotonic())

    def begin(self, caller: str, ask: Ask) -> float:
        """A caller asks. Gives the moment."""
        now = time.monotonic()
        with self._lock:
            self._under_way[caller] = (now, ask)
        return now

    def end(self, caller: str, host: int, ask: Ask, outcome: Mapping[str, Any]) -> None:
        """A caller has an outcome."""
        now = time.monotonic()
        end = "returned" if outcome["success"] else outcome["error"]["error_type"]
        problem = ask.problem(outcome)
        text = json.dumps([outcome["result"], outcome["error"]]) if problem else ""
        with self._lock:
            began, _ = self._under_way.pop(caller)
            counts = self._counts(ask)
            counts.runs += 1
            counts.ends[end] += 1
            counts.slowest = max(counts.slowest, now - began)
            if problem is None:
                return
            killed = any(began - BEFORE <= at <= now for at in self._kills.get(host, ()))
            if killed and any(mark in text for mark in MARKS):
                counts.excused += 1
                return
            self.wrong += 1
            self._violate(f"{ask.case}, asked by {caller}: {problem}")

    def lose(self, caller: str, ask: Ask, why: str) -> None:
        """A caller has no outcome."""
        with self._lock:
            self._under_way.pop(caller, None)
            self._counts(ask).runs += 1
            self.lost += 1
            self._violate(f"{ask.case}, asked by {caller}: lost: {why}")

    def violate(self, words: str) -> None:
        """Something else is wrong."""
        with self._lock:
            self._violate(words)

    def waiting(self, seconds: float) -> list[tuple[str, Ask]]:
        """The callers that have been waiting for longer than ``seconds``, and for what."""
        before = time.monotonic() - seconds
        with self._lock:
            return [(caller, ask) for caller, (began, ask) in self._under_way.items() if began < before]

    @property
    def runs(self) -> int:
        """All runs that have ended."""
        with self._lock:
            return sum(counts.runs for counts in self.cases.values())

    @property
    def excused(self) -> int:
        """Runs that ended otherwise because the soak had killed their worker."""
        with self._lock:
            return sum(counts.excused for counts in self.cases.values())

    def _counts(self, ask: Ask) -> Counts:
        return self.cases.setdefault(ask.case, Counts(hostile=ask.hostile))

    def _violate(self, words: str) -> None:
        self.violation_count += 1
        if len(self.violations) < MOST_TOLD:
            self.violations.append(words)
