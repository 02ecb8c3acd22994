"""Every C example does what its folder's README says, in a copy of that folder."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples" / "c"


@pytest.fixture
def result(project, cli):
    """Runs an example with the real command and gives the task's result."""
    shutil.copytree(EXAMPLES, project.root, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".capsule"))

    def run(*arguments: str) -> object:
        done = cli("run", "--json", *arguments)
        assert done.status == 0, done
        return done.envelope.unwrap()

    return run


def test_hello_greets(result):
    assert result("hello.c", "Ada") == "Hello from C, Ada!"


def test_the_folder_has_an_entrypoint(result):
    assert result() == "Hello from C, world!"


def test_primes_are_counted_in_parts(result):
    assert result("primes.c", "10000000", "8") == {"limit": 10_000_000, "primes": 664_579}


def test_a_library_is_compiled_with_the_program(result):
    assert result("library.c") == "secure-by-design-tasks-in-c"
    assert result("library.c", "Any title") == "any-title"


def test_words_are_counted_in_c_plus_plus(result):
    assert result("words.cpp") == {"the": 3, "and": 2, "cat": 2}
