"""What a guest writes: bounded, decoded, and handed on as events."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable
from typing import Literal

TAIL = 2000

Stream = Literal["stdout", "stderr"]


class Capture:
    """Takes the bytes that one task writes, on both streams, up to ``limit`` bytes in all its attempts."""

    def __init__(self, limit: int, emit: Callable[[Stream, str], None]) -> None:
        self._left = limit
        self._limit = limit
        self._emit = emit
        self._lock = threading.Lock()
        self._noted = False
        self.stderr_tail = ""
        self._decoders = {
            "stdout": codecs.getincrementaldecoder("utf-8")("replace"),
            "stderr": codecs.getincrementaldecoder("utf-8")("replace"),
        }

    @property
    def left(self) -> int:
        """Bytes that are still taken."""
        return self._left

    def stdout(self, data: bytes) -> None:
        """Takes what was written to standard output."""
        self._take("stdout", data)

    def stderr(self, data: bytes) -> None:
        """Takes what was written to standard error."""
        self.stderr_tail = (self.stderr_tail + data[-TAIL:].decode("utf-8", "replace"))[-TAIL:]
        self._take("stderr", data)

    def _take(self, stream: Stream, data: bytes) -> None:
        with self._lock:
            kept = data[: self._left]
            self._left -= len(kept)
            text = self._decoders[stream].decode(kept)
            if len(kept) < len(data) and not self._noted:
                self._noted = True
                text += f"\n[capsule: output over {self._limit} bytes is not kept ([limits] output_bytes)]\n"
        if text:
            self._emit(stream, text)
