"""Code that is in no file: from the command line, from programs, and through ``capsule worker``."""

from __future__ import annotations

import asyncio
import json

import pytest

from capsule import CapsuleError, run, run_sync
from capsule.errors import PolicyError, UsageError


@pytest.fixture
def code(project):
    """Runs code as a program in the project would."""

    def run_code(text, **options):
        return run_sync(code=text, cwd=project.root, **options)

    return run_code


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("6 * 7", 42),
        ("import math\nx = 41\nx + 1", 42),
        ("x = 1", None),
        ("", None),
        ("def f():\n    return {'a': [1, None, 'ä']}\nf()", {"a": [1, None, "ä"]}),
        ("import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    return 3\nawait f()", 3),
        ("import asyncio\nawait asyncio.gather(*[asyncio.sleep(0, n) for n in range(3)])", [0, 1, 2]),
        ("import asyncio\nasync def f():\n    return 4\nasyncio.run(f())", 4),
        ("[x async for x in (i async for i in __import__('capsule') and a())] if 0 else 5", 5),
        ("from __future__ import annotations\ndef f(x: Nope): ...\nf.__annotations__", {"x": "Nope"}),
        ("{1, 2}", "{1, 2}"),
        ("lambda: 0, 1", None),
        ("if __name__ == '__main__':\n    y = 6\ny", 6),
        (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\nimport pickle\n"
            "pickle.loads(pickle.dumps(A(7))).n",
            7,
        ),
    ],
)
def test_the_result_is_the_value_of_the_last_expression(code, text, result):
    found = code(text).unwrap()
    assert found == result or (result is None and str(found).startswith("(<function"))


def test_an_error_shows_the_lines_of_the_code_and_none_of_ours(code):
    error = code("def half(x):\n    return x / 0\n\nhalf(2)")["error"]
    assert error["message"] == "ZeroDivisionError: division by zero"
    assert error["traceback"].splitlines() == [
        "Traceback (most recent call last):",
        '  File "<code>", line 4, in <module>',
        "    half(2)",
        "    ~~~~^^^",
        '  File "<code>", line 2, in half',
        "    return x / 0",
        "           ~~^~~",
        "ZeroDivisionError: division by zero",
    ]


def test_a_syntax_error_shows_its_line(code):
    error = code("x = 1\ny = = 2")["error"]
    assert error["error_type"] == "task_error"
    assert 'File "<code>", line 2\n    y = = 2\n' in error["traceback"]
    assert "snippet" not in error["traceback"]


def test_code_with_tasks_is_a_program(code):
    text = """
from capsule import task

@task(compute="LOW")
def double(x):
    return 2 * x

@task
def main():
    return [each.unwrap() for each in double.map(range(3))]
"""
    assert code(text).unwrap() == [0, 2, 4]


def test_nothing_is_left_for_the_next_code(code):
    assert code("x = 5\nimport sys\nsys.modules['marker'] = sys\nx").unwrap() == 5
    assert code("'x' in globals() or 'marker' in __import__('sys').modules").unwrap() is False


def test_all_code_runs_in_one_program_so_that_nothing_is_built_for_more_of_it(code, user_cache):
    code("1")
    before = set((user_cache / "snippets").iterdir())
    for number in range(5):
        code(f"{number} + 1", timeout="5s")
        code(f"{number} + 1", timeout="6s", ram="64MB")
    assert len(set((user_cache / "snippets").iterdir()) - before) <= 2


def test_output_goes_where_that_of_a_file_goes(code):
    heard = []
    code(
        "print('one')\nimport sys\nprint('two', file=sys.stderr)", on_output=lambda *each: heard.append(each)
    )
    assert sorted(heard) == [("stderr", "two\n"), ("stdout", "one\n")]


@pytest.mark.parametrize(
    ("text", "error_type", "words"),
    [
        ("while True: pass", "timeout", "its timeout of 0.5s (timeout=)"),
        ("open('data/f').read()", "permission_denied", "allowed_files of task main"),
        (
            "import urllib.request as u\nu.urlopen('http://127.0.0.1:9')",
            "permission_denied",
            "allowed_hosts=",
        ),
        ("bytearray(600 << 20)", "out_of_memory", "MemoryError"),
        ("import sys\nsys.exit(3)", "exit", "sys.exit(3)"),
    ],
)
def test_without_options_code_may_use_nothing_and_is_told_so(code, project, text, error_type, words):
    project.write("data/f", "secret")
    options = {"timeout": "500ms"} if "while" in text else {}
    error = code(text, **options)["error"]
    assert (error["error_type"], words in error["message"]) == (error_type, True), error


