"""Sessions: a live sandbox that runs one turn after the other, can be copied, and survives its own turns."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from capsule import CapsuleError, Session, SyncSession
from capsule.sessions import core
from capsule.sessions.live import COPIES

copies = pytest.mark.skipif(not COPIES, reason="processes can't be copied here")


def test_a_turn_has_what_the_turns_before_left(opened):
    session = opened()
    assert session.run("import json\nx = 41").unwrap() is None
    turn = session.run("x + 1")
    assert (turn.result, turn.type, turn.is_repr) == (42, "int", False)
    assert turn.display == ({"text/plain": "42"},)
    session.run("def double(n):\n    return 2 * n\nclass A:\n    n = 3\nfile = open('f', 'w+')")
    session.run("numbers = (n for n in range(10))\nnext(numbers)")
    turn = session.run(
        "file.write('kept'); file.seek(0); [double(x), A().n, next(numbers), json.dumps(file.read()), _]"
    )
    assert turn.result == [82, 3, 1, '"kept"', 0]


def test_an_exception_keeps_what_the_turn_did_before_it(opened):
    session = opened()
    turn = session.run("x = 1\nraise ValueError('no')")
    assert turn.error["message"] == "ValueError: no"
    assert turn.error["traceback"].splitlines()[1] == '  File "<turn 1>", line 2, in <module>'
    assert not turn.went_back
    assert session.run("x").result == 1


@copies
@pytest.mark.parametrize(
    ("code", "error_type"),
    [
        ("while True: pass", "timeout"),
        ("import time\ntime.sleep(60)", "timeout"),
        ("def f(): f()\nimport sys\nsys.setrecursionlimit(10**9)\nf()", "stack_overflow"),
        ("import os\nos._exit(3)", "exit"),
        ("blocks = []\nwhile True: blocks.append(bytearray(1 << 20))", None),
    ],
)
def test_a_turn_that_ends_its_sandbox_is_undone(opened, code, error_type):
    session = opened(timeout="700ms" if error_type == "timeout" else "30s", ram="128MB")
    session.run("x = 'before'\nopen('data.txt', 'w').write('before')")
    turn = session.run(f"x = 'after'\nopen('data.txt', 'w').write('after')\nopen('new', 'w').close()\n{code}")
    assert turn.error is not None
    if turn.went_back:
        assert error_type is None or turn.error["error_type"] == error_type, turn
        assert turn.files_went_back
        assert session.run("[x, open('data.txt').read()]").unwrap() == ["before", "before"]
        assert session.files.list() == ("data.txt",)
    else:  # Python itself got hold of it, and made it an exception
        assert session.run("blocks = None\nx").unwrap() == "after"


@copies
def test_a_turn_that_runs_out_of_fuel_is_undone_again_and_again(opened):
    session = opened(compute=500_000_000, timeout="20s")
    session.run("x = 0")
    for number in range(4):
        assert session.run("x = -1\nwhile True: pass").error["error_type"] == "out_of_fuel"
        assert session.run("x += 1\nx").unwrap() == number + 1


def test_without_checkpoints_such_a_turn_ends_the_session(opened):
    session = opened(timeout="500ms", checkpoints=False)
    assert session.run("x = 1\nx").unwrap() == 1
    turn = session.run("while True: pass")
    assert (turn.error["error_type"], turn.went_back) == ("timeout", False)
    assert session.closed
    with pytest.raises(CapsuleError, match="the session is over"):
        session.run("x")


@copies
def test_a_fork_has_the_same_state_and_then_its_own(opened):
    session = opened()
    session.run("x = [1]\nopen('a', 'w').write('1')\ngenerator = iter(range(5))\nnext(generator)")
    fork = session.fork()
    assert fork.run("x.append(2)\nopen('b', 'w').write('2')\n[x, next(generator)]").unwrap() == [[1, 2], 1]
    assert session.run("[x, next(generator)]").unwrap() == [[1], 1]
    assert (session.files.list(), fork.files.list()) == (("a",), ("a", "b"))
    again = fork.fork()
    session.close()
    fork.close()
    assert again.run("import os\n[x, sorted(os.listdir('/'))]").unwrap() == [[1, 2], ["a", "b"]]
    again.close()


@copies
def test_copies_draw_other_random_numbers(opened):
    session = opened()
    draw = (
        "[random.random(), os.urandom(8).hex(), str(uuid.uuid4()), secrets.token_hex(4), "
        "random.getrandbits(64)]"
    )
    session.run("import random, os, uuid, secrets\nrandom.seed()\nrandom.random()")
    forks = [session.fork() for _ in range(3)]
    drawn = [each.run(draw).unwrap() for each in (session, *forks)]
    for numbers in zip(*drawn, strict=True):
        assert len(set(numbers)) == 4
    for fork in forks:
        fork.close()


@copies
def test_a_session_goes_back_to_a_checkpoint_as_often_as_it_likes(opened):
    session = opened()
    session.run("x = 1\nopen('f', 'w').write('1')")
    checkpoint = session.checkpoint()
    for number in range(3):
        session.run(f"x = 'gone {number}'\nopen('g', 'w').close()")
        session.restore(checkpoint)
        assert session.run("x").unwrap() == 1
        assert session.files.list() == ("f",)
    checkpoint.close()


def test_a_turn_tells_which_files_it_changed(opened):
    session = opened()
    session.files.write("in/data.csv", b"a,b\n1,2\n")
    turn = session.run("rows = open('in/data.csv').read().split()\nopen('out.txt', 'w').write(rows[1])")
    assert (turn.files.created, turn.files.changed, turn.files.deleted) == (("out.txt",), (), ())
    turn = session.run("import os\nos.remove('in/data.csv')\nopen('out.txt', 'a').write('more')")
    assert (turn.files.created, turn.files.changed, turn.files.deleted) == (
        (),
        ("out.txt",),
        ("in/data.csv",),
    )
    assert session.files.read("out.txt") == b"1,2more"
    session.files.delete("in")
    assert session.files.list() == ("out.txt",)
    assert not session.run("1").files


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "", "a/../../x", "a\0"])
def test_files_lie_in_the_workspace(opened, name):
    session = opened()
    for use in (session.files.read, session.files.delete, lambda path: session.files.write(path, b"")):
        with pytest.raises(CapsuleError, match=r"workspace|path"):
            use(name)


def test_a_folder_of_the_project_can_be_the_workspace(opened, project):
    project.write("data/f", "text")
    session = opened(workspace="data")
    assert session.run("open('f').read()").unwrap() == "text"
    session.run("open('g', 'w').write('x')")
    session.close()
    assert (project / "data/g").read_text() == "x"


def test_the_private_workspace_is_gone_with_the_session(opened):
    session = opened()
    session.run("open('f', 'w').close()")
    folder = session.files.folder
    assert folder.is_dir()
    session.close()
    assert not folder.exists()
    assert not folder.parent.exists()


def test_what_is_shown_comes_in_order_with_its_forms(opened):
    session = opened()
    turn = session.run("""
