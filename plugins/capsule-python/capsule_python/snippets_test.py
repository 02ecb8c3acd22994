"""Which code is a program, and what the program around statements looks like."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError
from capsule_python.snippets import declares_tasks, interpreter_source, named_packages


@pytest.mark.parametrize(
    "code",
    [
        "from capsule import task\n@task\ndef main(): ...",
        "from capsule import run, task as t\n@t(ram='1MB')\nasync def main(): ...",
        "import capsule\n@capsule.task()\ndef main(): ...",
        "import capsule as c\n@print\n@c.task\ndef main(): ...",
    ],
)
def test_a_decorated_function_makes_code_a_program(code: str) -> None:
    assert declares_tasks(code)


@pytest.mark.parametrize(
    "code",
    [
        "6 * 7",
        "def main(): ...",
        "@task\ndef main(): ...",
        "from celery import task\n@task\ndef main(): ...",
        "from capsule import http\n@http.get\ndef main(): ...",
        "from capsule import task\n'@task'",
        "x = = 1",
        "(" * 10_000,
        "\0",
    ],
)
def test_anything_else_is_statements(code: str) -> None:
    assert not declares_tasks(code)


@given(
    st.dictionaries(
        st.sampled_from(["compute", "ram", "allowed_hosts"]),
        st.text() | st.integers() | st.lists(st.text()) | st.none(),
    ),
    st.lists(st.from_regex(r"[a-z]{1,9}(>=1)?", fullmatch=True), max_size=3, unique=True),
)
def test_options_and_packages_stay_what_they_are(options: dict[str, object], packages: list[str]) -> None:
    source = interpreter_source(options, packages).decode()
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for function in functions[:2]:
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        found = {each.arg: ast.literal_eval(each.value) for each in decorator.keywords}
        assert found == {name: value for name, value in options.items() if value is not None}
    assert named_packages(source, "snippet.py") == tuple(sorted(packages))


def test_what_is_no_requirement_is_refused() -> None:
    with pytest.raises(BuildError, match="no requirement"):
        interpreter_source({}, ['x"]\n# ///\nimport os\n# /// script\n# dependencies = ["y'])
