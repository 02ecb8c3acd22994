from __future__ import annotations

import time

from capsule.cli.common.progress import PATIENCE, Progress, _Elapsed


def test_quick_work_shows_nothing(capsys):
    with Progress() as progress:
        progress("compiling")
    time.sleep(PATIENCE + 0.1)
    assert capsys.readouterr() == ("", "")


def test_slow_work_is_shown_on_stderr_by_plain_lines(capsys):
    with Progress() as progress:
        progress("first")
        progress("compiling")
        time.sleep(PATIENCE + 0.15)
        progress("storing")
    assert capsys.readouterr() == ("", "capsule: compiling\ncapsule: storing\n")


def test_after_the_end_nothing_is_shown(capsys):
    with Progress() as progress:
        progress("compiling")
        time.sleep(PATIENCE + 0.15)
    progress("late")
    assert "late" not in capsys.readouterr().err


def test_quiet_is_quiet(capsys):
    with Progress(quiet=True) as progress:
        progress("compiling")
        time.sleep(PATIENCE + 0.1)
    assert capsys.readouterr().err == ""


def test_what_takes_long_says_how_long_it_has_taken(capsys, monkeypatch):
    with Progress() as progress:
        progress("building")
        time.sleep(PATIENCE + 0.15)
        monkeypatch.setattr(progress, "_started", time.monotonic() - 34)
        progress("compiling")
    assert capsys.readouterr().err == "capsule: building\ncapsule: compiling (after 34 s)\n"


def test_on_a_terminal_the_time_of_what_is_being_done_counts_up():
    assert _Elapsed("building", time.monotonic()).__rich__().plain == "building"
    assert _Elapsed("building", time.monotonic() - 12.5).__rich__().plain == "building (12 s)"
