"""Every C example does what its folder's README says, in a copy of that folder."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parent.parent / "docs" / "c.md"
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


def test_the_first_program_of_the_documentation_runs_as_it_stands(project, cli):
    text = re.search(r"```c\n(// hello\.c\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)[1]
    project.write("hello.c", text)
    assert cli("run", "hello.c", "--json").envelope.unwrap() == "Hello from C"


def test_the_snippets_of_the_documentation_compile(project):
    calls, requests = re.findall(r"```c\n(capsule_\w+ \w+ = .*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    text = f"""
    #include <capsule.h>
    CAPSULE_TASK(add) {{ return capsule_return(capsule_arg_long(0) + capsule_arg_long(1)); }}
    CAPSULE_TASK(main, "allowed_hosts=") {{
        {calls}
        {requests}
        return capsule_return(capsule_array(sum.result, response.error));
    }}
    """
    assert project.run(text, file="main.c").unwrap() == [42, "denied"]


def test_the_documentation_names_what_the_header_declares():
    header = (EXAMPLES.parent.parent / "plugins/capsule-c/sdk/include/capsule.h").read_text("utf-8")
    for name in set(re.findall(r"`(capsule_\w+)\(", PAGE.read_text("utf-8"))):
        assert re.search(rf"\b{name}\(", header), name
