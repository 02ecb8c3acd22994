"""``capsule init``: a project to start from."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path

from capsule.cli.common.exits import EXIT_OK
from capsule.cli.common.render import write_line
from capsule.frontend.installing import install_line, program, python


def init(language: str, *, folder: Path) -> int:
    """Writes the project, and says what to do with it: a line that can be pasted."""
    from capsule.project.starter import start_project

    for path in start_project(language, folder):
        write_line(str(path))
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    write_line(f"next: {there}{shlex.quote(program('capsule'))} run && {_test(language)}")
    return EXIT_OK


def _test(language: str) -> str:
    from capsule.project.starter import LANGUAGES

    test = LANGUAGES[language].test
    if test == "pytest":
        run = shlex.join([*python(), "-m", "pytest"])
        return run if find_spec("pytest") is not None else f"{install_line('pytest')} && {run}"
    # The test starts `capsule` itself, and finds it by this where a shell would not.
    command = program("capsule")
    return test if command == "capsule" else f"CAPSULE_COMMAND={shlex.quote(command)} {test}"