class Table:
    def _repr_html_(self): return "<b>t</b>"
    def _repr_markdown_(self): raise RuntimeError
    def __repr__(self): return "Table"
class Picture:
    def _repr_png_(self): return b"\\x89PNG"
    def _repr_mimebundle_(self, **options): return {"application/json": {"a": [1]}}
display(Table(), 1)
Picture()
""")
    first, second, last = turn.display
    assert first == {"text/html": "<b>t</b>", "text/plain": "Table"}
    assert second == {"text/plain": "1"}
    assert (last["image/png"], last["application/json"]) == ("iVBORw==", {"a": [1]})
    assert turn.is_repr


def test_output_comes_in_order_and_as_it_is_written(opened):
    heard = []
    session = opened(on_output=lambda stream, text: heard.append((stream, text, time.monotonic())))
    turn = session.run(
        "import sys, time\nprint('one')\nsys.stdout.flush()\nprint('two', file=sys.stderr)\n"
        "sys.stderr.flush()\ntime.sleep(0.5)\nprint('three')"
    )
    assert turn.output == "one\ntwo\nthree\n"
    assert [each[:2] for each in heard] == [("stdout", "one\n"), ("stderr", "two\n"), ("stdout", "three\n")]
    assert heard[2][2] - heard[0][2] > 0.4


def test_await_works_and_tasks_live_on_from_turn_to_turn(opened):
    session = opened()
    session.run("""
import asyncio
seen = []
async def count():
    for number in range(3):
        seen.append(number)
        await asyncio.sleep(0.01)
