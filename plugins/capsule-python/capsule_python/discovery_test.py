import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.errors import BuildError, Location
from capsule.frontend.spec import TaskDeclaration
from capsule_python.discovery import discover_tasks
from capsule_python.modules import find_modules
from capsule_python.tree import FilesTree


def not_asked() -> NoReturn:
    raise AssertionError("the sandbox was asked")


def discover(
    source: str, others: Mapping[str, str] | None = None, answer: object = None
) -> dict[str, TaskDeclaration]:
    files = {"main.py": source, **(others or {})}
    tree = FilesTree({name: text.encode() for name, text in files.items()})
    asked = not_asked if answer is None else lambda: answer if isinstance(answer, str) else json.dumps(answer)
    tasks = discover_tasks(find_modules("main.py", tree, ("",)), asked)
    found = {task.name: task for task in tasks}
    assert len(found) == len(tasks)
    assert tasks[0].name == "main"
    return found


def options_of(source: str) -> Mapping[str, Any]:
    return discover(source)["main"].options


@pytest.mark.parametrize(
    "declaration",
    [
        "from capsule import task\n@task(name='main', ram='64MB')",
        "from capsule import task as t\n@t(name='main', ram='64MB')",
        "import capsule\n@capsule.task(name='main', ram='64MB')",
        "import capsule as c\n@c.task(name='main', ram='64MB')",
        "import capsule.http\n@capsule.task(name='main', ram='64MB')",
        "from capsule import *\n@task(name='main', ram='64MB')",
        "if True:\n    from capsule import task\n@task(name='main', ram='64MB')",
        "from capsule import task\n@other\n@task(name='main', ram='64MB')\n@cached(1)",
    ],
)
@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_every_spelling_of_the_decorator_declares_a_task(declaration: str, keyword: str) -> None:
    assert options_of(f"{declaration}\n{keyword} f():\n    pass\n") == {"ram": "64MB"}


def test_a_task_is_named_after_its_function_and_found_at_its_decorator() -> None:
    tasks = "@task\ndef main(): ...\n@task()\nasync def b(): ...\n@task(name=None)\ndef c(): ..."
    found = discover(f"from capsule import task\n\n{tasks}")
    assert {name: str(task.location) for name, task in found.items()} == {
        "main": "main.py:3", "b": "main.py:5", "c": "main.py:7"
    }  # fmt: skip
    assert all(task.options == {} for task in found.values())


values = st.one_of(
    st.text(),
    st.integers(),
    st.booleans(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(st.text(), max_size=4),
    st.lists(st.fixed_dictionaries({"path": st.text(), "mode": st.sampled_from(["ro", "rw"])}), max_size=3),
)
names = st.sampled_from(
    ["compute", "ram", "timeout", "max_retries", "allowed_files", "allowed_hosts", "env_variables"]
)


@given(st.dictionaries(names, values))
def test_literal_options_are_read_as_written(options: dict[str, Any]) -> None:
    written = ", ".join(f"{name}={value!r}" for name, value in options.items())
    assert options_of(f"from capsule import task\n@task({written})\ndef main(): ...\n") == options


def test_options_may_be_module_constants_and_arithmetic() -> None:
    source = """
from capsule import task
HOSTS = ["a.com"]
FUEL = 1000 * 1000
@task(allowed_hosts=HOSTS + ["b.com"], compute=FUEL, ram=f"{64 * 2}MB")
def main(): ...
"""
    assert options_of(source) == {"allowed_hosts": ["a.com", "b.com"], "compute": 1000000, "ram": "128MB"}


def test_tasks_of_imported_modules_count_in_the_order_in_which_they_are_registered() -> None:
    found = discover(
        "from capsule import task\nimport a\n@task\ndef main(): ...\ndef f():\n    import lazy",
        {
            "a.py": "from capsule import task\nfrom b import *\n@task\ndef in_a(): ...",
            "b.py": "from capsule import task\n@task(ram='1GB')\ndef in_b(): ...",
            "lazy.py": "from capsule import task\n@task\ndef in_lazy(): ...",
        },
    )
    assert list(found) == ["main", "in_b", "in_a"]
    assert str(found["in_b"].location) == "b.py:2"


@pytest.mark.parametrize(
    ("imported", "decorator"),
    [("from sdk import task", "task"), ("from sdk import *", "task"), ("import sdk", "sdk.task")],
)
def test_the_decorator_is_known_through_a_module_that_passes_it_on(imported: str, decorator: str) -> None:
    found = discover(
        f"{imported}\n@{decorator}(ram='1GB')\ndef main(): ...", {"sdk.py": "from capsule import task"}
    )
    assert found["main"].options == {"ram": "1GB"}


def test_a_decorator_of_the_same_name_from_elsewhere_declares_nothing() -> None:
    with pytest.raises(BuildError, match='no task named "main"'):
        discover("from celery import task\n@task(ram='1GB')\ndef f(): ...")


def test_a_plain_main_is_a_task_without_options_also_beside_other_tasks() -> None:
    found = discover("from capsule import task\n@task(ram='1GB')\ndef other(): ...\nasync def main(): ...")
    assert found["main"] == TaskDeclaration("main", {}, Location("main.py", 4), ())
    assert discover("def main(): ...")["main"].options == {}


def test_without_main_the_first_registered_task_is_main() -> None:
    found = discover(
        "from capsule import task\nimport a\n@task(ram='1GB')\ndef own(): ...",
        {"a.py": "from capsule import task\n@task(ram='2GB')\ndef first(): ..."},
    )
    assert found["main"].options == {"ram": "2GB"}
    assert set(found) == {"main", "first", "own"}


def test_a_source_without_tasks_is_told_how_to_declare_one() -> None:
    with pytest.raises(BuildError) as caught:
        discover("x = 1")
    assert str(caught.value).startswith('main.py: no task named "main"\nhint: ')
    assert '@task(name="main"' in str(caught.value)


def test_two_tasks_of_one_name_are_an_error_with_both_places() -> None:
    with pytest.raises(BuildError, match=r"'a': main\.py:2 and main\.py:4") as caught:
        discover("from capsule import task\n@task\ndef a(): ...\n@task(name='a')\ndef b(): ...")
    assert str(caught.value.location) == "main.py:4"


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("@task('main')\ndef main(): ...", "by name only"),
        ("@task(name=3)\ndef main(): ...", "a task's name is text"),
        ("@task(name='')\ndef main(): ...", "a task's name is text"),
        ("@task\nclass Main: ...", "is a class"),
        ("def f():\n    @task\n    def main(): ...", "inside a function"),
        ("class C:\n    @task(ram='1GB')\n    def main(self): ...", "inside a class"),
    ],
)
def test_a_declaration_that_cannot_work_is_an_error_with_its_line(declaration: str, message: str) -> None:
    with pytest.raises(BuildError, match=message) as caught:
        discover(f"from capsule import task\n{declaration}")
    assert caught.value.hint
    line = 2 + declaration[: declaration.index("@")].count("\n")
    assert str(caught.value.location) == f"main.py:{line}"


