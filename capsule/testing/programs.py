"""The ten programs of the conformance suite: what each must do, and where an author has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS: Mapping[str, str] = {
    "hello": (
        'The task `main` declares compute="LOW" and timeout="5s", and returns the text "hello". '
        "LOW stands in the source once."
    ),
    "arguments": (
        'The task `main` takes any arguments and returns {"args": [the positional ones], '
        '"kwargs": {the named ones}}. It is called with two named ones at most: `name` and `count`. '
        "More keys in the result do no harm."
    ),
    "error": (
        'The task `main` declares max_retries=1 and fails with the message "no soup for 42". '
        "The line that fails has the word HERE, in a comment."
    ),
    "subtask": (
        "The task `main` calls the task `add` with 19 and 23, and the task `fails`, which fails with the "
        'message "as it should". It returns {"sum": what add gave, "failed": what fails gave}, each as '
        "the envelope, or as the result of the one and the error type of the other."
    ),
    "map": (
        "The task `main` starts the task `square` for each of 0 to 7, all of them before it waits for any, "
        "and returns a list of what they gave, in that order: envelopes or results."
    ),
    "files": (
        "The task `main` declares the folders ./data (read-only) and ./out. It writes what is in data/in.txt "
        "to out/out.txt, in capitals (ASCII letters are enough). It also tries to read secret.txt and to "
        'write data/new.txt, and returns {"secret": its text, or null, "written": whether that went well}.'
    ),
    "env": (
        'The task `main` declares the variable GREETING, and returns {"granted": GREETING, "other": SECRET}, '
        "null for a variable that is not there."
    ),
    "http": (
        "The task `main` declares the host 127.0.0.1, asks the URL that is its argument with GET, and "
        'returns {"status": number, "body": text}. The task `denied` declares the host example.com and '
        "otherwise does the same."
    ),
    "loop": (
        'The task `main` declares compute="HIGH" and timeout="1s", the task `fuel` compute=1000000 (or '
        '"1000000"); both count for ever.'
    ),
    "memory": (
        'The task `main` declares ram="64MB" and timeout="30s", and keeps on taking memory, a mebibyte at a '
        "time at most, until there is none."
    ),
}
"""The names of the programs, and what each must do."""

ASPECTS: Mapping[str, str] = {
    "lines": "errors say in which line they happened, and declarations where they are",
    "named arguments": "tasks can be called with named arguments",
}
"""What a language may be without and still have all ten programs."""


@dataclass(frozen=True, slots=True)
class Programs:
    """An author's programs: ``folder`` has a file ``NAME`` + ``suffix`` for each name in `PROGRAMS`.

    ``left_out`` says why the language can't do something: a program's name, ``"lines"`` or
    ``"named arguments"``, to a reason. Its tests are skipped, and show the reason.
    Raises `ValueError` for anything else, and for a program that is left out and there.
    """

    folder: Path
    suffix: str
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, reason in self.left_out.items():
            if name not in PROGRAMS and name not in ASPECTS:
                known = ", ".join([*PROGRAMS, *ASPECTS])
                raise ValueError(f"the suite has nothing named {name!r} to leave out; it has {known}")
            if not reason.strip():
                raise ValueError(f"{name!r} is left out without a reason")
            if name in PROGRAMS and self.path(name).exists():
                raise ValueError(f"{self.path(name)} is there, and left out: {reason}")

    def path(self, name: str) -> Path:
        """The file of a program."""
        return self.folder / f"{name}{self.suffix}"
