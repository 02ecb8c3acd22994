"""The command line: exit codes, what goes to stdout, arguments, interruption."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest

from capsule import run_sync
from capsule.errors import UsageError

NOISY = """
    import sys
    from capsule import task

    @task(name="main")
    def main(*args, **kwargs):
        print('{"success": false}')
        print("x" * 20_000)
        print("on stderr", file=sys.stderr)
        sys.stdout.write("no newline")
        return [args, kwargs]
"""

FAILING = """
    def main():
        raise ValueError("broken\\x1b[31m")
"""


def test_json_prints_exactly_one_line_whatever_the_guest_prints(project, cli):
    project.write("main.py", NOISY)
    done = cli("run", "main.py", "--json")
    assert done.status == 0
    assert done.envelope.result == [[], {}]
    assert "x" * 20_000 in done.stderr
    assert "on stderr" in done.stderr
    assert "no newline" in done.stderr


def test_json_is_one_line_of_ascii_for_any_result(project, cli):
    project.write("main.py", 'def main():\n    return "\\u2028line\\nfeed \\u00e9 \\ud800"\n')
    done = cli("run", "main.py", "--json")
    assert done.stdout.isascii()
    assert done.envelope.result == "\u2028line\nfeed \u00e9 \ud800"


def test_without_json_stdout_holds_the_result_only(project, cli):
    project.write("main.py", NOISY)
    assert json.loads(cli("run", "main.py", "a").stdout) == [["a"], {}]


@pytest.mark.parametrize(
    ("returned", "printed"),
    [("'text'", "text\n"), ("None", "null\n"), ("{'a': 1}", '{\n  "a": 1\n}\n'), ("float('nan')", "NaN\n")],
)
def test_a_result_is_pretty_printed(project, cli, returned, printed):
    project.write("main.py", f"def main():\n    return {returned}\n")
    assert cli("run", "main.py").stdout == printed


def test_exit_code_1_is_a_failed_task_with_its_traceback(project, cli):
    project.write("main.py", FAILING)
    done = cli("run", "main.py")
    assert done.status == 1
    assert done.stdout == ""
    assert 'main.py", line 2, in main' in done.stderr
    assert "error: the task 'main' failed: task_error: ValueError: broken" in done.stderr
    as_json = cli("run", "main.py", "--json")
    assert as_json.status == 1
    assert as_json.envelope.success is False


def test_tracebacks_show_the_users_code_only(project, cli):
    project.write("main.py", FAILING)
    done = cli("run", "main.py")
    places = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith("File ")]
    assert len(places) == 1, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "missing.py"],
        ["run", "main.py", "--limit", "ram"],
        ["run", "main.py", "--deny-al"],
        ["worker", "main.py"],
        ["run", "main.py", "--limit", "colour=red"],
        ["run", "main.py", "--task", "nobody"],
        ["run", "main.py", "--args-json", "{"],
        ["run", "main.py", "--args-json", "3"],
        ["run", "main.py", "--args-file", "missing.json"],
        ["run", "main.py", "a", "--args-json", "[]"],
        ["exec", "main.py"],
        ["build", "missing.py"],
        ["tasks", "missing.py"],
        ["trace", "nosuchrun"],
        ["cache", "prune"],
        ["cache", "prune", "--max-size", "much"],
        ["nonsense"],
    ],
    ids=" ".join,
)
def test_exit_code_2_is_usage_with_a_message(project, cli, arguments):
    project.write("main.py", "def main():\n    return 1\n")
    done = cli(*arguments)
    assert done.status == 2, done
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "error: " in done.stderr
    assert len(done.stderr.splitlines()) <= 4


def test_usage_errors_say_what_to_do_next(project, cli, said):
    project.write("main.py", "def main():\n    return 1\n")
    said(cli("run", "missing.py"), "missing.py: no such file", "hint:")
    said(cli("run", "main.py", "--args-json", "3"), "hint: give a list")
    said(cli("exec", "main.py"), "hint: capsule run main.py")
    said(cli("run", "main.py", "--task", "nobody"), "'nobody'", "main")


def test_exit_code_3_is_a_failed_build(project, cli, said):
    project.write("main.py", "def main(:\n")
    said(cli("run", "main.py"), "main.py:1", status=3)
    said(cli("build", "main.py"), "main.py:1", status=3)


# Arguments


@pytest.fixture
def echo(project, cli):
    project.write("main.py", "def main(*args, **kwargs):\n    return [list(args), kwargs]\n")
    return lambda *arguments, **more: cli("run", "main.py", "--json", *arguments, **more).envelope.unwrap()


def test_arguments_reach_main_as_strings(echo):
    assert echo("a", "2", "true") == [["a", "2", "true"], {}]
    assert echo("a", "-2", "--limit", "ram=1GB", "b") == [["a", "-2", "b"], {}]
    assert echo("--", "--json", "-x") == [["--json", "-x"], {}]


@pytest.mark.parametrize("mistyped", [["--deny-al"], ["--limits", "allowed_hosts="], ["word", "-deny-all"]])
def test_a_mistyped_option_never_runs_the_code(project, cli, said, mistyped):
    project.write("main.py", "def main(*args):\n    print('it ran')\n")
    done = cli("run", "main.py", *mistyped)
    said(done, "has no option", "go after --")
    assert "it ran" not in done.stderr


def test_args_json_gives_typed_arguments(echo):
    assert echo("--args-json", '["a", 2, null]') == [["a", 2, None], {}]
    assert echo("--args-json", '{"name": [1]}') == [[], {"name": [1]}]
    assert echo("--args-json", "[-1]") == [[-1], {}]


def test_args_file_gives_typed_arguments(echo, project):
    project.write("args.json", '["\u00e9", {"a": 1}]')
    assert echo("--args-file", "args.json") == [["\u00e9", {"a": 1}], {}]


def test_large_arguments_and_results_pass_through_a_file(echo, project):
    values = ["x" * 1_000_000] * 5
    project.write("args.json", json.dumps(values))
    assert echo("--args-file", "args.json") == [values, {}]


def test_a_timeout_that_is_a_small_number_is_doubted_with_its_place(project, cli):
    project.write("main.py", "from capsule import task\n\n@task(timeout=5)\ndef main():\n    return 1\n")
    said = 'warning: main.py:3: timeout = 5 is 5 milliseconds; seconds are written "5s"'
    assert [line for line in cli("run", "main.py").stderr.splitlines() if "millisecond" in line] == [said]
    assert "millisecond" not in cli("run", "main.py").stderr


def test_a_mount_is_called_as_it_was_given(project, cli, said):
    project.write("main.py", "def main():\n    return 1\n")
    said(cli("run", "main.py", "--mount", "nowhere"), "--mount 'nowhere': nowhere is not a folder")
    with pytest.raises(UsageError) as caught:
        run_sync(project / "main.py", cwd=project.root, mounts=["nowhere"])
    assert caught.value.message == "mounts: 'nowhere': nowhere is not a folder"


TYPED = """
    from capsule import task

    @task
    def main(n: int, ratio: float = 1.0, rows: list[int] | None = None, *words: str):
        return [n, ratio, rows, words]
