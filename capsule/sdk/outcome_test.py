from __future__ import annotations

import copy
import json
import pickle

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
    assert str(error) == "timeout: too late"


@pytest.mark.parametrize("error", [None, {}])
def test_unwrap_of_a_failure_without_details_still_raises(error):
    with pytest.raises(TaskError, match="the task failed"):
        Envelope(success=False, result=None, error=error, execution={}).unwrap()
