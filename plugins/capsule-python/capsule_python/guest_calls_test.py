"""Calls: which function runs, with what, and what comes back."""

from __future__ import annotations

from capsule_python.harness_test import World, program, run


def test_a_task_gets_its_arguments_and_returns_its_result() -> None:
    source = "from capsule import task\n@task(compute='LOW')\ndef add(a, *, b=2):\n    return a + b\n"
    assert run(source, "add", 1).result == 3
    assert run(source, "add", 1, b=5).result == 6


def test_import_capsule_reaches_the_decorator_and_http() -> None:
    source = (
        "import capsule as c\n@c.task\ndef main():\n"
        "    return [c.http.get.__name__, c.Envelope.__name__, c.TaskError.__name__]\n"
    )
    assert run(source).result == ["get", "Envelope", "TaskError"]


def test_a_plain_main_is_the_task_main() -> None:
    assert run("def main(x):\n    return x\n", "main", 7).result == 7


def test_without_a_main_the_first_task_is_main() -> None:
    source = (
        "from capsule import task\n@task\ndef first():\n    return 1\n@task\ndef second():\n    return 2\n"
    )
    assert run(source).result == 1


def test_a_task_of_an_imported_module_can_be_called() -> None:
    files = {
        "main.py": "import pkg.helpers\ndef main():\n    return pkg.helpers.double.name\n",
        "pkg/__init__.py": "",
        "pkg/helpers.py": "from capsule import task\n@task(name='twice')\ndef double(x):\n    return 2 * x\n",
    }
    world = World(program(files))
    assert world.run().result == "twice"
    assert world.run("twice", 4).result == 8


def test_an_async_task_is_awaited() -> None:
    assert run("import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    return 5\n").result == 5


def test_an_unknown_task_is_an_invalid_call() -> None:
    error = run("def main():\n    pass\n", "nope").error
    assert error["error_type"] == "invalid_call"
    assert "'nope'" in error["message"]


def test_arguments_that_do_not_fit_are_an_invalid_call_and_nothing_runs() -> None:
    outcome = run("def main(a):\n    print('ran')\n", "main", 1, 2)
    assert outcome.error["error_type"] == "invalid_call"
    assert "too many positional arguments" in outcome.error["message"]
    assert outcome.stdout == ""


def test_a_type_error_inside_the_task_is_a_task_error() -> None:
    assert run("def main():\n    return len(3)\n").error["error_type"] == "task_error"


def test_tracebacks_show_the_users_lines_and_nothing_of_the_engine() -> None:
    source = "def inner():\n    raise ValueError('boom')\n\ndef main():\n    inner()\n"
    error = run(
        {"src/__init__.py": "", "src/main.py": source, "main.py": "from src.main import main\n"}
    ).error
    assert error["error_type"] == "task_error"
    assert error["message"] == "ValueError: boom"
    assert error["traceback"].splitlines()[1:5] == [
        '  File "src/main.py", line 5, in main',
        "    inner()",
        "    ~~~~~^^",
        '  File "src/main.py", line 2, in inner',
    ]
    assert "_engine" not in error["traceback"]


def test_async_tracebacks_start_at_the_users_code() -> None:
    error = run("async def main():\n    1 / 0\n").error
    assert error["traceback"].splitlines()[1] == '  File "main.py", line 2, in main'


def test_chained_and_grouped_exceptions_are_told_whole() -> None:
    source = (
        "def main():\n    try:\n        {}['k']\n    except KeyError as e:\n"
        "        raise ExceptionGroup('many', [ValueError('one')]) from e\n"
    )
    traceback = run(source).error["traceback"]
    assert "KeyError: 'k'" in traceback
    assert "direct cause" in traceback
    assert "ValueError: one" in traceback


