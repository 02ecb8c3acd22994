import contextlib
import os
import re
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import CapsuleError, Location, PolicyError
from capsule.policy.limits import _PARSERS, Limits, apply_limits
from capsule.policy.model import FileGrant, Policy, TaskPolicy
from capsule.policy.options import OPTIONS
from capsule.policy.problems_test import anything
from capsule.policy.resolve import declared_policy

HERE = Location("main.py", 12)
MIB = 1024 * 1024


def toml(values: dict[str, Any]) -> Limits:
    return Limits.parse(values, "[limits]", lambda name: Location("capsule.toml", 14))


def declared(**options: object) -> TaskPolicy:
    return declared_policy(options, HERE, {})


def test_every_field_can_be_written() -> None:
    assert {item.name for item in fields(Limits)} == {*_PARSERS, "origins"}
    assert set(OPTIONS) < set(_PARSERS)


def test_without_limits_tasks_are_bounded_in_number_depth_and_output_only() -> None:
    limits = Limits()
    assert (limits.depth, limits.tasks) == (16, 10_000)
    assert (limits.output_bytes, limits.result_bytes) == (10 * MIB, 64 * MIB)
    assert limits.concurrency == max(2, os.cpu_count() or 1)
    assert (limits.total_compute, limits.total_timeout, limits.http_requests, limits.http_bytes) == (
        None,
    ) * 4
    assert (limits.on_exceed, limits.allow_project_writes) == ("cap", False)
    assert all(getattr(limits, option) is None for option in OPTIONS)


def test_all_limits_are_read_with_the_options_own_syntax() -> None:
    limits = toml(
        {
            "compute": "HIGH",
            "ram": "512MB",
            "timeout": "1m",
            "max_retries": 3,
            "allowed_files": [{"path": "./data", "mode": "ro"}],
            "allowed_hosts": ["*.Example.com"],
            "env_variables": ["KEY"],
            "depth": 0,
            "tasks": 5,
            "concurrency": 1,
            "output_bytes": "1MB",
            "result_bytes": 0,
            "http_requests": 0,
            "http_bytes": "1GB",
            "total_compute": 1000,
            "total_timeout": "2h",
            "on_exceed": "refuse",
            "allow_project_writes": True,
        }
    )
    assert limits == Limits(
        compute=1_000_000_000_000,
        ram=512 * MIB,
        timeout=60.0,
        max_retries=3,
        allowed_files=(FileGrant("data", False),),
        allowed_hosts=("*.example.com",),
        env_variables=("KEY",),
        depth=0,
        tasks=5,
        concurrency=1,
        output_bytes=MIB,
        result_bytes=0,
        http_requests=0,
        http_bytes=1024 * MIB,
        total_compute=1000,
        total_timeout=7200.0,
        on_exceed="refuse",
        allow_project_writes=True,
    )
    assert limits.origin("ram") == "[limits] ram (capsule.toml:14)"


@pytest.mark.parametrize(
    "values",
    [
        {"ram": "12XB"},
        {"depth": -1},
        {"depth": True},
        {"tasks": -1},
        {"concurrency": 0},
        {"output_bytes": -1},
        {"http_requests": "3"},
        {"on_exceed": "warn"},
        {"on_exceed": ["cap"]},
        {"allow_project_writes": 1},
        {"allow_project_writes": "true"},
        {"allowed_hosts": "a.com"},
        {"total_timeout": 0},
    ],
)
def test_a_bad_limit_is_refused_with_its_name_and_place(values: dict[str, object]) -> None:
    with pytest.raises(PolicyError, match=re.escape(f"capsule.toml:14: [limits] {next(iter(values))} = ")):
        toml(values)


def test_an_unknown_limit_is_told_the_nearest_name() -> None:
    with pytest.raises(PolicyError, match=r"(?s)capsule\.toml:14: .*'timout'.*did you mean \"timeout\""):
        toml({"timout": "5s"})


def test_a_limit_that_is_none_was_not_given() -> None:
    limits = Limits.parse({"ram": None, "depth": None})
    assert limits == Limits()
    assert not limits.origins


def test_capping_cuts_each_option_to_its_ceiling_and_says_so() -> None:
    limits = toml(
        {
            "compute": "LOW",
            "ram": "1MB",
            "timeout": "5s",
            "max_retries": 1,
            "allowed_files": [{"path": "data", "mode": "ro"}],
            "allowed_hosts": ["api.example.com"],
            "env_variables": ["A"],
            "secrets": ["S"],
            "tools": ["f"],
        }
    )
    options = {
        "compute": "HIGH",
        "ram": "1GB",
        "timeout": "1h",
        "max_retries": 9,
        "allowed_files": ["."],
        "allowed_hosts": ["*"],
        "env_variables": ["A", "B"],
        "secrets": ["S", "T"],
        "tools": ["f", "g"],
    }
    effective = apply_limits(declared(**options), limits)
    assert effective.policy == Policy(
        compute=1_000_000_000,
        ram=MIB,
        timeout=5.0,
        max_retries=1,
        allowed_files=(FileGrant("data", False),),
        allowed_hosts=("api.example.com",),
        env_variables=("A",),
        secrets=("S",),
        tools=("f",),
    )
    for option in OPTIONS:
        expected = f"main.py:12, capped by [limits] {option} (capsule.toml:14)"
        assert effective.origins[option] == expected


