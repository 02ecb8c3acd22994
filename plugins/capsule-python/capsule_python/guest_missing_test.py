"""Modules that aren't there: what the error says to write, or to use instead."""

from __future__ import annotations

import pytest

from capsule_python.harness_test import World, program

_SOURCE = """
def main(name):
    __import__(name)

def asked(name):
    import importlib.util
    try:
        __import__(name)
    except ImportError as error:
        return [str(error), importlib.util.find_spec(name) is None]

from capsule import task
task(asked), task(main)
"""
WHERE = 'if it is a package, add "{}" to the list'


@pytest.fixture
def world() -> World:
    return World({**program(_SOURCE), "missing": WHERE})


@pytest.mark.parametrize(("name", "distribution"), [("yaml", "pyyaml"), ("some_thing", "some-thing")])
def test_a_module_that_is_not_there_says_what_to_write(world: World, name: str, distribution: str) -> None:
    error = world.run("main", name).error
    where = WHERE.replace("{}", distribution)
    said = f"ModuleNotFoundError: No module named '{name}': {where}"
    assert error["message"] == said
    assert error["traceback"].rstrip().endswith(said)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("numpy", "it is native code, which a sandbox can't run; use lists with math"),
        ("ctypes", "a sandbox doesn't have it, since there are no shared libraries"),
        ("_gdbm", "a sandbox doesn't have this part of the standard library"),
    ],
)
def test_what_no_sandbox_runs_says_what_to_use_instead(world: World, name: str, words: str) -> None:
    assert words in world.run("main", name).error["message"]


def test_code_that_does_without_a_module_asks_for_nothing(world: World) -> None:
    assert world.run("asked", "yaml").result == ["No module named 'yaml'", True]
    assert "get missing" not in world.log


@pytest.mark.parametrize("name", ["json.nothing", "collections.abc.x"])
def test_a_part_of_a_module_that_is_there_is_left_alone(world: World, name: str) -> None:
    assert "package" not in world.run("main", name).error["message"].replace("is not a package", "")


def test_a_program_without_such_an_entry_says_what_python_says() -> None:
    error = World(program(_SOURCE)).run("main", "yaml").error
    assert error["message"] == "ModuleNotFoundError: No module named 'yaml'"
