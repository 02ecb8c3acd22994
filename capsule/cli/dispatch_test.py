"""Plain command lines are read without cyclopts, to the same effect."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from capsule.cli import run as run_module
from capsule.cli.app import app
from capsule.cli.dispatch import _with_stdin, dispatch, plain_run
from capsule.cli.run import RunOptions

WORDS = st.one_of(
    st.sampled_from(
        ["main.py", "a", "", "1", "-1", "-1.5", "-1-2", "--json", "--verbose", "-v", "--", "-", "--no-json"]
    ),
    st.text(max_size=6),
)


@given(st.lists(WORDS, max_size=5))
def test_a_plain_run_asks_for_what_cyclopts_would_read(words):
    plain = plain_run(["run", *words])
    if plain is None:
        return
    asked: list[Any] = []

    def run_file(*given: Any) -> int:
        asked.append(given)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "run_file", run_file)
        app(["run", *words], exit_on_error=False, print_error=False, result_action="return_value")
    file, args, flags = plain
    verbose = not flags.isdisjoint(("--verbose", "-v"))
    assert asked == [(file, args, RunOptions(json="--json" in flags, verbose=verbose))]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["run", "--json"],
        ["run", ""],
        ["run", "a.py", "--limit", "ram=1MB"],
        ["run", "a.py", "--", "-x"],
        ["run", "a.py", "--deny-al"],
        ["run", "a.py", "-x"],
        ["run", "a.py", "-"],
        ["run", "-1"],
        ["run", "a.py", "--json", "--json"],
        ["exec", "a.wasm"],
        ["--help"],
    ],
)
def test_everything_else_is_left_to_cyclopts(arguments):
    assert plain_run(arguments) is None


def test_a_plain_run_is_read():
    assert plain_run(["run", "a.py", "x", "--json", "y"]) == (Path("a.py"), ("x", "y"), frozenset({"--json"}))


@pytest.mark.parametrize("command", ["run", "exec"])
@pytest.mark.parametrize(
    ("words", "option", "near"),
    [
        (["--deny-al"], "--deny-al", "--deny-all"),
        (["--limits", "ram=1MB"], "--limits", "--limit"),
        (["--limits=ram=1MB"], "--limits", "--limit"),
        (["a", "b", "--mounts", "x"], "--mounts", "--mount"),
        (["--json", "--require-signatures", "a.pub"], "--require-signatures", "--require-signature"),
        (["-x"], "-x", None),
        (["a.py", "-"], "-", None),
        (["-1-2"], "-1-2", None),
    ],
)
def test_a_word_that_looks_like_an_option_and_is_none_runs_nothing(
    command, words, option, near, monkeypatch, capsys
):
    monkeypatch.setattr(run_module, "run_file", lambda *given: pytest.fail("it ran"))
    assert dispatch([command, "main.wasm", *words]) == 2
    said = capsys.readouterr().err
    assert f"capsule {command} has no option {option!r}" in said
    assert near is None or f"did you mean {near}?" in said
    assert f"go after --: capsule {command} FILE -- " in said


@pytest.mark.parametrize("command", ["tasks", "explain", "worker", "build", "trace"])
def test_no_other_command_takes_an_unknown_option_either(command, capsys):
    assert dispatch([command, "--deny-al"]) == 2
    assert f"capsule {command} has no option '--deny-al'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [["-5", "-1.5"], ["--", "--deny-al", "-x"], ["a", "--json", "b"], ["a", "--limit", "ram=1MB", "-5"]],
    ids=" ".join,
)
def test_negative_numbers_and_what_follows_two_dashes_are_the_tasks(words, monkeypatch):
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(run_module, "run_file", lambda file, args, options: asked.append(args) or 0)
    assert dispatch(["run", "main.py", *words]) == 0
    options = ("--", "--json", "--limit", "ram=1MB")
    assert asked == [tuple(word for word in words if word not in options)]


def test_a_plain_run_does_not_import_cyclopts():
    code = """
import sys
from capsule.cli.dispatch import dispatch
code = dispatch(["run", "missing.py"])
print(code, "cyclopts" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"


def test_a_defect_of_ours_is_said_without_a_traceback(monkeypatch, capsys):
    def breaks(*given: Any) -> int:
        raise ZeroDivisionError("of ours")

    monkeypatch.delenv("CAPSULE_TRACEBACK", raising=False)
    monkeypatch.setattr(run_module, "run_file", breaks)
    assert dispatch(["run", "a.py"]) == 70
    said = capsys.readouterr().err
    assert "ZeroDivisionError: of ours" in said
    assert "CAPSULE_TRACEBACK=1" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["run", "-"], ["run", "--from-stdin"]),
        (["run", "--json", "-", "--lang", "x"], ["run", "--json", "--from-stdin", "--lang", "x"]),
        (["run", "main.py", "--", "-"], None),
        (["run", "main.wasm", "--stdin", "-"], None),
        (["run", "main.py", "a", "-"], None),
        (["exec", "-"], None),
        ([], None),
    ],
)
def test_a_lone_dash_is_standard_input_where_it_is_the_file(words, meant):
    assert _with_stdin(words) == (meant or words)