def test_what_is_under_its_ceiling_stays_as_it_was() -> None:
    limits = toml({"compute": "HIGH", "ram": "1GB", "allowed_hosts": ["*"], "allowed_files": ["."]})
    policy = declared(compute="LOW", ram="1MB", allowed_hosts=["a.com"], allowed_files=["x"])
    assert apply_limits(policy, limits) == policy
    assert apply_limits(policy, Limits()) == policy


@pytest.mark.parametrize("on_exceed", ["cap", "refuse"])
def test_a_task_that_declares_nothing_gets_the_ceiling_instead_of_unlimited(on_exceed: str) -> None:
    limits = toml({"ram": "1MB", "timeout": "5s", "allowed_hosts": [], "on_exceed": on_exceed})
    effective = apply_limits(declared(), limits)
    assert (effective.policy.ram, effective.policy.timeout) == (MIB, 5.0)
    assert effective.policy.allowed_hosts == ()
    assert effective.origins["ram"] == "built-in, capped by [limits] ram (capsule.toml:14)"


def test_a_ceiling_adds_nothing_that_the_task_did_not_declare() -> None:
    limits = toml({"allowed_hosts": ["a.com", "localhost:11434"], "allowed_files": ["data"]})
    effective = apply_limits(declared(), limits)
    assert effective.policy.allowed_hosts == ("a.com",)
    assert effective.policy.allowed_files == ()


@pytest.mark.parametrize(
    ("option", "value", "ceiling"),
    [
        ("compute", "HIGH", "LOW"),
        ("ram", "2GB", "1GB"),
        ("ram", "unlimited", "1GB"),
        ("timeout", "2m", "1m"),
        ("max_retries", 2, 1),
        ("allowed_files", ["out"], ["data"]),
        ("allowed_files", ["data"], [{"path": "data", "mode": "ro"}]),
        ("allowed_hosts", ["localhost"], ["*"]),
        ("allowed_hosts", ["*"], ["a.com"]),
        ("env_variables", ["SECRET"], []),
    ],
)
def test_refusing_names_task_option_value_ceiling_and_place(
    option: str, value: object, ceiling: object
) -> None:
    limits = toml({option: ceiling, "on_exceed": "refuse"})
    with pytest.raises(PolicyError) as caught:
        apply_limits(declared(**{option: value}), limits, task="crunch", location=HERE)
    message = str(caught.value)
    assert message.startswith(f"main.py:12: task 'crunch': {option} = ")
    assert f"[limits] {option} (capsule.toml:14)" in message
    assert caught.value.hint


def test_merging_takes_the_narrower_of_both_value_by_value() -> None:
    project = toml({"ram": "1GB", "timeout": "1m", "depth": 40, "allowed_hosts": ["*.a.com", "b.com"]})
    caller = Limits.parse(
        {"ram": "2GB", "timeout": "5s", "depth": 100, "allowed_hosts": ["x.a.com"]}, "limits"
    )
    both = project.merge(caller)
    assert (both.ram, both.timeout, both.depth) == (1024 * MIB, 5.0, 40)
    assert both.allowed_hosts == ("x.a.com",)
    assert both.origin("ram") == "[limits] ram (capsule.toml:14)"
    assert both.origin("timeout") == "limits timeout"


def test_a_value_that_only_one_side_has_set_is_taken_even_over_the_built_in() -> None:
    assert toml({"tasks": 50_000}).merge(Limits()).tasks == 50_000
    assert Limits().merge(Limits.parse({"tasks": 50_000})).tasks == 50_000
    assert Limits(tasks=50_000).merge(Limits()).tasks == 50_000


def test_an_argument_can_not_loosen_switches_that_the_project_has_set() -> None:
    project = toml({"on_exceed": "refuse", "allow_project_writes": False})
    both = project.merge(Limits.parse({"on_exceed": "cap", "allow_project_writes": True}))
    assert (both.on_exceed, both.allow_project_writes) == ("refuse", False)
    assert Limits().merge(Limits.parse({"allow_project_writes": True})).allow_project_writes


def test_a_list_that_both_narrowed_names_both_origins() -> None:
    both = toml({"env_variables": ["A", "B"]}).merge(Limits.parse({"env_variables": ["B", "C"]}, "--limit"))
    assert both.env_variables == ("B",)
    assert (
        both.origin("env_variables") == "[limits] env_variables (capsule.toml:14) and --limit env_variables"
    )


