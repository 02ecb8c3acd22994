import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.runtime.denials import LONGEST_PATH, PathUse
from capsule.runtime.traps import Failure
from capsule.workers.frames import Frame, Kind, ProtocolError
from capsule.workers.messages import (
    HIGHEST_NUMBER,
    LONGEST_TEXT,
    Denial,
    Output,
    Request,
    Result,
    StartTask,
    Waiting,
    parse,
)

NUMBERS = {"attempt": 1, "fuel": 5, "load_fuel": 6, "load_seconds": 0.5, "seconds": 1}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "attempt",
        "number",
        "name",
        "fuel",
        "load_fuel",
        "load_seconds",
        "seconds",
        "failure",
        "too_large",
        "error",
    ]
)


@settings(deadline=None)
@given(
    st.sampled_from(Kind),
    st.dictionaries(NAMES | st.text(max_size=5), JSON, max_size=10),
    st.binary(max_size=50),
)
def test_whatever_a_worker_says_is_a_message_or_a_protocol_error(kind, head, body):
    try:
        attempt, message = parse(Frame(kind, head, body))
    except ProtocolError:
        return
    assert 0 <= attempt <= HIGHEST_NUMBER
    if isinstance(message, Result):
        assert 0 <= message.fuel <= HIGHEST_NUMBER
        assert message.seconds >= 0


def test_messages_say_what_was_sent():
    assert parse(Frame(Kind.OUTPUT, {"attempt": 3, "error": True}, b"x")) == (3, Output("stderr", b"x"))
    assert parse(Frame(Kind.OUTPUT, {"attempt": 3, "error": False}, b"x")) == (3, Output("stdout", b"x"))
    asked = Frame(Kind.DENIAL, {"attempt": 3, "number": 1, "change": True, "folder": 1}, b"x" * 9000)
    use = PathUse("x" * LONGEST_PATH, folder=False, change=True, refused=False)
    assert parse(asked) == (3, Denial(1, use))
    task = Frame(Kind.START_TASK, {"attempt": 3, "number": 1, "name": "n"}, b"{}")
    assert parse(task) == (3, StartTask(1, "n", "{}"))
    assert parse(Frame(Kind.REQUEST, {"attempt": 3, "number": 1}, b"{}")) == (3, Request(1, "{}"))
    assert parse(Frame(Kind.WAITING, {"attempt": 3})) == (3, Waiting(True))
    assert parse(Frame(Kind.RESUMED, {"attempt": 3})) == (3, Waiting(False))
    said = {"error_type": "exit", "message": "m", "traceback": None}
    _, result = parse(Frame(Kind.RESULT, {**NUMBERS, "failure": said}, b"ignored"))
    assert result == Result(None, Failure("exit", "m"), None, 5, 6, 0.5, 1.0)


@pytest.mark.parametrize(
    "change",
    [
        {"fuel": -1},
        {"fuel": HIGHEST_NUMBER + 1},
        {"fuel": True},
        {"fuel": 1.5},
        {"fuel": None},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": -1},
        {"seconds": "1"},
        {"attempt": "1"},
        {"failure": []},
        {"failure": {"error_type": "nonsense", "message": ""}},
        {"failure": {"error_type": "limit_exceeded", "message": ""}},
        {"failure": {"error_type": "exit", "message": "x" * (LONGEST_TEXT + 1)}},
        {"failure": {"error_type": "exit", "message": 1}},
    ],
)
def test_a_result_that_can_not_be_is_refused(change):
    with pytest.raises(ProtocolError):
        parse(Frame(Kind.RESULT, {**NUMBERS, **change}, b"{}"))


@pytest.mark.parametrize("kind", [Kind.PROGRAM, Kind.START, Kind.ANSWER, Kind.ENDED, Kind.CANCEL])
def test_a_worker_does_not_say_what_its_broker_says(kind):
    with pytest.raises(ProtocolError, match="does not say"):
        parse(Frame(kind, {"attempt": 1}))


def test_half_a_character_in_a_task_s_name_becomes_text():
    _, message = parse(Frame(Kind.START_TASK, {"attempt": 1, "number": 1, "name": "\ud800"}))
    assert message.name == "\\ud800"
