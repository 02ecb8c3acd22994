"""Uploads in the background: nobody waits for them, but at the end, and then not for ever."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable

THREADS = 4
WAITING_BYTES = 128 << 20


class Uploads:
    """Calls ``upload`` with each name and payload, from threads of its own."""

    def __init__(self, upload: Callable[[str, bytes], object]) -> None:
        self._upload = upload
        self._changed = threading.Condition()
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._busy = 0
        self._threads = 0
        self._process = os.getpid()

    def add(self, name: str, payload: bytes) -> None:
        """Takes a payload; waits only while more than `WAITING_BYTES` are on their way already."""
        with self._changed:
            while self._bytes and self._bytes + len(payload) > WAITING_BYTES:
                self._changed.wait()
            self._waiting.append((name, payload))
            self._bytes += len(payload)
            if self._threads < THREADS and self._threads < len(self._waiting) + self._busy:
                self._threads += 1
                # Daemons: the interpreter's end must not wait for a remote that doesn't answer.
                threading.Thread(target=self._work, name="capsule-cache-upload", daemon=True).start()
            self._changed.notify_all()

    def finish(self, seconds: float) -> int:
        """Waits at most ``seconds`` for all uploads; returns how many are not done, and drops those."""
        # The threads of a parent are not in a forked child.
        if os.getpid() != self._process:
            return 0
        deadline = time.monotonic() + seconds
        with self._changed:
            while (self._waiting or self._busy) and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            given_up = len(self._waiting) + self._busy
            self._bytes -= sum(len(payload) for _, payload in self._waiting)
            self._waiting.clear()
            self._changed.notify_all()
            return given_up

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                name, payload = self._waiting.popleft()
                self._busy += 1
            try:
                self._upload(name, payload)
            finally:
                with self._changed:
                    self._busy -= 1
                    self._bytes -= len(payload)
                    self._changed.notify_all()
