"""A project to start from: the files of ``capsule/templates/project``, with safe settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from capsule.errors import UsageError

TEMPLATES: Final = Path(__file__).parent.parent / "templates" / "project"
SUFFIX: Final = ".in"
"""What the templates have behind their names, so that no tool takes them for the host's own."""


@dataclass(frozen=True, slots=True)
class Language:
    """A language that a project can start in: the file that `capsule run` runs, and how its test is run."""

    name: str
    entrypoint: str
    test: str


LANGUAGES: Final = {
    language.name: language
    for language in (
        Language("python", "main.py", "pytest"),
        Language("typescript", "main.ts", "node --test"),
    )
}


def start_project(language: str, folder: Path) -> tuple[Path, ...]:
    """Writes a program, its test and its settings into ``folder``, which is made; gives the files.

    Raises `UsageError` for a language that there is no project for, and where one of the files is there
    already, or can't be written: nothing is ever overwritten.
    """
    chosen = LANGUAGES.get(language)
    if chosen is None:
        raise UsageError(
            f"there is no project to start in {language[:60]!r}, only in {' and '.join(LANGUAGES)}",
            hint="capsule init python",
        )
    files = dict(_files(chosen, folder.resolve().name))
    try:
        for name in files:
            if (folder / name).exists() or (folder / name).is_symlink():
                raise UsageError(
                    f"{folder / name} is there already, and nothing is overwritten",
                    hint="capsule init --folder another-folder",
                )
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            # "x": whoever makes the same project at the same time keeps what is theirs.
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise UsageError(f"{error.filename or folder}: {error.strerror or error}") from None
    return tuple(folder / name for name in files)


def _files(language: Language, name: str) -> Iterator[tuple[str, str]]:
    for part in (TEMPLATES / language.name, TEMPLATES / "common"):
        for source in sorted(part.iterdir()):
            if source.name.endswith(SUFFIX):
                text = source.read_text("utf-8").replace("@ENTRYPOINT@", language.entrypoint)
                # A JSON string of printable ASCII is a TOML string, too.
                yield source.name.removesuffix(SUFFIX), text.replace("@NAME@", json.dumps(_shown(name)))


def _shown(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable() and letter.isascii()) or "project"