UNREADABLE = [
    "@task(ram=size())\ndef main(): ...",
    "@task(**options)\ndef main(): ...",
    "@task(ram=imported)\ndef main(): ...",
    "t = task\n@t(ram='1GB')\ndef main(): ...",
    "def f(): ...\nmain = task(f)",
    "if x:\n    @task\n    def main(): ...\nelse:\n    @task(ram='1GB')\n    def main(): ...",
]


@pytest.mark.parametrize("declaration", UNREADABLE)
def test_what_the_text_does_not_tell_is_asked_of_the_sandbox(declaration: str) -> None:
    answer = [{"name": "main", "options": {"ram": "7MB"}, "file": "main.py", "line": 3}]
    found = discover(f"from capsule import task\n{declaration}", answer=answer)
    assert found == {"main": TaskDeclaration("main", {"ram": "7MB"}, Location("main.py", 3))}


@pytest.mark.parametrize(
    "source", ["from a import main", "main = lambda: 1", "def main(): ...\nmain = wrap(main)"]
)
def test_a_main_that_is_no_plain_function_is_asked_of_the_sandbox(source: str) -> None:
    answer = [{"name": "main", "options": {}, "file": "a.py", "line": 1}]
    assert list(discover(source, {"a.py": "def main(): ..."}, answer)) == ["main"]


def test_the_sandbox_decides_which_tasks_there_are_and_the_text_what_it_says_of_them() -> None:
    source = """
from capsule import task
@task(ram="1GB")
def main(): ...
if x:
    @task
    def gone(): ...
@task(ram=size())
def computed(): ...
"""
    answer = [
        {"name": "main", "options": {"ram": "9GB"}, "file": "main.py", "line": 3},
        {"name": "computed", "options": {"ram": "2GB"}, "file": "main.py", "line": 8},
    ]
    found = discover(source, answer=answer)
    assert {name: task.options["ram"] for name, task in found.items()} == {"main": "1GB", "computed": "2GB"}


def test_an_option_that_nothing_can_read_is_an_error_that_names_it() -> None:
    tree = FilesTree({"main.py": b"from capsule import task\n@task(\n  ram=size())\ndef main(): ..."})

    def fails() -> str:
        raise BuildError("NameError: name 'size' is not defined", traceback="Traceback ...")

    with pytest.raises(BuildError) as caught:
        discover_tasks(find_modules("main.py", tree, ("",)), fails)
    error = caught.value
    assert str(error.location) == "main.py:3"
    assert "option 'ram' of task 'main' can't be read from the source: it is a call" in error.message
    assert "name 'size' is not defined" in error.message
    assert error.hint == 'write ram as a literal, for example ram="512MB"'
    assert error.traceback == "Traceback ..."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
task_like = st.fixed_dictionaries(
    {"name": json_values, "options": json_values}, optional={"file": json_values, "line": json_values}
)


@given(st.one_of(st.text(), json_values.map(json.dumps), st.lists(task_like, max_size=3).map(json.dumps)))
def test_any_answer_of_the_sandbox_gives_tasks_or_an_error_of_the_build(answer: str) -> None:
    try:
        found = discover("from capsule import task\n@task(ram=size())\ndef main(): ...", answer=answer or "x")
    except BuildError:
        return
    for task in found.values():
        assert task.name
        assert task.location.file == "main.py"


def test_a_deeply_nested_answer_is_an_error_of_the_build() -> None:
    with pytest.raises(BuildError, match="unusable answer"):
        discover("from capsule import task\n@task(ram=x())\ndef main(): ...", answer="[" * 1_000_000)


def test_names_used_in_functions_do_not_need_the_sandbox() -> None:
    source = """
from capsule import task
@task
def main():
    for task in [1, 2]:
        print(task)
"""
    assert list(discover(source)) == ["main"]


def test_a_package_that_declares_tasks(tmp_path: Path) -> None:
    found = discover(
        "from jobs import run\n@run.task\ndef main(): ...",
        {"jobs/__init__.py": "", "jobs/run.py": "from capsule import task\n@task\ndef a(): ..."},
    )
    assert set(found) == {"main", "a"}