def test_each_kind_of_end_has_its_error_type() -> None:
    source = """
import os, sys
def main(kind):
    if kind == "exit": sys.exit(3)
    if kind == "memory": return len([0] * 10**9)
    if kind == "recursion": main(kind)
    if kind == "permission": raise PermissionError("no")
    if kind == "keyboard": raise KeyboardInterrupt
    if kind == "generator": raise GeneratorExit
    class Mute(Exception):
        def __str__(self): raise RuntimeError
    raise Mute
"""
    world = World(program(source), memory=256 << 20)
    found = {
        kind: world.run("main", kind).error["error_type"]
        for kind in ("exit", "memory", "recursion", "permission", "keyboard", "generator", "mute")
    }
    assert found == {
        "exit": "exit",
        "memory": "out_of_memory",
        "recursion": "stack_overflow",
        "permission": "permission_denied",
        "keyboard": "task_error",
        "generator": "task_error",
        "mute": "task_error",
    }
    assert world.run("main", "exit").error["message"] == "sys.exit(3)"


def test_memory_filled_bit_by_bit_is_reported() -> None:
    source = "def main():\n    kept = []\n    while True:\n        kept.append(bytes(100_000) + b'x')\n"
    assert World(program(source), memory=128 << 20).run().error["error_type"] == "out_of_memory"


def test_deep_json_ends_as_an_exception() -> None:
    source = "import json\ndef main():\n    json.loads('[' * 200_000)\n"
    assert run(source).error["error_type"] == "stack_overflow"


def test_a_huge_message_is_shortened() -> None:
    error = run("def main():\n    raise ValueError('x' * 1_000_000)\n").error
    assert len(error["message"]) < 70_000
    assert len(error["traceback"]) < 70_000


def test_declared_tells_names_options_and_lines() -> None:
    source = (
        "from capsule import task\nN = 1\n\n@task(name='a', ram='64MB', allowed_hosts=['x.com'])\n"
        "def f():\n    pass\n\ndef main():\n    pass\n"
    )
    assert World(program(source)).declared() == [
        {
            "name": "a",
            "options": {"ram": "64MB", "allowed_hosts": ["x.com"]},
            "file": "main.py",
            "line": 4,
        },
        {"name": "main", "options": {}, "file": "main.py", "line": 8},
    ]


def test_two_tasks_of_one_name_fail_to_load_naming_both() -> None:
    source = (
        "from capsule import task\n@task(name='a')\ndef f():\n    pass\n@task(name='a')\ndef g():\n    pass\n"
    )
    error = World(program(source)).load()
    assert error is not None
    assert error["error_type"] == "load_error"
    assert "main.py:2 and main.py:5" in error["message"]


def test_an_unknown_option_fails_to_load() -> None:
    error = World(program("from capsule import task\n@task(cpu=1)\ndef f():\n    pass\n")).load()
    assert error is not None
    assert "'cpu'" in error["message"]


def test_a_failing_top_level_is_a_load_error_with_its_line() -> None:
    error = World(program("import os\nKEY = os.environ['KEY']\n")).load()
    assert error is not None
    assert error["error_type"] == "load_error"
    assert 'File "main.py", line 2' in error["traceback"]


def test_the_top_level_sees_the_tasks_environment() -> None:
    world = World(
        program("import os\nKEY = os.environ['KEY']\ndef main():\n    return KEY\n"), env={"KEY": "v"}
    )
    assert world.run().result == "v"


def test_run_can_be_imported_but_not_called() -> None:
    source = "from capsule import run, run_sync, task\ndef main():\n    run_sync(file='x')\n"
    assert "from outside" in run(source).error["message"]


def test_a_trivial_task_runs_in_the_guides_64_megabytes() -> None:
    assert World(program("def main():\n    return 1\n"), memory=64_000_000).run().result == 1


def test_the_sdk_has_the_public_names_of_the_hosts() -> None:
    import capsule
    import capsule.sdk.outcome

    source = """
import capsule
def main():
    public = [name for name in dir(capsule.Envelope) if name not in dir(dict)]
    return [sorted(capsule.__all__), sorted(public), sorted(vars(capsule.TaskError("m")))]
"""
    names, envelope, error = run(source).result
    assert set(names) >= {"Envelope", "TaskError", "http", "run", "run_sync", "task"}
    assert all(hasattr(capsule, name) for name in names)
    assert set(envelope) - {"__dict__", "__weakref__", "__module__"} >= {
        name for name in vars(capsule.sdk.outcome.Envelope) if not name.startswith("_")
    }
    assert error == sorted(vars(capsule.sdk.outcome.TaskError("m")))
