import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import ArtifactError
from capsule.policy.model import FileGrant, Policy, TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.problems_test import anything
from capsule.policy.serial import MAX_ORIGIN, from_json, to_json
from capsule.policy.sizes import MAX_INT, MAX_RETRIES, MAX_SECONDS

FULL = TaskPolicy(
    Policy(
        compute=7,
        ram=65536,
        timeout=0.5,
        max_retries=3,
        allowed_files=(FileGrant("data", True), FileGrant("in", False)),
        allowed_hosts=("*.example.com", "[::1]:8080"),
        env_variables=("KEY",),
        secrets=("OPENAI_KEY",),
        tools=("search",),
    ),
    {option: f"main.py:{line}" for line, option in enumerate(OPTIONS, 1)},
)

policies = st.builds(
    Policy,
    compute=st.integers(1, MAX_INT),
    ram=st.none() | st.integers(1, MAX_INT),
    timeout=st.none() | st.floats(0, MAX_SECONDS, exclude_min=True),
    max_retries=st.integers(0, MAX_RETRIES),
    allowed_files=st.lists(
        st.builds(FileGrant, st.sampled_from([".", "a", "a/b", "ü x"]), st.booleans()),
        unique_by=lambda grant: grant.path,
    ).map(tuple),
    allowed_hosts=st.lists(st.sampled_from(["*", "a.com", "[::1]:80", "1.2.3.4"]), unique=True).map(tuple),
    env_variables=st.lists(st.sampled_from(["A", "_b", "C1"]), unique=True).map(tuple),
    secrets=st.lists(st.sampled_from(["S", "_s"]), unique=True).map(tuple),
    tools=st.lists(st.sampled_from(["f", "g_2"]), unique=True).map(tuple),
)
origins = st.fixed_dictionaries({option: st.just("main.py:1") | st.just("built-in") for option in OPTIONS})


@settings(deadline=None)
@given(st.builds(TaskPolicy, policies, origins))
def test_a_policy_comes_back_from_json_as_it_was(policy: TaskPolicy) -> None:
    assert from_json(json.loads(json.dumps(to_json(policy)))) == policy


def test_the_same_policy_gives_the_same_text() -> None:
    shuffled = TaskPolicy(FULL.policy, dict(reversed(list(FULL.origins.items()))))
    assert json.dumps(to_json(FULL)) == json.dumps(to_json(shuffled))


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("compute", [0, -1, 1.5, True, "LOW", "7", MAX_INT + 1, 10**400, []]),
        ("compute", ["unlimited"]),
        ("ram", [0, -1, 1.0, True, "64MB", "unlimited", "7", MAX_INT + 1, 10**400, {}]),
        ("timeout", [0, -1, True, "5s", "unlimited", float("nan"), float("inf"), 1e300, 10**400, []]),
        ("max_retries", [None, -1, 101, 1.0, True, "3"]),
        (
            "allowed_files",
            [None, "data", ["../x"], ["/etc"], [{"path": ".."}], [{"path": "a", "mode": "w"}], [1]],
        ),
        ("allowed_hosts", [None, "*", ["http://a"], [1], ["a"] * 1001]),
        ("env_variables", [None, "A", ["A=B"], [1]]),
        ("secrets", [None, "A", ["A=B"], ["A", 1]]),
        ("tools", [None, "f", ["_f"], ["f.g"], ["f", 1], ["\0tool:f"]]),
        ("origins", [None, [], {}, {"ram": "x"}, {**FULL.origins, "x": "y"}, {**FULL.origins, "ram": 1}]),
        ("origins", [{**FULL.origins, "ram": "x" * (MAX_ORIGIN + 1)}]),
    ],
)
def test_a_field_that_no_source_could_have_declared_is_refused(field: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ArtifactError):
            from_json({**to_json(FULL), field: value})


@pytest.mark.parametrize(
    "field", [*(option for option in OPTIONS if option not in ("secrets", "tools")), "origins"]
)
def test_a_missing_field_is_refused(field: str) -> None:
    value = to_json(FULL)
    del value[field]
    with pytest.raises(ArtifactError):
        from_json(value)


def test_an_unknown_field_is_refused_since_it_may_be_a_restriction() -> None:
    with pytest.raises(ArtifactError):
        from_json({**to_json(FULL), "nothing_but": []})


@pytest.mark.parametrize("option", ["secrets", "tools"])
def test_an_artifact_of_before_there_were_secrets_or_tools_has_none(option: str) -> None:
    value = to_json(FULL)
    del value[option], value["origins"][option]
    policy = from_json(value)
    assert getattr(policy.policy, option) == ()
    assert policy.origins[option] == "built-in"
    assert policy.policy.env_variables == ("KEY",)


def test_control_characters_in_an_origin_are_replaced() -> None:
    value = to_json(FULL)
    value["origins"]["ram"] = "main\x1b[2J\ud800.py:3"
    assert from_json(value).origins["ram"] == "main\ufffd[2J\ufffd.py:3"


def test_the_longest_origin_is_accepted() -> None:
    value = to_json(FULL)
    value["origins"]["ram"] = "x" * MAX_ORIGIN
    assert len(from_json(value).origins["ram"]) == MAX_ORIGIN


@settings(deadline=None)
@given(anything)
def test_anything_that_is_not_a_policy_is_an_artifact_error(value: object) -> None:
    with pytest.raises(ArtifactError):
        from_json(value)


@settings(deadline=None)
@given(st.sampled_from([*OPTIONS, "origins"]), anything)
def test_any_value_in_any_field_gives_a_policy_or_an_artifact_error(field: str, value: object) -> None:
    try:
        policy = from_json({**to_json(FULL), field: value})
    except ArtifactError:
        return
    assert from_json(to_json(policy)) == policy
