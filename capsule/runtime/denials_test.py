"""Sentences about paths that a task may not use."""

from __future__ import annotations

from pathlib import Path

import pytest

from capsule.policy.model import FileGrant
from capsule.runtime.denials import PathUse, why_denied
from capsule.runtime.preopens import PROGRAM_FILES, Preopen

HERE = Path("/somewhere")
WHOSE = "of task main (main.py:3)"
IN, OUT = FileGrant("in", writable=False), FileGrant("out", writable=True)
PREOPENS = (
    Preopen(HERE, "/in", writable=False),
    Preopen(HERE, "/out", writable=True),
    Preopen(HERE, PROGRAM_FILES, writable=False),
    Preopen(HERE, "/given", writable=False),
)


def why(path: str, *, folder: bool = False, change: bool = False, refused: bool = False) -> str | None:
    return why_denied(PathUse(path, folder, change, refused), (IN, OUT), PREOPENS, WHOSE)


def test_a_path_outside_names_the_folder_the_task_its_place_and_what_to_add() -> None:
    assert why("data/sub/x.txt") == (
        "the folder './data/sub' is not in allowed_files of task main (main.py:3), which has ./in, ./out; "
        'to allow it, add {"path": "./data/sub", "mode": "read-only"}'
    )


def test_for_writing_the_folder_is_to_be_added_as_it_is() -> None:
    assert str(why("data/x.txt", change=True)).endswith('to allow it, add "./data"')


@pytest.mark.parametrize(
    ("path", "folder", "named"),
    [
        ("data", True, "./data"),
        ("data", False, "./data"),
        ("a/b", True, "./a/b"),
        ("a/../b/c.txt", False, "./b"),
    ],
)
def test_the_folder_is_the_one_that_would_have_to_be_listed(path: str, folder: bool, named: str) -> None:
    assert str(why(path, folder=folder)).startswith(f"the folder '{named}' is not in allowed_files")


def test_a_file_of_the_projects_own_folder_says_so() -> None:
    assert str(why("config.json")).startswith("the project's own folder is not in allowed_files")
    assert str(why("new.json", change=True)).endswith('write into one of its own, such as "./output"')


def test_an_absolute_path_is_not_taken_for_one_of_the_hosts() -> None:
    assert str(why("/etc/passwd")).startswith("the folder '/etc' is not in allowed_files")
    assert str(why("/etc/passwd")).endswith("in a sandbox, / is the project's folder")


def test_a_task_without_folders_has_none() -> None:
    said = why_denied(PathUse("data/x", False, False, False), (), (), WHOSE)
    assert ", which has none; " in str(said)


def test_a_missing_file_in_a_granted_folder_is_no_denial() -> None:
    assert why("in/none.txt") is None
    assert why("out/none.txt", change=True) is None


def test_a_granted_folder_that_is_not_there_is_no_denial() -> None:
    assert why_denied(PathUse("in/x", False, False, False), (IN,), (), WHOSE) is None


def test_writing_into_a_read_only_folder_says_how_to_list_it() -> None:
    said = why("in/x.txt", change=True, refused=True)
    assert said == (
        'allowed_files of task main (main.py:3) has that folder read-only; for writing, list it as "./in"'
    )
    assert why("/app/data.json", change=True, refused=True) == "the program's own files are read-only"
    assert str(why("/given/x", change=True, refused=True)).endswith("was mounted read-only (--mount)")


def test_a_way_out_of_a_folder_says_so() -> None:
    assert str(why("out/link", refused=True)).startswith(
        "the path leads out of the folder ./out of task main"
    )


def test_what_a_guest_puts_into_a_path_stays_in_one_short_line() -> None:
    said = str(why("x\n\x1b[31m" * 2000 + "/y"))
    assert "\n" not in said
    assert "\x1b" not in said
    assert len(said) < 500
