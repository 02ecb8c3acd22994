"""``capsule init``: a project to start from."""

from __future__ import annotations

from pathlib import Path

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line


def init(language: str, *, folder: Path) -> int:
    """Writes the project, and says what to do with it."""
    from capsule.project.starter import LANGUAGES, start_project

    for path in start_project(language, folder):
        write_line(str(path))
    there = "" if folder == Path() else f"cd {folder} && "
    write_line(f"next: {there}capsule run && {LANGUAGES[language].test}")
    return EXIT_OK