def test_arguments_of_the_command_line_are_read_by_the_limits_kind() -> None:
    arguments = ["ram=512MB", "compute=1000", "depth=4", "allowed_hosts=a.com,*.b.com", "env_variables="]
    arguments += ["allowed_files=data:ro,out", "allow_project_writes=true", "timeout=5s", "timeout=1s"]
    assert Limits.parse_arguments(arguments) == Limits(
        ram=512 * MIB,
        compute=1000,
        depth=4,
        allowed_hosts=("a.com", "*.b.com"),
        env_variables=(),
        allowed_files=(FileGrant("data", False), FileGrant("out", True)),
        allow_project_writes=True,
        timeout=1.0,
    )


@pytest.mark.parametrize(
    "argument",
    [
        "ram",
        "",
        "=",
        "=5",
        "rma=5",
        "depth=x",
        "depth=",
        "depth=٣",
        "depth=" + "9" * 5000,
        "ram=",
        "timeout=30",
        "allow_project_writes=yes",
        "on_exceed=",
        "allowed_hosts=http://a.com",
        "allowed_files=../x:ro",
    ],
)
def test_a_bad_argument_is_refused_with_a_hint(argument: str) -> None:
    with pytest.raises(CapsuleError) as caught:
        Limits.parse_arguments([argument])
    assert caught.value.hint


some_limits = st.fixed_dictionaries(
    {},
    optional={
        "compute": st.sampled_from(["LOW", 5, "HIGH"]),
        "ram": st.sampled_from(["1MB", "2GB"]),
        "timeout": st.sampled_from(["5s", "1h"]),
        "max_retries": st.integers(0, 3),
        "allowed_files": st.lists(st.sampled_from([".", "a", "a/b", "c"]), unique=True, max_size=2),
        "allowed_hosts": st.lists(
            st.sampled_from(["*", "a.com", "*.com", "localhost"]), unique=True, max_size=2
        ),
        "env_variables": st.lists(st.sampled_from(["A", "B"]), unique=True),
        "depth": st.integers(0, 40),
        "on_exceed": st.sampled_from(["cap", "refuse"]),
        "allow_project_writes": st.booleans(),
    },
)
some_options = st.fixed_dictionaries(
    {},
    optional={
        "compute": st.sampled_from(["LOW", 7, "HIGH"]),
        "ram": st.sampled_from(["1MB", "4GB"]),
        "timeout": st.sampled_from(["1s", "2h"]),
        "max_retries": st.integers(0, 9),
        "allowed_files": st.lists(st.sampled_from([".", "a", "a/b", "d"]), unique=True, max_size=2),
        "allowed_hosts": st.lists(
            st.sampled_from(["*", "x.com", "*.com", "localhost"]), unique=True, max_size=2
        ),
        "env_variables": st.lists(st.sampled_from(["A", "C"]), unique=True),
    },
)


@settings(deadline=None)
@given(some_options, some_limits, some_limits)
def test_merged_limits_never_allow_what_one_of_them_refuses(
    options: dict[str, Any], one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = Limits.parse({**one, "on_exceed": "cap"}), Limits.parse({**other, "on_exceed": "cap"})
    effective = apply_limits(declared(**options), first.merge(second))
    for limits in (first, second, first.merge(second)):
        assert apply_limits(effective, limits).policy == effective.policy
    wanted = declared(**options).policy
    ceiling = Limits(**{option: getattr(wanted, option) for option in OPTIONS})
    assert apply_limits(effective, ceiling).policy == effective.policy


@settings(deadline=None)
@given(some_limits, some_limits)
def test_merging_gives_the_same_numbers_whichever_comes_first(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = Limits.parse(one), Limits.parse(other)
    here, there = first.merge(second), second.merge(first)
    for name in ("compute", "ram", "timeout", "max_retries", "depth", "on_exceed", "allow_project_writes"):
        assert getattr(here, name) == getattr(there, name)
    assert first.merge(Limits()) == first == Limits().merge(first) == first.merge(first)


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(_PARSERS)) | st.text(max_size=9), anything, max_size=3))
def test_any_mapping_gives_limits_or_a_policy_error(values: dict[str, object]) -> None:
    with contextlib.suppress(PolicyError):
        Limits.parse(values).merge(Limits())


@settings(deadline=None)
@given(st.sampled_from([*_PARSERS, "x"]), st.text("a.:,ro1/*5MBs=\x00é", max_size=12))
def test_any_argument_gives_limits_or_an_error_for_people(name: str, text: str) -> None:
    with contextlib.suppress(CapsuleError):
        Limits.parse_arguments([f"{name}={text}"])