"""


def test_words_become_what_the_annotations_say(project, cli):
    project.write("main.py", TYPED)
    done = cli("run", "main.py", "41", "2", "[1, 2]", "3", "--json")
    assert done.envelope.unwrap() == [41, 2.0, [1, 2], ["3"]]
    assert cli("build", "main.py", "--export").status == 0
    assert cli("exec", "main.wasm", "-7", "--json").envelope.unwrap() == [-7, 1.0, None, []]
    # Typed arguments are handed on as they are.
    assert cli("run", "main.py", "--json", "--args-json", '["41"]').envelope.unwrap()[0] == "41"


def test_a_word_that_an_annotation_does_not_take_runs_nothing(project, cli, said):
    project.write("main.py", TYPED)
    said(
        cli("run", "main.py", "x"),
        "main.py:3: the parameter 'n' of the task 'main' takes an integer, not 'x'",
    )


def test_words_become_what_typescripts_types_say(project, cli, said):
    project.write(
        "main.ts",
        """
        export function main(n: number, on = false, options: { a?: number } | null = null) {
          return [n, on, options];
        }
    """,
    )
    done = cli("run", "main.ts", "41", "true", '{"a": 1}', "--json")
    assert done.envelope.unwrap() == [41, True, {"a": 1}]
    said(
        cli("run", "main.ts", "x"), "main.ts:1: the parameter 'n' of the task 'main' takes a number, not 'x'"
    )


def test_another_task_can_be_chosen(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(name="other")
        def other(word):
            return word.upper()

        @task(name="main")
        def main():
            return 1
    """,
    )
    assert cli("run", "main.py", "hi", "--task", "other").stdout == "HI\n"


def test_limits_can_be_given_on_the_command_line(project, cli):
    project.write("main.py", "import time\n\ndef main():\n    time.sleep(60)\n")
    done = cli("run", "main.py", "--json", "--limit", "timeout=300ms", "--limit", "compute=HIGH")
    assert done.envelope.error["error_type"] == "timeout"


def test_progress_of_a_slow_build_goes_to_stderr_and_a_quick_run_is_silent(project, cli):
    project.write("main.py", "def main():\n    return 1\n")
    cli("run", "main.py")
    done = cli("run", "main.py")
    assert done.stderr == ""


# Interruption


def wait_for_start(child):
    """Reads what a command says until its task has started."""
    for line in child.stderr:
        if line == "started\n":
            time.sleep(0.2)
            return
    raise AssertionError("it never started")


def left_of(group):
    """Processes of a group that has been ended: those that die take a moment."""
    over = time.monotonic() + 10
    while True:
        done = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
        rows = [line.split() for line in done.stdout.splitlines()]
        left = [row for row in rows if int(row[1]) == group and not row[2].startswith("Z")]
        if not left or time.monotonic() > over:
            return left
        time.sleep(0.05)