task = asyncio.create_task(count())
await asyncio.sleep(0)
""")
    assert session.run("await task\nseen").unwrap() == [0, 1, 2]


def test_options_hold_in_every_turn(opened, server, monkeypatch):
    monkeypatch.setenv("SESSION_TEST", "value")
    session = opened(allowed_hosts=["127.0.0.1"], env_variables=["SESSION_TEST"])
    fetch = f"urllib.request.urlopen('{server.url}/x').status"
    assert session.run(f"import urllib.request, os\n[{fetch}, os.environ['SESSION_TEST']]").unwrap() == [
        200,
        "value",
    ]
    assert (
        session.run(f"import asyncio\nasync def later():\n    return {fetch}\nawait later()").unwrap() == 200
    )
    denied = session.run("urllib.request.urlopen('http://127.0.0.2:9')").error
    assert denied["error_type"] == "permission_denied"
    if COPIES:
        fork = session.fork()
        assert fork.run(f"[{fetch}, os.environ['SESSION_TEST']]").unwrap() == [200, "value"]
        fork.close()


def test_a_session_has_a_total_of_fuel(opened):
    session = opened(limits={"total_compute": 1_000_000_000}, timeout="20s")
    work = "sum(range(10_000_000))"
    outcomes = [session.run(work) for _ in range(5)]
    assert outcomes[-1].error["error_type"] == "out_of_fuel"
    assert "total_compute" in outcomes[-1].error["message"]


def test_a_turn_can_be_cancelled_and_the_session_goes_on(project):
    async def use():
        async with Session(cwd=project.root, timeout="30s") as session:
            await session.run("x = 1")
            started = time.monotonic()
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(session.run("x = 2\nwhile True: pass"), 0.3)
            assert time.monotonic() - started < 5
            return (await session.run("x")).unwrap() if COPIES else 1

    assert asyncio.run(use()) == 1


def test_turns_of_one_session_run_one_after_the_other_and_those_of_many_side_by_side(project):
    async def use():
        sessions = [Session(cwd=project.root) for _ in range(8)]
        asked = [session.run(f"x = {number}") for session in sessions for number in range(5)]
        await asyncio.gather(*asked)
        values = [(await session.run("x")).unwrap() for session in sessions]
        for session in sessions:
            await session.close()
        return values

    assert asyncio.run(use()) == [4] * 8


def test_an_idle_session_is_closed(opened):
    session = opened(idle_timeout="300ms")
    session.run("x = 1")
    end = time.monotonic() + 10
    while not session.closed and time.monotonic() < end:
        time.sleep(0.02)
    with pytest.raises(CapsuleError, match=r"nothing ran in it for 0\.3 s"):
        session.run("x")


def test_only_so_many_sessions_are_open_at_once(opened, monkeypatch):
    monkeypatch.setattr(core, "MOST_SESSIONS", len(core._open) + 1)
    first = opened()
    with pytest.raises(CapsuleError, match="sessions are open"):
        opened()
    first.close()
    opened()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"language": "cobol"}, "cobol"),
        ({"colour": 1}, "no option 'colour'"),
        ({"timeout": "soon"}, "timeout"),
        ({"max_retries": 2}, "not retried"),
        ({"workspace": "nowhere"}, "not a folder"),
        ({"idle_timeout": "never"}, "idle_timeout"),
        ({"packages": ["a b c"]}, "no requirement"),
    ],
)
def test_a_session_that_can_t_be_is_an_error_with_words(opened, options, words):
    with pytest.raises(CapsuleError, match=words):
        opened(**options).run("1")


def test_a_session_ends_with_the_program_that_has_it(python, user_cache):
    done = python("""
        import os
        from capsule import SyncSession
        session = SyncSession()
        print(session.run("import os\\n6 * 7").unwrap())
        print(session._core._live._process.pid, session.files.folder)
        os._exit(0)
    """)
    value, pid, folder = done.stdout.split()
    assert value == "42"
    end = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists()
    SyncSession().close()  # the next one removes what it left
    assert not Path(folder).exists()


NOTEBOOK = [
    ("from collections import Counter\nCounter('hello').most_common(1)", [["l", 2]]),
    ("@lambda f: f\ndef g(): return 1\ng()", 1),
    ("import re\nre.findall(r'\\d+', 'a1b22')", ["1", "22"]),
    ("input('name? ')", EOFError),
    ("print('x' * 10)", None),
    ("globals().get('nothing', 'default')", "default"),
    (
        "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    caught = str(error)\ncaught",
        "division by zero",
    ),
    ("with open('t.json', 'w') as f:\n    json.dump({'a': 1}, f)\njson.load(open('t.json'))", {"a": 1}),
    ("import threading\nthreading.Thread(target=print).start()", RuntimeError),
    ("import subprocess\nsubprocess.run(['ls'])", OSError),
    ("(x := 5) + x", 10),
    ("del x\nx", NameError),
    ("str.upper = None", TypeError),
    ("json.dumps = lambda value: 'patched'\njson.dumps(1)", "patched"),
    ("import sys\nsys.exit(3)", SystemExit),
    ("[n async for n in __import__('builtins').aiter(agen())] if False else 'ok'", "ok"),
    ("async def agen():\n    yield 1\n[n async for n in agen()]", [1]),
    ("'''a text'''", "a text"),
    ("# only a comment", None),
    ("for i in range(3): pass\ni", 2),
    ("from datetime import date\ndate(2026, 11, 26)", "2026-11-26"),
    ("1 if", SyntaxError),
    ("{'key': object()}", str),
    ("raise Exception", Exception),
    ("10 ** 30", 10**30),
]


def test_a_conversation_as_agents_have_it(opened):
    """Each piece as a notebook would show it, one after the other, in one session."""
    session = opened()
    session.run("import json")
    for code, expected in NOTEBOOK:
        turn = session.run(code)
        if isinstance(expected, type) and issubclass(expected, BaseException):
            assert turn.error is not None, code
            said = turn.error.get("traceback", "SystemExit") + turn.error["message"]
            assert expected is OSError or expected.__name__ in said, turn
            assert not turn.went_back, turn
        elif expected is str:
            assert turn.is_repr, code
        else:
            assert turn.unwrap() == json.loads(json.dumps(expected)), code
