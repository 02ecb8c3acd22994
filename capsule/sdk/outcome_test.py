from __future__ import annotations

import copy
import json
import pickle
import pprint
import traceback

import pytest

from capsule.sdk.outcome import Envelope, TaskError

RETURNED = Envelope(success=True, result={"a": 1}, error=None, execution={"task_name": "main", "retries": 0})
FAILED = Envelope(
    success=False,
    result=None,
    error={"error_type": "timeout", "message": "too late", "traceback": "File main.py"},
    execution={"task_name": "main", "retries": 2},
)


def test_keys_are_attributes_too():
    assert RETURNED.success is RETURNED["success"] is True
    assert RETURNED.result is RETURNED["result"]
    assert FAILED.error is FAILED["error"]
    assert FAILED.execution["retries"] == 2


def test_it_is_a_dictionary_for_json_and_copies():
    assert json.loads(json.dumps(RETURNED)) == dict(RETURNED)
    assert copy.deepcopy(RETURNED) == RETURNED
    assert pickle.loads(pickle.dumps(FAILED)).error == FAILED.error


def test_unwrap_gives_the_result():
    assert RETURNED.unwrap() == {"a": 1}
    assert Envelope(success=True, result=None, error=None, execution={}).unwrap() is None


def test_unwrap_raises_what_failed():
    with pytest.raises(TaskError) as caught:
        FAILED.unwrap()
    error = caught.value
    assert (error.error_type, error.message, error.traceback) == ("timeout", "too late", "File main.py")
    assert (error.task_name, error.task_number) == ("main", None)
    assert str(error) == "the task 'main' failed: timeout: too late"


def test_unwrap_has_the_sub_tasks_own_traceback_as_its_cause_with_its_name_and_number():
    execution = {"task_name": "boom", "task_number": 3}
    error = {
        "error_type": "task_error",
        "message": "ValueError: no",
        "traceback": "File x\n\nValueError: no\n",
    }
    with pytest.raises(TaskError) as caught:
        Envelope(success=False, result=None, error=error, execution=execution).unwrap()
    assert str(caught.value) == "the task 'boom' (#3) failed: ValueError: no"
    text = "".join(traceback.format_exception(caught.value))
    assert text.startswith("SubTask: 'boom' (#3)\n  File x\n  \n  ValueError: no\n")
    assert text.endswith("\ncapsule.TaskError: the task 'boom' (#3) failed: ValueError: no\n")


USES = {
    "+": lambda it: it + 1,
    "+ from the right": lambda it: "text" + it,
    "sum": lambda it: sum([it]),
    "-": lambda it: -it,
    "%": lambda it: it % 2,
    "|": lambda it: it | 2,
    "<": lambda it: it < 3,
    "== with a number": lambda it: it == 3,
    "!= with a text": lambda it: it != "x",
    "in": lambda it: it in [1, 2],
    "sorted": lambda it: sorted([it, it]),
    "for": lambda it: [one + 1 for one in it],
    "unpacking": lambda it: [*it],
    "list": list,
    "int": int,
    "range": range,
    "round": round,
    "if": lambda it: 1 if it else 2,
    "not": lambda it: not it,
    "and": lambda it: it and 1,
    "any": lambda it: any([it]),
    "filter": lambda it: [*filter(None, [it])],
    "in an envelope": lambda it: "x" in it,
    "f-string": lambda it: f"{it}",
    "format": lambda it: format(it, ""),
    "index": lambda it: it[0],
    "key": lambda it: it["x"],
    "attribute": lambda it: it.append,
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_a_result_would_be_used_for_says_that_it_is_an_envelope(use):
    with pytest.raises((TypeError, KeyError, AttributeError)) as caught:
        use(RETURNED)
    said = "an envelope: it is the outcome of task 'main', not its result; call .unwrap() on it for that"
    assert str(caught.value).endswith(said)
    with pytest.raises((TypeError, KeyError, AttributeError)) as caught:
        use(FAILED)
    assert str(caught.value).endswith("of task 'main', which failed: timeout: too late")
    assert "File main.py" in str(caught.value.__cause__)


def test_a_missing_key_is_a_key_error_and_a_missing_attribute_an_attribute_error():
    with pytest.raises(KeyError):
        RETURNED["x"]
    with pytest.raises(AttributeError):
        RETURNED.x  # noqa: B018 - asking for it is the point
    assert not hasattr(RETURNED, "x")
    assert getattr(RETURNED, "x", 5) == 5


def test_what_a_dictionary_is_used_for_goes_on():
    plain = {"success": True, "result": {"a": 1}, "error": None, "execution": RETURNED["execution"]}
    assert type(dict(RETURNED)) is dict
    assert dict(RETURNED) == {**RETURNED} == dict(**RETURNED) == RETURNED == plain
    assert RETURNED | {"more": 1} == {"more": 1} | RETURNED == {**plain, "more": 1}
    assert json.loads(json.dumps([RETURNED], indent=2)) == [plain]
    assert (RETURNED.get("result"), RETURNED.get("x", 7), "result" in RETURNED) == ({"a": 1}, 7, True)
    assert list(RETURNED.keys()) == list(plain)
    assert list(RETURNED.items()) == list(plain.items())
    assert RETURNED != {}
    assert RETURNED is not None
    assert repr(RETURNED) == str(RETURNED) == f"{RETURNED!r}" == repr(plain)
    assert pprint.pformat([RETURNED]) == pprint.pformat([plain])
    match RETURNED:
        case {"success": True, "result": found}:
            assert found == {"a": 1}


@pytest.mark.parametrize("error", [None, {}])
def test_unwrap_of_a_failure_without_details_still_raises(error):
    with pytest.raises(TaskError, match="the task failed"):
        Envelope(success=False, result=None, error=error, execution={}).unwrap()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("json.encoder", "encoder.py"),
        ("rich.pretty", "/home/me/venv/lib/python3.13/site-packages/rich/pretty.py"),
    ],
)
def test_a_library_that_is_given_an_envelope_has_a_dictionary(name, file):
    asked = compile("found = bool(it), len(it), 'x' in it", file, "exec")
    of_a_library = {"__name__": name, "it": RETURNED}
    exec(asked, of_a_library)
    assert of_a_library["found"] == (True, 4, False)