@pytest.mark.parametrize(
    "body", ["while True: pass", "import time; time.sleep(60)", "[part() for _ in range(9)]"]
)
def test_ctrl_c_gives_130_and_leaves_no_process_behind(project, cli, body):
    project.write(
        "main.py",
        f"""
        from capsule import task

        @task(name="part", compute="HIGH")
        def part():
            while True: pass

        @task(name="main", compute="HIGH")
        def main():
            print("started", flush=True)
            {body}
    """,
    )
    child = cli.start("run", "main.py", "--json")
    wait_for_start(child)
    os.kill(child.pid, signal.SIGINT)
    stdout, stderr = child.communicate(timeout=10)
    assert child.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert stdout == ""
    assert left_of(child.pid) == []


def test_a_request_to_terminate_ends_the_run_likewise(project, cli):
    project.write(
        "main.py", 'import time\n\ndef main():\n    print("started", flush=True)\n    time.sleep(60)\n'
    )
    child = cli.start("run", "main.py")
    wait_for_start(child)
    os.kill(child.pid, signal.SIGTERM)
    child.communicate(timeout=10)
    assert child.returncode == 143
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert run["state"] == "cancelled", cli("trace", run["id"]).stdout


def test_an_interrupted_run_is_recorded_as_cancelled(project, cli):
    project.write(
        "main.py",
        """
        import time

        def main():
            print("started", flush=True)
            time.sleep(60)
    """,
    )
    child = cli.start("run", "main.py")
    wait_for_start(child)
    os.kill(child.pid, signal.SIGINT)
    child.communicate(timeout=10)
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert run["state"] == "cancelled"


def test_a_killed_run_is_recorded_as_interrupted(project, cli):
    project.write(
        "main.py",
        """
        import time

        def main():
            print("started", flush=True)
            time.sleep(60)
    """,
    )
    child = cli.start("run", "main.py")
    wait_for_start(child)
    os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
    [run] = json.loads(cli("trace", "--json").stdout)["runs"]
    assert run["state"] == "interrupted"


def test_a_reader_that_goes_away_is_not_a_traceback(project, cli):
    project.write("main.py", "def main():\n    return 'x' * 5_000_000\n")
    child = cli.start("run", "main.py")
    child.stdout.read(10)
    child.stdout.close()
    child.stdout = None
    _, stderr = child.communicate(timeout=60)
    assert "Traceback" not in stderr
    assert "Exception ignored" not in stderr


# Other commands


def test_help_shows_every_command_with_an_example(cli):
    text = cli("--help").stdout
    for command in ("run", "exec", "build", "tasks", "trace", "cache", "plugins", "doctor"):
        assert command in text
    assert "capsule run main.py hello --verbose" in cli("run", "--help").stdout


def test_version_is_the_distributions(cli):
    from importlib.metadata import version

    assert cli("--version").stdout.strip() == version("capsule-run")


def test_plugins_lists_the_python_frontend(cli):
    assert "capsule-python" in cli("plugins").stdout
    rows = json.loads(cli("plugins", "--json").stdout)
    [row] = [row for row in rows if row["distribution"] == "capsule-python"]
    assert row["state"] == "ok"
    assert row["frontends"][0]["suffixes"] == [".py"]


def test_doctor_finds_everything_there(cli):
    done = cli("doctor", "--json")
    checks = json.loads(done.stdout)
    assert [check for check in checks if check["state"] in ("broken",)] == []
    assert {"python", "wasmtime", "user cache"} <= {check["name"] for check in checks}


def test_doctor_says_which_engines_are_built_and_how_large(project, cli, tmp_path):
    """And which are not, without building them."""
    project.write("main.py", "def main():\n    return 1\n")
    assert cli("run", "main.py").status == 0

    def said(**env):
        checks = json.loads(cli("doctor", "--json", env=env).stdout)
        return {check["name"]: check["detail"] for check in checks}

    there = said()
    size = "[0-9.]+ MiB"
    assert re.fullmatch(rf"built \({size}\) and compiled \({size}\)", there["python engine"])
    assert re.match(r"[0-9]+ engines of [0-9.,]+ MiB, [0-9]+ compiled components of ", there["stored"])
    empty = said(CAPSULE_CACHE_DIR=str(tmp_path / "cache"))
    assert empty["python engine"].startswith("not built yet")
    assert empty["stored"].startswith("0 engines of 0.0 MiB")


def test_a_failure_is_told_once_also_while_it_is_shown_live(project, cli):
    project.write("main.py", FAILING)
    done = cli("run", "main.py", "--verbose")
    assert done.stderr.count("error: the task 'main' failed: task_error: ValueError: broken") == 1
    assert "[#1] attempt 1 failed: task_error\n" in done.stderr


def test_each_failed_attempt_that_was_retried_says_why(project, cli):
    project.write(
        "main.py",
        """
        from capsule import task

        @task(max_retries=1)
        def main():
            raise ValueError("broken")
    """,
    )
    lines = cli("run", "main.py", "--verbose").stderr.splitlines()
    failed = [line for line in lines if "failed" in line and line.startswith("[#1] attempt")]
    assert failed == [
        "[#1] attempt 1 failed: task_error: ValueError: broken",
        "[#1] attempt 2 failed: task_error",
    ]
