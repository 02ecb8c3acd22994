"""What a client and the other side say besides a request: a letter, but for `GO` with a 32-bit number."""

BEGUN, ALONE, GO = b"B", b"A", b"G"
"""What is said: a command can begin; it can't here; it may."""

EXITED, SIGNALLED = b"X", b"S"
"""How it ended."""
