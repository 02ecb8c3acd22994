from __future__ import annotations

import io
import json
import sys

import pytest

from capsule import events
from capsule.cli.common.render import write_envelope, write_error, write_event, write_outcome, write_warning
from capsule.errors import BuildError, CapsuleError, Location
from capsule.sdk.outcome import Envelope


def envelope(result=None, error=None):
    return Envelope(success=error is None, result=result, error=error, execution={"task_name": "main"})


class Terminal(io.StringIO):
    def isatty(self):
        return True


def terminal(monkeypatch):
    """Makes both streams terminals, as late as pytest lets us: it changes them itself between phases."""
    streams = Terminal(), Terminal()
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    monkeypatch.delenv("NO_COLOR", raising=False)
    return streams


def test_an_envelope_is_one_line_of_ascii(capsys):
    write_envelope(envelope("\u2028\n\u00e9\ud800"))
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out)["result"] == "\u2028\n\u00e9\ud800"


def test_numbers_that_json_has_not_are_null_and_stderr_says_so(capsys):
    write_envelope(envelope([float("nan"), {"a": float("-inf")}, 1.5]))
    out, err = capsys.readouterr()
    assert json.loads(out, parse_constant=pytest.fail)["result"] == [None, {"a": None}, 1.5]
    assert "they are null" in err
    write_envelope(envelope([1.5]))
    assert capsys.readouterr().err == ""


def test_a_result_goes_to_stdout_and_a_failure_to_stderr(capsys):
    write_outcome(envelope({"a": "\u00e9"}))
    assert capsys.readouterr() == ('{\n  "a": "\u00e9"\n}\n', "")
    write_outcome(envelope(error={"error_type": "timeout", "message": "late", "traceback": "File x\n"}))
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "  File x\nerror: the task 'main' failed: timeout: late\n"


@pytest.mark.parametrize(
    ("traceback", "shown"),
    [
        ("Traceback:\n  File x\nValueError: no\nmore\n", "  Traceback:\n    File x\n"),
        ("Traceback:\n  File x\ncapsule.ValueError: no\nmore", "  Traceback:\n    File x\n"),
        ("ValueError: no\nmore\n    at main.ts:1:2\n", "      at main.ts:1:2\n"),
        ("ValueError: no\nmore", ""),
        ("another", "  another\n"),
    ],
)
def test_a_message_is_not_shown_again_in_its_traceback(capsys, traceback, shown):
    failed = {"error_type": "task_error", "message": "ValueError: no\nmore", "traceback": traceback}
    write_outcome(envelope(error=failed))
    line = "error: the task 'main' failed: task_error: ValueError: no\n  more\n"
    assert capsys.readouterr().err == shown + line
    write_outcome(envelope(error=failed), told=True)
    assert capsys.readouterr().err == line


def test_text_that_the_stream_cannot_encode_is_escaped(monkeypatch):
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    write_outcome(envelope("\u00e9\ud800"))
    sys.stdout.flush()
    assert raw.getvalue() == b"\\xe9\\ud800\n"


def test_an_error_says_where_what_and_what_to_type_next(capsys):
    write_error(CapsuleError("no such option", hint="use another", location=Location("main.py", 3)))
    assert capsys.readouterr().err == "error: main.py:3: no such option\nhint: use another\n"
    write_error(BuildError("bad", traceback="File main.py, line 1\n"))
    assert capsys.readouterr().err == "  File main.py, line 1\nerror: bad\n"
    write_warning("careful")
    assert capsys.readouterr().err == "warning: careful\n"


def test_on_a_terminal_nothing_of_a_guests_can_drive_it(monkeypatch):
    out, err = terminal(monkeypatch)
    nasty = "\x1b]0;title\x07\x1b[2J\u202e"
    write_outcome(envelope(nasty))
    write_outcome(envelope(error={"error_type": "task_error", "message": nasty, "traceback": nasty}))
    write_error(CapsuleError(nasty, hint=nasty))
    write_event(events.Refused("r", 1, 0.0, "allowed_hosts", nasty))
    ours = ("\x1b[1;31m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m")
    said = err.getvalue()
    for colour in ours:
        said = said.replace(colour, "")
    for text in (out.getvalue(), said):
        assert "\x1b" not in text
        assert "\x07" not in text
        assert "\u202e" not in text
        assert "title" in text


def test_colour_is_for_terminals_that_want_it(monkeypatch):
    _, err = terminal(monkeypatch)
    write_error(CapsuleError("bad", hint="do it better"))
    assert err.getvalue() == "\x1b[1;31merror:\x1b[0m bad\n\x1b[36mhint:\x1b[0m do it better\n"
    write_event(events.TaskEnded("r", 2, 0.0, "failed", 1.5, 1, 12345, "timeout", "late"))
    assert err.getvalue().endswith("\x1b[1;31m[#2] failed after 1500 ms, fuel 12,345, retries 1\x1b[0m\n")
    monkeypatch.setenv("NO_COLOR", "1")
    write_error(CapsuleError("worse"))
    assert err.getvalue().endswith("\nerror: worse\n")


def test_events_are_one_line_each(capsys):
    happened = [
        (events.TaskStarted("r", 1, None, "main", 0.0, '{"origins": {}}'), "[#1 main] accepted"),
        (events.TaskStarted("r", 2, 1, "part", 0.0, '{"origins": {}}'), "[#2 part] accepted, for #1"),
        (events.AttemptStarted("r", 2, 1, 0.0), "[#2] running"),
        (events.AttemptStarted("r", 2, 2, 0.0), "[#2] running (attempt 2)"),
        (
            events.AttemptEnded("r", 2, 1, 0.0, 1.0, 0.0, 5, "timeout", "late"),
            "[#2] attempt 1 failed: timeout: late",
        ),
        (
            events.TaskEnded("r", 2, 0.0, "failed", 1.5, 1, 12345, "timeout", "late"),
            "[#2] failed after 1500 ms, fuel 12,345, retries 1",
        ),
    ]
    for event, line in happened:
        write_event(event)
        assert capsys.readouterr().err == line + "\n"
    write_event(events.AttemptEnded("r", 2, 1, 0.0, 1.0, 0.0, 5, None, None))
    write_event(events.RunEnded("r", 0.0, "succeeded", 1.0))
    assert capsys.readouterr().err == ""
