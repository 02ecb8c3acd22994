import re
from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from capsule.errors import Location, PolicyError
from capsule.policy.model import FileGrant, Policy
from capsule.policy.options import OPTIONS
from capsule.policy.problems_test import anything
from capsule.policy.resolve import DefaultValue, declared_policy, parse_option

HERE = Location("main.py", 12)


def test_each_option_is_a_field_of_the_policy() -> None:
    assert [field.name for field in fields(Policy)] == list(OPTIONS)


def test_a_task_without_options_gets_the_guides_defaults_and_says_they_are_built_in() -> None:
    declared = declared_policy({}, HERE, {})
    assert declared.policy == Policy()
    assert declared.origins == dict.fromkeys(OPTIONS, "built-in")


def test_every_option_is_parsed_and_says_where_it_was_written() -> None:
    declared = declared_policy(
        {
            "compute": "LOW",
            "ram": "64MB",
            "timeout": "1m30s",
            "max_retries": 2,
            "allowed_files": ["./data", {"path": "in", "mode": "ro"}],
            "allowed_hosts": ["API.example.com"],
            "env_variables": ["KEY"],
            "secrets": ["OPENAI_KEY"],
            "tools": ["search"],
        },
        HERE,
        {},
    )
    assert declared.policy == Policy(
        compute=1_000_000_000,
        ram=64 * 1024 * 1024,
        timeout=90.0,
        max_retries=2,
        allowed_files=(FileGrant("data", True), FileGrant("in", False)),
        allowed_hosts=("api.example.com",),
        env_variables=("KEY",),
        secrets=("OPENAI_KEY",),
        tools=("search",),
    )
    assert declared.origins == dict.fromkeys(OPTIONS, "main.py:12")


def test_an_option_beats_the_projects_default_which_beats_the_built_in() -> None:
    defaults = {
        "ram": DefaultValue(1024, "capsule.toml default_ram"),
        "timeout": DefaultValue(5.0, "capsule.toml default_timeout"),
    }
    declared = declared_policy({"ram": "2KB"}, HERE, defaults)
    assert (declared.policy.ram, declared.policy.timeout, declared.policy.max_retries) == (2048, 5.0, 0)
    assert declared.origins["ram"] == "main.py:12"
    assert declared.origins["timeout"] == "capsule.toml default_timeout"
    assert declared.origins["max_retries"] == "built-in"


def test_an_option_that_is_none_was_not_given() -> None:
    declared = declared_policy({"ram": None}, HERE, {"ram": DefaultValue(1024, "capsule.toml default_ram")})
    assert declared.policy.ram == 1024


def test_unlimited_lifts_a_default_of_compute_ram_and_timeout_and_of_nothing_else() -> None:
    defaults = {name: DefaultValue(1024, "x") for name in ("compute", "ram", "timeout")}
    options: dict[str, object] = {"compute": "unlimited", "ram": "unlimited", "timeout": "Unlimited"}
    declared = declared_policy(options, HERE, defaults)
    assert (declared.policy.compute, declared.policy.ram, declared.policy.timeout) == (None, None, None)
    assert declared.origins["compute"] == declared.origins["ram"] == "main.py:12"
    with pytest.raises(PolicyError):
        declared_policy({"max_retries": "unlimited"}, HERE, {})


def test_an_empty_list_beats_a_default() -> None:
    declared = declared_policy({"allowed_hosts": []}, HERE, {"allowed_hosts": DefaultValue(("a.com",), "x")})
    assert declared.policy.allowed_hosts == ()


@pytest.mark.parametrize("name", ["timout", "maxRetries", "Ram", "name", "", "x" * 1000])
def test_an_unknown_option_is_refused_with_file_and_line_and_what_is_valid(name: str) -> None:
    with pytest.raises(PolicyError) as caught:
        declared_policy({name: 1}, HERE, {})
    assert caught.value.location == HERE
    assert all(option in (caught.value.hint or "") for option in OPTIONS)


def test_an_unknown_option_is_told_the_nearest_name() -> None:
    with pytest.raises(PolicyError, match=re.escape('did you mean "timeout"?')):
        declared_policy({"timout": "5s"}, HERE, {})


def test_a_bad_value_is_refused_under_the_name_that_the_caller_gives_it() -> None:
    with pytest.raises(PolicyError, match=re.escape("capsule.toml:3: [tasks] default_ram = '12XB'")):
        parse_option("ram", "12XB", Location("capsule.toml", 3), name="[tasks] default_ram")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(OPTIONS) | st.text(max_size=9), anything, max_size=3))
def test_any_options_give_a_policy_or_a_policy_error_at_the_place_they_were_written(
    options: dict[str, object],
) -> None:
    try:
        declared = declared_policy(options, HERE, {})
    except PolicyError as error:
        place = error.location
    else:
        place = HERE
        assert declared.origins.keys() == set(OPTIONS)
    assert place == HERE


def test_an_error_about_a_source_has_the_names_that_the_source_has() -> None:
    names = {"max_retries": "maxRetries", "allowed_files": "allowedFiles"}
    with pytest.raises(PolicyError, match=re.escape("maxRetries = -1: out of range")):
        declared_policy({"max_retries": -1}, HERE, {}, names)
    with pytest.raises(
        PolicyError, match=re.escape('did you mean "allowedFiles"? valid names are compute, ')
    ):
        declared_policy({"allowedFile": []}, HERE, {}, names)
