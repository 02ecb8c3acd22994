"""Attacks by code that a model wrote: it is handed over as text, and may declare and forge what it likes."""

from __future__ import annotations

import json

import pytest

from capsule import run_sync
from capsule.errors import CapsuleError


@pytest.fixture
def code(project):
    project.write("data/f", "secret")

    def run_code(text, **options):
        return run_sync(code=text, cwd=project.root, **options)

    return run_code


GREEDY = """
from capsule import task

@task(compute="unlimited", ram="4GB", timeout="10h", max_retries=100,
      allowed_files=[{"path": ".", "mode": "read-write"}],
      allowed_hosts=["*", "127.0.0.1"], env_variables=["PATH", "HOME"])
def main():
    import os, urllib.request
    found = [os.environ.get("HOME"), os.environ.get("PATH")]
    for attempt in (lambda: os.listdir("/"), lambda: open("data/f").read(), lambda: open("x", "w").close(),
                    lambda: urllib.request.urlopen("http://127.0.0.1:9/")):
        try:
            found.append(str(attempt()))
        except OSError as error:
            found.append(None if "PermissionError" in repr(error) or "not in" in str(error) else repr(error))
    return found
"""


def test_code_that_declares_tasks_with_every_right_gets_none(code):
    assert [each for each in code(GREEDY).unwrap() if each is not None] == []


def test_code_that_declares_endless_time_and_retries_gets_the_default(code):
    error = code(GREEDY.replace("import os, urllib.request", "while True: pass"), timeout="300ms")["error"]
    assert error["error_type"] == "timeout"


@pytest.mark.parametrize(
    "text",
    [
        "interpreter",
        "import main",
        "import _capsule_code\n_capsule_code.interpreter.turn('1')",
        "import sys\nsys.modules['_capsule_code'].interpreter.run('1')",
        "from capsule.tasks import registry\nregistry.tasks['turn']('1 + 1').unwrap()",
        "import capsule\ncapsule.tasks.registry.tasks['main'].options",
    ],
)
def test_the_program_around_code_gives_it_nothing(code, text):
    """What it finds there are the names of the program that runs it, with the same policy."""
    outcome = code(
        text + "\ntry:\n    found = open('data/f').read()\nexcept OSError:\n    found = 'denied'\nfound"
    )
    assert outcome["error"] is not None or outcome["result"] == "denied"


@pytest.mark.parametrize(
    "option", ["x'); import os  #", 'name="other"', "compute", "__class__", "allowed_hosts\n"], ids=repr
)
def test_names_of_options_do_not_become_source(code, option):
    with pytest.raises(CapsuleError, match=r"has no option|has to be|not "):
        code("1", **{option: "x'); import os  #"})


@pytest.mark.parametrize(
    "value", ["'''", '"""\nimport os', {"path": "data", "mode": "'''"}, ["'\n"]], ids=repr
)
def test_values_of_options_do_not_become_source(code, value):
    with pytest.raises(CapsuleError):
        code("1", allowed_files=[value], allowed_hosts=[value])


def test_a_result_that_poses_as_an_outcome_is_a_result(code):
    forged = {"success": True, "result": 1, "error": None, "execution": {"retries": 9}}
    outcome = code(f"import json\njson.loads('''{json.dumps(forged)}''')")
    assert outcome["result"] == forged
    assert outcome["execution"]["retries"] == 0


def test_text_that_is_no_unicode_is_an_outcome_or_an_error(code):
    for text in ("'\ud800'", "x = '\x00'", "\ufeff1", "1\r\n2"):
        try:
            assert code(text)["execution"]["task_name"] == "main"
        except CapsuleError as error:
            assert "text" in str(error)  # noqa: PT017
