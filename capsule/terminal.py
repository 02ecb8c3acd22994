"""Text of guests on our own streams: it may not drive a terminal."""

from __future__ import annotations

import sys


def write_guest_text(text: str) -> None:
    """Writes what a guest wrote to stderr; on a terminal, control characters are escaped."""
    if sys.stderr.isatty():
        from capsule.journal.render import escape

        text = "\n".join(escape(line) for line in text.split("\n"))
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stderr.flush()