def test_a_default_that_bites_says_that_it_is_one(project):
    error = run_sync(code="while True: pass", cwd=project.root, limits={"compute": 10_000_000})["error"]
    assert error["error_type"] == "out_of_fuel"
    assert "limits= compute" in error["message"]
    error = run_sync(code="while True: pass", cwd=project.root, compute="LOW")["error"]
    assert "its compute of 1,000,000,000 fuel (compute=)" in error["message"]


def test_options_give_it_folders_hosts_and_variables(code, project, server, monkeypatch):
    project.write("data/f", "text")
    monkeypatch.setenv("CODE_TEST", "value")
    text = f"""
import os, urllib.request
[open("data/f").read(), os.environ.get("CODE_TEST"), urllib.request.urlopen("{server.url}/x").status]
"""
    given = {"allowed_files": ["data"], "env_variables": ["CODE_TEST"], "allowed_hosts": ["127.0.0.1"]}
    assert code(text, **given).unwrap() == ["text", "value", 200]


def test_ceilings_of_the_project_hold_for_code(code, project):
    project.write("data/f", "text")
    project.write("capsule.toml", "[limits]\nallowed_files = []\ntimeout = '300ms'\n")
    assert code("open('data/f').read()", allowed_files=["data"])["error"]["error_type"] == "permission_denied"
    assert "[limits] timeout" in code("while True: pass", timeout="1h")["error"]["message"]


def test_runs_of_code_are_in_the_record_of_a_project_and_leave_nothing_in_other_folders(code, project, cli):
    code("1")
    assert list(project.root.iterdir()) == []
    project.write("capsule.toml", "")
    code("1 + 1")
    from capsule.launch.journals import close_journals

    close_journals()
    assert "code" in cli("trace").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"code": "1", "file": "main.py"}, "a file or code="),
        ({}, "a file or code="),
        ({"file": "main.py", "timeout": "5s"}, "no argument 'timeout'"),
        ({"code": "1", "lang": "cobol"}, "'cobol'"),
        ({"code": "1", "colour": "red"}, "no option 'colour'"),
        ({"code": "1", "ram": "lots"}, "ram"),
        ({"code": "1", "packages": ["requests\n--index-url=http://evil"]}, "no requirement"),
        ({"code": "# /// script\n# dependencies = [1]\n# ///\n1"}, "dependencies"),
        ({"code": "x" * ((16 << 20) + 1)}, "characters"),
    ],
)
def test_what_can_t_be_run_is_an_error_with_words(project, arguments, words):
    with pytest.raises(CapsuleError, match=words):
        run_sync(cwd=project.root, **arguments)
    assert issubclass(PolicyError, CapsuleError)
    assert issubclass(UsageError, CapsuleError)


def test_many_pieces_run_at_once(project):
    async def all_of_them():
        pieces = [run(code=f"sum(range({number}))", cwd=project.root) for number in range(20)]
        return [outcome.unwrap() for outcome in await asyncio.gather(*pieces)]

    assert asyncio.run(all_of_them()) == [sum(range(number)) for number in range(20)]


def test_the_command_line_runs_code(cli):
    done = cli("run", "-c", "print('hello')\n6 * 7")
    assert (done.status, done.stdout.strip(), done.stderr) == (0, "42", "hello\n")


def test_the_command_line_runs_code_from_standard_input(cli):
    assert cli("run", "-", "--json", input="x = [1, 2]\nsum(x)").envelope.unwrap() == 3


def test_an_option_on_the_command_line_says_what_code_may_use(cli, project, said):
    project.write("data/f", "text")
    read = ("run", "-c", "open('data/f').read()")
    assert cli(*read).status == 1
    assert cli(*read, "--option", "allowed_files=data").stdout.strip() == "text"
    said(cli(*read, "--option", "allowed_files"), "no value", status=2)
    said(cli("run", "main.py", "--option", "ram=1MB"), "for code in no file", status=2)
    said(cli("run", "-c", "1", "main.py"), "both -c and main.py", status=2)
    said(cli("run", "-c", "1", "--watch"), "--watch watches a file", status=2)


def test_the_worker_runs_code(cli):
    worker = cli.start("worker")
    requests = [
        {"id": 1, "code": "6 * 7", "options": {"timeout": "5s"}},
        {"id": 2, "code": "1", "file": "main.py"},
        {"id": 3, "file": "main.py", "lang": "python"},
        {"id": 4, "code": "1", "packages": [1]},
        {"id": 5, "code": "1", "lang": "cobol"},
    ]
    worker.stdin.write("".join(json.dumps(each) + "\n" for each in requests))
    worker.stdin.flush()
    worker.stdout.readline()
    replies = {}
    while len(replies) < len(requests):
        reply = json.loads(worker.stdout.readline())
        replies[reply["id"]] = reply
    assert replies[1]["outcome"]["result"] == 42
    for number, words in ((2, "and code"), (3, "goes with code"), (4, "list of texts"), (5, "'cobol'")):
        assert words in replies[number]["error"]["message"]
